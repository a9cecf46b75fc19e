"""Forms of tensor functions that occur in programs: a catalogue of structures, for any element type.

Each form makes a function of the symbolic dimension ``n`` and says which arrays it takes. Nothing here is an operator:
a back end sees such functions from users as well as from the operator library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tondo.ir import (
    INT64,
    Buffer,
    Combiner,
    Compute,
    Expr,
    TensorFunction,
    TensorType,
    Var,
    binary,
    cast,
    compare,
    const,
    dims,
    dtype,
    floordiv,
    floormod,
    intrin,
    maximum,
    minimum,
    negate,
    select,
)
from tondo.script import parse
from tondo_conformance.values import BOOL, FLOATS, NUMBERS, Values, between, normal

N: Final = Var("n")
Make = Callable[[str], TensorFunction]
_SIGNED: Final = tuple(name for name in NUMBERS if not name.startswith("uint"))
_INTEGERS: Final = ("int64", "int32", "int8", "uint8")


@dataclass(frozen=True, slots=True)
class Form:
    """A structure: makes a function of an element type; ``values`` are those of its inputs, in order."""

    name: str
    make: Make
    dtypes: tuple[str, ...] = NUMBERS
    values: tuple[Values, ...] = ()
    depth: int = 1


def _type(kind: str, *shape: int | Var) -> TensorType:
    return TensorType(dims(shape), dtype(kind))


def _rows(b: Compute, columns: int, value: Callable[[Expr, Expr], Expr], name: str = "y") -> Buffer:
    """Add a stage over ``n`` rows."""
    return b.compute(name, (N, columns), value)


def _over_rows(b: Compute, depth: int, value: Callable[[Expr, Expr], Expr], how: Combiner, name: str = "y") -> Buffer:
    """Add a reduction of every row."""
    return b.reduce(name, (N,), (depth,), value, how)


def _map(kind: str) -> TensorFunction:
    b = Compute("form")
    x = b.input("x", _type(kind, N, 7))
    return b.build(_rows(b, 7, lambda i, j: x[i, j] * const(2, dtype(kind)) + const(1, dtype(kind))))


def _flip(kind: str) -> TensorFunction:
    b = Compute("form")
    x = b.input("x", _type(kind, N, 7))
    return b.build(_rows(b, 7, lambda i, j: compare("eq", x[i, j], const(False, dtype(kind)))))


def _broadcast(kind: str) -> TensorFunction:
    b = Compute("form")
    x, row, one = b.input("x", _type(kind, N, 19)), b.input("row", _type(kind, 19)), b.input("one", _type(kind))
    return b.build(_rows(b, 19, lambda i, j: x[i, j] * row[j] + one[()]))


def _turned(kind: str) -> TensorFunction:
    b = Compute("form")
    x = b.input("x", _type(kind, N, 19))

    def value(i: Expr, j: Expr) -> Expr:
        return x[j, i]

    return b.build(b.compute("y", (19, N), value))


def _window(kind: str) -> TensorFunction:
    b = Compute("form")
    x = b.input("x", _type(kind, N, 21))
    return b.build(_rows(b, 9, lambda i, j: x[i, j * 2] + x[i, j * 2 + 1] + x[i, j * 2 + 3]))


def _joined(kind: str) -> TensorFunction:
    b = Compute("form")
    x, z = b.input("x", _type(kind, N, 3)), b.input("z", _type(kind, N, 5))

    def value(i: Expr, j: Expr) -> Expr:
        first, second = x[i, minimum(j, const(2, INT64))], z[i, maximum(j - 3, const(0, INT64))]
        return select(j < 3, first, second)

    return b.build(_rows(b, 8, value))


def _reduction(combiner: Combiner) -> Make:
    def make(kind: str) -> TensorFunction:
        b = Compute("form")
        x = b.input("x", _type(kind, N, 37))
        return b.build(_over_rows(b, 37, lambda i, k: x[i, k], combiner))

    return make


def _outer_reduction(kind: str) -> TensorFunction:
    b = Compute("form")
    x = b.input("x", _type(kind, N, 37))

    def value(i: Expr, k: Expr) -> Expr:
        return x[k, i]

    return b.build(b.reduce("y", (37,), (N,), value, "sum"))


def _contraction(kind: str) -> TensorFunction:
    b = Compute("form")
    x, z = b.input("x", _type(kind, N, 35)), b.input("z", _type(kind, 35, 18))

    def value(i: Expr, j: Expr, k: Expr) -> Expr:
        return x[i, k] * z[k, j]

    return b.build(b.reduce("y", (N, 18), (35,), value, "sum"))


def _convolution(kind: str) -> TensorFunction:
    b = Compute("form")
    x, w = b.input("x", _type(kind, N, 4, 10, 11)), b.input("w", _type(kind, 6, 4, 3, 3))

    def value(n: Expr, o: Expr, h: Expr, v: Expr, *window: Expr) -> Expr:
        c, p, q = window
        return x[n, c, h + p, v + q] * w[o, c, p, q]

    return b.build(b.reduce("y", (N, 6, 8, 9), (4, 3, 3), value, "sum"))


def _stages(kind: str) -> TensorFunction:
    b = Compute("form")
    x = b.input("x", _type(kind, N, 19))
    top = _over_rows(b, 19, lambda i, k: x[i, k], "max", "top")
    shifted = _rows(b, 19, lambda i, j: x[i, j] - top[i], "shifted")
    total = _over_rows(b, 19, lambda i, k: shifted[i, k] * shifted[i, k], "sum", "total")
    return b.build(_rows(b, 19, lambda i, j: shifted[i, j] + total[i]))


def _two_results(kind: str) -> TensorFunction:
    b = Compute("form")
    x = b.input("x", _type(kind, N, 7))
    twice = _rows(b, 7, lambda i, j: x[i, j] + x[i, j], "twice")
    return b.build(twice, _rows(b, 7, lambda i, j: twice[i, j] - const(1, dtype(kind)), "less"))


def _gather(kind: str) -> TensorFunction:
    b = Compute("form")
    x, at = b.input("x", _type(kind, 6, 5)), b.input("at", _type("int64", N))
    return b.build(_rows(b, 5, lambda i, j: x[at[i], j]))


def _chosen(kind: str) -> TensorFunction:
    b = Compute("form")
    x = b.input("x", _type(kind, N, 7))
    zero = const(0, dtype(kind))
    return b.build(_rows(b, 7, lambda i, j: select(x[i, j] < zero, negate(x[i, j]), x[i, j])))


def _divided(kind: str) -> TensorFunction:
    b = Compute("form")
    x = b.input("x", _type(kind, N, 7))
    three = const(3, dtype(kind))
    return b.build(_rows(b, 7, lambda i, j: floordiv(x[i, j], three) * three - floormod(x[i, j], three)))


def _bits(kind: str) -> TensorFunction:
    b = Compute("form")
    x = b.input("x", _type(kind, N, 7))
    five = const(5, dtype(kind))

    def value(i: Expr, j: Expr) -> Expr:
        return binary("or", binary("and", x[i, j], five), binary("xor", x[i, j], five))

    return b.build(b.compute("y", (N, 7), value))


def _iota(kind: str) -> TensorFunction:
    b = Compute("form")
    x = b.input("x", _type(kind, N))

    def value(i: Expr, j: Expr) -> Expr:
        return cast(dtype(kind), floormod(i * 3 + j, const(100, INT64))) + x[i]

    return b.build(b.compute("y", (N, 4), value))


def _scalar(kind: str) -> TensorFunction:
    b = Compute("form")
    x, z = b.input("x", _type(kind)), b.input("z", _type(kind, N))
    one = b.compute("one", (), lambda: x[()] + x[()])

    def value(i: Expr) -> Expr:
        return z[i] + one[()]

    return b.build(one, b.compute("y", (N,), value))


def _deep(kind: str) -> TensorFunction:
    b = Compute("form")
    x = b.input("x", _type(kind, N, 2, 3, 2, 5))

    def value(e: Expr, c: Expr, n: Expr, *others: Expr) -> Expr:
        return x[n, others[0], c, others[1], e]

    return b.build(b.compute("y", (5, 3, N, 2, 2), value))


def cast_form(source: str, wanted: str) -> TensorFunction:
    """Return the function that converts from ``source`` to ``wanted``."""
    b = Compute("form")
    x = b.input("x", _type(source, N, 7))
    return b.build(_rows(b, 7, lambda i, j: cast(dtype(wanted), x[i, j])))


def intrinsic_form(name: str, arity: int, kind: str) -> TensorFunction:
    """Return the function that applies an intrinsic element by element."""
    b = Compute("form")
    inputs: list[Buffer] = [b.input(f"x{index}", _type(kind, N, 7)) for index in range(arity)]
    result = dtype("bool") if name in {"isnan", "isinf"} else dtype(kind)

    def value(i: Expr, j: Expr) -> Expr:
        return intrin(name, *(x[i, j] for x in inputs), dtype=result)

    return b.build(b.compute("y", (N, 7), value, result))


_SCAN = """
@tensor_function
def form(n: "int64", x: Buffer((n, 9), "{T}"), y: Buffer((n, 9), "{T}")):
    for i in serial(0, n):
        with block("scan"):
            row = spatial(n, i)
            reads(x[row, 0:+9])
            writes(y[row, 0:+9])
            y[row, 0] = x[row, 0]
            for step in serial(1, 8):
                y[row, step] = y[row, step - 1] + x[row, step]
"""
_SCATTER = """
@tensor_function
def form(n: "int64", at: Buffer((n,), "int64"), x: Buffer((n,), "{T}"), y: Buffer((6,), "{T}")):
    for i in serial(0, 6):
        with block("clear"):
            place = spatial(6, i)
            reads()
            writes(y[place])
            y[place] = cast("{T}", 0)
    with block("spread"):
        reads(at[0:+n], x[0:+n], y[0:+6])
        writes(y[0:+6])
        for step in serial(0, n):
            y[at[step]] = y[at[step]] + x[step]
"""
_BRANCH = """
@tensor_function
def form(n: "int64", x: Buffer((n, 7), "{T}"), y: Buffer((n, 7), "{T}")):
    for i in serial(0, n):
        for j in serial(0, 7):
            with block("branch"):
                row = spatial(n, i)
                column = spatial(7, j)
                reads(x[row, column])
                writes(y[row, column])
                if column < 3:
                    y[row, column] = x[row, column] + x[row, column]
                else:
                    twice = let(x[row, column] * x[row, column])
                    y[row, column] = twice - x[row, column]
"""
_WHILE = """
@tensor_function
def form(n: "int64", x: Buffer((n,), "{T}"), y: Buffer((n,), "{T}")):
    for i in serial(0, n):
        with block("halve"):
            row = spatial(n, i)
            reads(x[row])
            writes(y[row])
            left = allocate((1,), "{T}", scope="local")
            left[0] = x[row]
            y[row] = cast("{T}", 0)
            while left[0] > cast("{T}", 1):
                left[0] = left[0] - cast("{T}", 2)
                y[row] = y[row] + cast("{T}", 1)
"""


def _text(text: str) -> Make:
    return lambda kind: parse(text.replace("{T}", kind)).tensor("form")


_AT = between(0, 5)

FORMS: Final = (
    Form("map", _map),
    Form("flip", _flip, BOOL),
    Form("broadcast", _broadcast),
    Form("turned", _turned, (*NUMBERS, *BOOL)),
    Form("window", _window),
    Form("joined", _joined, (*NUMBERS, *BOOL)),
    Form("sum", _reduction("sum"), depth=37),
    Form("product", _reduction("prod"), FLOATS, (between(0.9, 1.1),), 37),
    Form("largest", _reduction("max")),
    Form("smallest", _reduction("min")),
    Form("any", _reduction("or"), BOOL),
    Form("every", _reduction("and"), BOOL),
    Form("outer-sum", _outer_reduction, depth=64),
    Form("contraction", _contraction, depth=35),
    Form("convolution", _convolution, depth=36),
    Form("stages", _stages, _SIGNED, depth=400),
    Form("two-results", _two_results),
    Form("gather", _gather, (*NUMBERS, *BOOL), (normal, _AT)),
    Form("chosen", _chosen, _SIGNED),
    Form("divided", _divided, _INTEGERS),
    Form("bits", _bits, _INTEGERS),
    Form("positions", _iota),
    Form("scalar", _scalar),
    Form("five-axes", _deep, (*NUMBERS, *BOOL)),
    Form("scan", _text(_SCAN), depth=16),
    Form("scatter", _text(_SCATTER), values=(_AT, normal), depth=64),
    Form("branch", _text(_BRANCH)),
    Form("while", _text(_WHILE), ("float32", "float64", "int64", "int32"), (between(0, 20),)),
)
