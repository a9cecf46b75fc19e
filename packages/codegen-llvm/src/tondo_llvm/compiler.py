"""A module of lowered functions to objects: share equal functions, look into the cache, compile the rest in parallel.

Before: an ``IRModule`` whose exported tensor functions call others by name. After: one object per distinct function
and one with the thread pool. Functions that are equal up to names get one symbol, named after their digest, so that
they are compiled once per module and, through the cache, once per machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from tondo.diagnostics import fail
from tondo.ir import Invoke, IRModule, TensorFunction, digest, walk
from tondo.plugin import CodegenContext, CompiledCode, ObjectCode
from tondo.target import Target
from tondo_llvm.cache import ObjectCache, object_key
from tondo_llvm.emit import emit_function
from tondo_llvm.options import LlvmOptions
from tondo_llvm.pool import pool_ir
from tondo_llvm.targets import machine_spec
from tondo_llvm.toolchain import MachineSpec, Optimization, Source, compile_many

_SYMBOL_DIGITS = 24
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, slots=True)
class _Unit:
    """One object to make: its name, its text when asked for, what decides it, and the function that it is made of."""

    name: str
    text: Callable[[], str]
    content: str
    title: str


def compile_module(module: IRModule, target: Target, options: LlvmOptions, context: CodegenContext) -> CompiledCode:
    """Return the code of the exported functions of ``module`` and of what they call.

    Raises:
        TondoError: TND-B004 for a form that cannot be expressed.
    """
    functions = _reachable(module)
    kernels = list(dict.fromkeys(name for function in _entries(module) for name in _called(function, packed=False)))
    packed = list(dict.fromkeys(name for function in functions.values() for name in _called(function, packed=True)))
    with context.timing.measure("units"):
        units = _units(functions, target, kernels, packed)
        context.timing.note(functions=len(functions), distinct=len(units) - 1)
    objects = _compile(units, machine_spec(target), Optimization(options.opt_level, options.vectorize), context)
    return CompiledCode(
        objects=tuple(ObjectCode(_UNSAFE.sub("_", unit.name), data) for unit, data in zip(units, objects, strict=True)),
        kernels=tuple(kernels),
        packed=tuple(packed),
        features=target.features,
    )


def _entries(module: IRModule) -> list[TensorFunction]:
    exported = [function for function in module.tensor_functions() if function.attrs.get("exported") is True]
    return exported or list(module.tensor_functions())


def _reachable(module: IRModule) -> dict[str, TensorFunction]:
    """The entries and what they call, entries first, callees in the order of their calls."""
    found: dict[str, TensorFunction] = {}
    waiting = _entries(module)
    while waiting:
        function = waiting.pop(0)
        if function.name in found:
            continue
        found[function.name] = function
        for name in _called(function, packed=False):
            callee = module.functions.get(name)
            if not isinstance(callee, TensorFunction):
                fail("TND-B004", f"'{function.name}' calls '{name}', which is no tensor function of the module")
            waiting.append(callee)
    return found


def _called(function: TensorFunction, *, packed: bool) -> Iterator[str]:
    return (item.callee for item in walk(function.body) if isinstance(item, Invoke) and item.packed == packed)


def _units(
    functions: Mapping[str, TensorFunction], target: Target, kernels: list[str], packed: list[str]
) -> list[_Unit]:
    symbols: dict[str, TensorFunction] = {}
    digests: dict[str, str] = {}
    for name, function in functions.items():
        digests[name] = digest(function)
        exported = function.attrs.get("exported") is True
        symbols[name] = function if exported else replace(function, name=f"kernel_{digests[name][:_SYMBOL_DIGITS]}")
    indices = {name: place for place, name in enumerate(kernels)}
    positions = {name: place for place, name in enumerate(packed)}
    facts = f"{target.cpu} {target.vector_bits}"
    units: dict[str, _Unit] = {}
    for name, function in symbols.items():
        if function.name in units:
            continue

        def text(function: TensorFunction = function) -> str:
            return emit_function(function, target, symbols, indices, positions)

        calls = any(isinstance(item, Invoke) for item in walk(function.body))
        if calls or function.attrs.get("exported") is True:
            # It depends on the symbols and positions of others or on its own name, so its text decides.
            emitted = text()
            units[function.name] = _Unit(function.name, lambda emitted=emitted: emitted, emitted, name)
        else:
            units[function.name] = _Unit(function.name, text, f"{digests[name]} {facts}", name)
    pool = pool_ir(target.triple)
    return [*units.values(), _Unit("tondo_pool", lambda: pool, pool, "thread pool")]


def _compile(
    units: list[_Unit], machine: MachineSpec, optimization: Optimization, context: CodegenContext
) -> list[bytes]:
    cache = None if context.cache is None else ObjectCache(context.cache)
    keys = {unit.name: object_key(unit.name, unit.content, machine, optimization) for unit in units}
    with context.timing.measure("emit"):
        found = {} if cache is None else _found(keys, cache)
        missing = [Source(unit.name, unit.text(), unit.title) for unit in units if unit.name not in found]
        context.timing.note(cached=len(found), emitted=len(missing))
    if context.dump is not None:
        for source in missing:
            context.dump(f"{source.name}.ll", source.ir_text)
    with context.timing.measure("llvm"):
        compiled = compile_many(
            missing,
            machine,
            optimization,
            jobs=max(1, context.jobs),
            progress=_progress(context),
            timing=context.timing,
        )
        context.timing.note(compiled=len(compiled), threads=max(1, min(context.jobs, len(missing))))
    for code in compiled:
        found[code.name] = code.data
        if cache is not None:
            cache.put(keys[code.name], code.data)
    return [found[unit.name] for unit in units]


def _found(keys: Mapping[str, str], cache: ObjectCache) -> dict[str, bytes]:
    """Return the objects that ``cache`` has, by the names of their units."""
    return {name: data for name, key in keys.items() if (data := cache.get(key)) is not None}


def _progress(context: CodegenContext) -> Callable[[int, int, str], None]:
    def report(done: int, total: int, name: str) -> None:
        del name
        context.reporter.progress("codegen", done, total)

    return report
