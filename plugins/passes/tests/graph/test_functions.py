"""Functions that passes make are shared where their calls can be the same."""

from __future__ import annotations

from tondo.script import parse
from tondo_passes.graph.functions import Functions

MODULE = """
@tensor_function
def turned(n: "int64", m: "int64", x: Buffer((n, m)), y: Buffer((m, n))):
    for i in serial(m):
        for j in serial(n):
            y[i, j] = x[j, i]


@tensor_function
def other(k: "int64", m: "int64", x: Buffer((k, m)), y: Buffer((m, k))):
    for i in serial(m):
        for j in serial(k):
            y[i, j] = x[j, i]
"""


def test_equal_functions_of_the_same_dimensions_are_one():
    module = parse(MODULE)
    functions = Functions(module)
    first = functions.add(module.tensor("turned"))
    assert functions.add(module.tensor("turned")) is first
    second = functions.add(module.tensor("other"))
    assert second.name != first.name
    assert [var.name for var in second.scalars] == ["k", "m"]
    assert list(functions.made) == [first.name, second.name]
