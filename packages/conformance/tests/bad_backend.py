"""A plugin that breaks in a chosen way: a pass and a code generator around those that work."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

import tondo_runtime
from tondo.diagnostics import fail
from tondo.ir import Binary, Binding, CallPacked, GraphFunction, GraphVar, TensorFunction, rewrite
from tondo.plugin import PluginInfo, collect, hookimpl

TONDO_PLUGIN = PluginInfo("back end that breaks", min_core="0.1")
KEPT = []


def keep(x, y):
    """Copy, and never give memory back."""
    KEPT.append(bytearray(os.urandom(4096)) * 8)
    np.copyto(y, x)


def kill(x, y):
    """End the process as a wrong pointer would."""
    os.kill(os.getpid(), signal.SIGSEGV)


@dataclass(frozen=True, slots=True)
class Fault:
    """Break modules: ``wrong`` (float64 adds become subtractions), ``leak``, ``crash`` (in calls), ``random``."""

    name: ClassVar[str] = "bad.fault"
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset()
    what: str = ""

    def run(self, module, context):
        """Return the broken module."""
        if self.what == "wrong":
            changed = [rewrite(function, _subtract) for function in module.tensor_functions()]
            return module.with_functions(changed)
        if self.what in {"leak", "crash"}:
            tondo_runtime.register("bad.function", keep if self.what == "leak" else kill, override=True)
            return module.with_functions([_through(function) for function in module.graph_functions()])
        if self.what == "random":
            return module.with_attrs(module.attrs.with_(noise=os.urandom(4).hex()))
        return module


def _subtract(node):
    if isinstance(node, Binary) and node.op == "add" and str(node.dtype) == "float64":
        return replace(node, op="sub")
    return node


def _through(function: GraphFunction) -> GraphFunction:
    if function.name != "main":
        return function
    results = tuple(GraphVar(f"{var.name}_through", var.type) for var in function.results)
    more = [
        Binding((result,), CallPacked("bad.function", (var,)))
        for var, result in zip(function.results, results, strict=True)
    ]
    return replace(function, bindings=(*function.bindings, *more), results=results)


class BadCodegen:
    """Generates code by another generator, unless the option ``what`` says how to break."""

    name = "bad"

    def __init__(self):
        """Remember the other generator when it is first needed."""
        self.other = None

    def _other(self):
        if self.other is None:
            self.other = collect("llvm").codegens["llvm"]
        return self.other

    def supports(self, target):
        """Only where a test chooses it: a target has one code generator."""
        return "TONDO_BAD_CODEGEN" in os.environ

    def digest(self):
        """Whatever."""
        return "bad"

    def compile(self, module, target, options, context):
        """Break, or pass on."""
        functions = [f for f in module.functions.values() if isinstance(f, TensorFunction)]
        match options.get("what", ""):
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(3)
            case "hang":
                time.sleep(1000)
            case "bare":
                raise ValueError("a bare exception")
            case "refuse" if any(str(b.dtype) == "float16" for f in functions for b in f.buffers):
                fail("TND-B004", "there is no half precision here")
        return self._other().compile(module, target, {}, context)


@hookimpl
def register_passes():
    """Return the pass."""
    return [Fault]


@hookimpl
def register_codegens():
    """Return the code generator."""
    return [BadCodegen()]
