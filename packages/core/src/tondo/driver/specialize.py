"""Fast versions for preferred sizes, inside one module: the entry looks at the sizes of a call and chooses.

Form before: the lowered module of the model with symbolic dimensions, and one lowered module per choice of preferred
sizes, in which these dimensions are numbers. Form after::

    def main(batch, seq, x, w, y, workspace):
        if batch == 1 and seq == 128:
            view x_1 = x, y_1 = y: ...              # the statements of the version for these sizes
        else:
            ...                                     # the statements for any sizes

Kernels that are the same up to names, and constants with the same contents, are shared. The workspace is as large as
the largest of all versions needs. Refuses (TND-B004) versions whose interface differs in more than sizes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from tondo.diagnostics import fail
from tondo.driver.config import Config
from tondo.ir import (
    AttrValue,
    Buffer,
    Const,
    ConstantData,
    Expr,
    If,
    Invoke,
    IRModule,
    Node,
    Stmt,
    TensorFunction,
    Var,
    View,
    all_of,
    as_expr,
    compare,
    digest,
    maximum,
    rename,
    rewrite,
    substitute,
    walk,
)

MAX_VERSIONS: Final = 16
"""How many choices of preferred sizes one model may have."""

_ENTRY: Final = "main"

Sizes = Mapping[str, int]
"""Sizes of dimensions by name."""


def preferred_sizes(config: Config) -> list[Sizes]:
    """Return every choice of preferred sizes: one for each dimension that prefers any.

    Raises:
        TondoError: TND-X002 if there are more than ``MAX_VERSIONS``.
    """
    wanted = {name: entry.prefer for name, entry in config.dimensions.items() if entry.prefer and not entry.fixed}
    if not wanted:
        return []
    choices = list(itertools.islice(itertools.product(*wanted.values()), MAX_VERSIONS + 1))
    if len(choices) > MAX_VERSIONS:
        fail(
            "TND-X002",
            f"the preferred sizes of {', '.join(wanted)} make more than {MAX_VERSIONS} versions of the model",
            help="each choice of one size per dimension is compiled; prefer fewer sizes",
        )
    return [dict(zip(wanted, sizes, strict=True)) for sizes in choices]


def with_versions(module: IRModule, versions: Sequence[tuple[Sizes, IRModule]]) -> IRModule:
    """Return ``module`` with an entry that runs the version whose sizes are those of the call, else its own.

    Raises:
        TondoError: TND-B004 if the interface of a version differs in more than sizes.
    """
    if not versions:
        return module
    return _Merging(module).merged(versions)


@dataclass(frozen=True, slots=True)
class _Interface:
    """The buffers of an entry function by what they are for."""

    inputs: tuple[Buffer, ...]
    constants: dict[str, Buffer]
    outputs: tuple[Buffer, ...]
    workspace: Buffer

    @staticmethod
    def of(module: IRModule) -> _Interface:
        """Return the interface of a lowered module: symbols, inputs, constants, outputs and numbers, workspace."""
        buffers = module.tensor(_ENTRY).buffers
        names = [str(name) for name in _items(module.attrs["constants"])]
        inputs = len(_items(module.attrs["inputs"]))
        end = inputs + len(names)
        constants = dict(zip(names, buffers[inputs:end], strict=True))
        return _Interface(buffers[:inputs], constants, buffers[end:-1], buffers[-1])


class _Merging:
    """The module that grows by one version after the other."""

    def __init__(self, module: IRModule) -> None:
        self._module = module
        self._main = module.tensor(_ENTRY)
        self._interface = _Interface.of(module)
        self._functions = {name: function for name, function in module.functions.items() if name != _ENTRY}
        self._constants = dict(module.constants)
        self._known: dict[ConstantData, str] = {}
        for name, data in module.constants.items():
            self._known.setdefault(data, name)
        self._buffers = dict(self._interface.constants)
        self._kernels = {digest(each): each.name for each in module.tensor_functions() if _is_leaf(each)}
        taken = {buffer.name for buffer in self._main.buffers} | {var.name for var in self._main.scalars}
        self._names = _Names({*module.functions, *self._constants, *taken, *_introduced(self._main)})

    def merged(self, versions: Sequence[tuple[Sizes, IRModule]]) -> IRModule:
        """Return the module with all ``versions``."""
        sizes: list[Expr] = [_workspace(self._module), *(_workspace(module) for _, module in versions)]
        workspace = sizes[0]
        for size in sizes[1:]:
            workspace = maximum(workspace, size)
        arena = replace(self._interface.workspace, shape=(workspace,))
        symbols = {var.name: var for var in self._main.scalars}
        body = substitute(self._main.body, buffers={self._interface.workspace: arena})
        for choice, module in reversed(versions):
            condition = all_of([compare("eq", symbols[name], Const(size)) for name, size in choice.items()])
            assert condition is not None
            body = If(condition, self._version(choice, module, arena), body)
        params = (
            *self._main.scalars,
            *self._interface.inputs,
            *self._buffers.values(),
            *self._interface.outputs,
            arena,
        )
        main = replace(self._main, params=params, body=body)
        attrs = self._module.attrs.with_(constants=tuple(self._buffers), workspace=workspace)
        return IRModule.of(*self._functions.values(), main, constants=self._constants, attrs=attrs)

    def _version(self, choice: Sizes, module: IRModule, arena: Buffer) -> Stmt:
        """Take over the kernels and constants of ``module``; return the statements of its entry."""
        self._check(choice, module)
        suffix = "_".join(f"{name}{size}" for name, size in choice.items())
        callees = self._take_kernels(module, suffix)
        host = rename(module.tensor(_ENTRY), lambda name: self._names(f"{name}_{suffix}"))
        interface = _Interface.of(module.with_functions([host]))
        shared = {buffer: self._constant(name, suffix, module) for name, buffer in interface.constants.items()}
        values: dict[Var, Expr] = {var: as_expr(choice[var.name]) for var in host.scalars if var.name in choice}
        body = substitute(host.body, values, {**shared, interface.workspace: arena})
        body = _calling(body, callees)
        seen = [*zip(interface.inputs, self._interface.inputs, strict=True)]
        seen += [*zip(interface.outputs, self._interface.outputs, strict=True)]
        for buffer, base in reversed(seen):
            body = View(buffer, base, Const(0), body)
        return body

    def _check(self, choice: Sizes, module: IRModule) -> None:
        mine, theirs = self._interface, _Interface.of(module)
        kinds = [
            [(len(buffer.shape), buffer.dtype) for buffer in (*each.inputs, *each.outputs)] for each in (mine, theirs)
        ]
        finds = [(attrs.get("numbers", ()), attrs.get("slots", 0)) for attrs in (self._module.attrs, module.attrs)]
        missing = set(choice) - {var.name for var in self._main.scalars}
        if kinds[0] != kinds[1] or finds[0] != finds[1] or missing:
            text = ", ".join(f"{name} = {size}" for name, size in choice.items())
            fail(
                "TND-B004",
                f"the version for {text} has another interface than the model for any sizes",
                help="leave out 'prefer' of these dimensions",
            )

    def _take_kernels(self, module: IRModule, suffix: str) -> dict[str, str]:
        """Take over the functions of ``module`` but its entry; return what they are called now."""
        new: list[TensorFunction] = []
        called: dict[str, str] = {}
        for function in module.tensor_functions():
            if function.name == _ENTRY:
                continue
            shape = digest(function) if _is_leaf(function) else None
            known = self._kernels.get(shape) if shape is not None else None
            called[function.name] = known or self._names(f"{function.name}_{suffix}")
            if known is None:
                new.append(function)
                if shape is not None:
                    self._kernels[shape] = called[function.name]
        for function in new:
            name = called[function.name]
            self._functions[name] = replace(function, name=name, body=_calling(function.body, called))
        return called

    def _constant(self, name: str, suffix: str, module: IRModule) -> Buffer:
        """Return the buffer of the constant ``name`` of ``module``."""
        data = module.constants[name]
        known = self._known.get(data)
        if known is None:
            known = self._names(f"{name}_{suffix}")
            self._known[data], self._constants[known] = known, data
        if known not in self._buffers:
            like = _Interface.of(module).constants[name]
            self._buffers[known] = replace(like, name=self._names(f"{like.name}_{suffix}"))
        return self._buffers[known]


class _Names:
    """Names that nothing has yet."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken

    def __call__(self, wanted: str) -> str:
        name = next(each for each in itertools.chain([wanted], _numbered(wanted)) if each not in self._taken)
        self._taken.add(name)
        return name


def _numbered(name: str) -> Iterator[str]:
    return (f"{name}_{i}" for i in itertools.count(1))


def _introduced(function: TensorFunction) -> set[str]:
    return {str(item.name) for item in walk(function.body) if isinstance(item, (Buffer, Var))}


def _is_leaf(function: TensorFunction) -> bool:
    """Return whether a function calls no other: then its structure says everything."""
    return not any(isinstance(item, Invoke) for item in walk(function.body))


def _calling(body: Stmt, called: Mapping[str, str]) -> Stmt:
    """Return ``body`` with calls of functions by their new names."""

    def change(item: Node) -> Node:
        if isinstance(item, Invoke) and not item.packed and item.callee in called:
            return replace(item, callee=called[item.callee])
        return item

    return cast("Stmt", rewrite(body, cast("Callable[[Node], Node]", change)))


def _workspace(module: IRModule) -> Expr:
    value = module.attrs["workspace"]
    return value if isinstance(value, Expr) else as_expr(int(str(value)))


def _items(value: AttrValue) -> tuple[AttrValue, ...]:
    assert isinstance(value, tuple)
    return value
