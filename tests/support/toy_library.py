"""A library for tests: plain products of two matrices, as calls of numpy or "compiled" to JSON for a loader."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tondo.passes import LibraryCode, Miss, Offer
from tondo_schedule.facts import stages_of

KIND = "toy"

LOADER = """
import json
import numpy as np

def load(name, data):
    text = json.loads(bytes(data))
    def call(scale):
        def run(*args):
            a, b, out = args[-3:]
            out[...] = scale * (a @ b)
            calls.append(args[:-3])
        return run
    return {entry: call(text["scale"]) for entry in text["functions"]}

calls = []
"""
"""A module that loads the code, with numpy alone."""


def multiply(*args, **attributes):
    """Compute the product that a placed function stands for, and note how it was called."""
    a, b, out = args[-3:]
    out[...] = attributes.get("scale", 1) * (a @ b)
    CALLS.append((args[:-3], attributes))


CALLS: list = []


def product_of(function):
    """Return why ``function`` is no plain product of matrices, None if it is one."""
    stages = stages_of(function) or ()
    if len(stages) != 1 or stages[0].contraction is None:
        return "it is no single product"
    found = stages[0].contraction
    roles = [found.batch, found.m, found.n, found.k]
    if [len(role) for role in roles] != [0, 1, 1, 1]:
        return "it has other axes than rows, columns and one that is summed over"
    m, n, k = (role[0].var for role in roles[1:])
    order = (found.left.indices, found.right.indices, stages[0].store.indices)
    return None if order == ((m, k), (k, n), (m, n)) else "an operand is transposed"


@dataclass
class Kernels:
    """Hand-written kernels."""

    name: str = "kernels"
    offer: Offer = field(default_factory=lambda: Offer("toy.multiply", {"scale": 1}, 1e-6))
    asked: list = field(default_factory=list)

    def supports(self, target):
        return target.kind == "cpu"

    def match(self, function, target):
        self.asked.append(function.name)
        reason = product_of(function)
        return Miss(reason) if reason else self.offer


@dataclass
class Compiler(Kernels):
    """An external compiler."""

    name: str = "compiler"
    offer: Offer = field(default_factory=lambda: Offer(None, {"scale": 1}))
    compiled: list = field(default_factory=list)

    def compile(self, functions, context):
        self.compiled.append([function.name for function in functions])
        assert not any(product_of(function) for function in functions)
        names = {function.name: f"toy.{function.name}" for function in functions}
        data = json.dumps({"functions": list(names.values()), "scale": 1}).encode()
        return [LibraryCode("all", KIND, data, names)]
