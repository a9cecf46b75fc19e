"""``host.lower``: the graph function becomes a host function in the tensor level, and its interface is written down.

Before::

    def main(x: Tensor[(n, 64), float32]):
        t = call_dps(f, x, w, scalars=(n,))
        y = call_dps(g, t, scalars=(n,))
        return y

After::

    def main(n, x, w, y, workspace):            # exported; symbols, inputs, constants, outputs, arena
        view t = workspace[0:]:  invoke f(n, x, w, t)
        view t = workspace[0:]:  invoke g(n, t, y)

The module's attributes then hold what an artifact's manifest needs: ``symbols`` (names), ``inputs`` and ``outputs``
(name, dtype, shape), ``constants`` (names in the order of the parameters) and ``workspace`` (bytes). Refuses (TND-B004)
control flow, calls of graph functions, in-place foreign functions and shapes that depend on contents, which have no
host form, and a module without a ``main``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NoReturn

from tondo.diagnostics import fail
from tondo.ir import (
    CONSTANT,
    UINT8,
    Assert,
    Atom,
    Attrs,
    Binding,
    Buffer,
    CallDps,
    CallPacked,
    Const,
    ConstantRef,
    Expr,
    GraphFunction,
    GraphVar,
    Invoke,
    IRModule,
    MatchShape,
    Reinterpret,
    Seq,
    Stmt,
    TensorFunction,
    TensorType,
    Var,
    View,
    all_of,
    compare,
    seq,
    substitute,
    walk,
)
from tondo_passes.graph.dead_code import prune
from tondo_passes.graph.names import NameSupply
from tondo_passes.host.plan_memory import aliases, scratch_buffers, scratch_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tondo.passes import PassContext


@dataclass(frozen=True)
class LowerHost:
    """Lower graph function ``main`` to a host function."""

    name: ClassVar[str] = "host.lower"
    requires: ClassVar[frozenset[str]] = frozenset({"planned"})
    ensures: ClassVar[frozenset[str]] = frozenset({"lowered"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with ``main`` as an exported tensor function and its signature in the attributes."""
        del context
        if "main" not in module.functions:
            fail("TND-B004", "the module has no function 'main'", help="name the entry function 'main'")
        module = prune(module)
        return _Host(module, module.graph("main")).lowered()


class _Host:
    """The lowering of one graph function."""

    def __init__(self, module: IRModule, graph: GraphFunction) -> None:
        self._module = module
        self._graph = graph
        self._symbols = symbols_of(graph)
        self._fresh = NameSupply([*module.functions, *(var.name for var in self._symbols)])
        self._aliases = aliases(graph)
        self._places, self._size = planned(graph)
        self._arena = Buffer(self._fresh("workspace"), (self._size,), UINT8, align=64)
        self._buffers: dict[Atom, Buffer] = {}
        self._views: dict[Atom, Atom] = {}
        self._inputs = [self._declare(param) for param in graph.params]
        self._outputs = [self._declare(self._result(atom)) for atom in graph.results]
        refs = dict.fromkeys(item for item in walk(graph) if isinstance(item, ConstantRef))
        self._constants = list(refs)
        for ref in refs:
            self._buffers[ref] = Buffer(self._fresh(ref.name), ref.type.dims, ref.type.dtype, CONSTANT, align=64)

    def lowered(self) -> IRModule:
        steps = [step for binding in self._graph.bindings for step in self._binding(binding)]
        params = (
            *self._symbols,
            *self._inputs,
            *(self._buffers[ref] for ref in self._constants),
            *self._outputs,
            self._arena,
        )
        host = TensorFunction(
            "main",
            params,
            seq(*steps) if steps else Seq(()),
            len(self._outputs) + 1,
            Attrs(kind="host", exported=True),
            self._graph.span,
        )
        module = self._module.with_functions([host])
        return module.with_attrs(Attrs({**module.attrs, **self._interface()}))

    def _interface(self) -> Attrs:
        inputs = self._names("input_names", [param.name for param in self._graph.params])
        outputs = self._names("output_names", [self._result(atom).name for atom in self._graph.results])
        return Attrs(
            symbols=tuple(var.name for var in self._symbols),
            inputs=tuple(_entry(name, param.tensor) for name, param in zip(inputs, self._graph.params, strict=True)),
            outputs=tuple(
                _entry(name, self._result(atom).tensor) for name, atom in zip(outputs, self._graph.results, strict=True)
            ),
            constants=tuple(ref.name for ref in self._constants),
            workspace=self._size,
        )

    def _names(self, attribute: str, default: Sequence[str]) -> Sequence[str]:
        names = self._graph.attrs.get(attribute, tuple(default))
        assert isinstance(names, tuple)
        return [str(name) for name in names]

    def _declare(self, var: GraphVar) -> Buffer:
        buffer = Buffer(self._fresh(var.name), var.tensor.dims, var.tensor.dtype)
        self._buffers[var] = buffer
        return buffer

    def _result(self, atom: Atom) -> GraphVar:
        if not isinstance(atom, GraphVar) or atom in self._graph.params or self._graph.results.count(atom) > 1:
            fail("TND-B004", "a result of 'main' is not computed by it", help="run graph.own_results before host.lower")
        return atom

    def _binding(self, binding: Binding) -> list[Stmt]:
        operation = binding.operation
        if not isinstance(operation, (CallDps, CallPacked, MatchShape, Reinterpret)):
            self._refuse(binding, f"{type(operation).__name__} is control flow or a call of a graph function")
        unknown = {item.name for item in walk(binding) if isinstance(item, Var) and item not in self._symbols}
        if unknown:
            self._refuse(binding, f"the dimension {', '.join(sorted(unknown))} depends on the contents of a tensor")
        match operation:
            case CallDps():
                return [self._call(binding, operation)]
            case CallPacked():
                return [self._call_packed(binding, operation)]
            case MatchShape():
                return self._match_shape(binding, operation)
            case Reinterpret():
                self._views[binding.var] = operation.arg
                return []

    def _refuse(self, binding: Binding, reason: str) -> NoReturn:
        notes = [] if binding.source is None else [f"it comes from {binding.source}"]
        fail("TND-B004", f"{reason}, which has no host form", notes=notes)

    def _call(self, binding: Binding, call: CallDps) -> Stmt:
        callee = self._module.tensor(call.function)
        used = [self._buffer(atom) for atom in (*call.args, *binding.vars)]
        given = dict(zip(callee.scalars, call.scalars, strict=True))
        scratch = [
            (Buffer(self._fresh(buffer.name), substitute(buffer, given).shape, buffer.dtype), scratch_name(binding, i))
            for i, buffer in enumerate(scratch_buffers(callee))
        ]
        args = (*call.scalars, *used, *(buffer for buffer, _ in scratch))
        return self._viewed([*call.args, *binding.vars], scratch, Invoke(call.function, args, False, binding.span))

    def _call_packed(self, binding: Binding, call: CallPacked) -> Stmt:
        if call.effect == "inplace":
            self._refuse(binding, f"'{call.name}' works in place")
        used = [self._buffer(atom) for atom in (*call.args, *binding.vars)]
        return self._viewed([*call.args, *binding.vars], [], Invoke(call.name, tuple(used), True, binding.span))

    def _viewed(self, atoms: Sequence[Atom], scratch: Sequence[tuple[Buffer, str]], stmt: Stmt) -> Stmt:
        """Wrap ``stmt`` in the views of the arena that it uses."""
        for buffer, name in scratch:
            stmt = View(buffer, self._arena, self._places[name], stmt)
        for atom in dict.fromkeys(atoms):
            root = self._aliases.get(atom, atom) if isinstance(atom, GraphVar) else None
            if root is not None and root.name in self._places:
                stmt = View(self._buffer(atom), self._arena, self._places[root.name], stmt)
            elif self._buffer(atom) != (base := self._base(atom)):
                stmt = View(self._buffer(atom), base, Const(0), stmt)
        return stmt

    def _base(self, atom: Atom) -> Buffer:
        """Return the buffer that ``atom`` is a view of, through any number of views; its own if it is none."""
        while atom in self._views:
            atom = self._views[atom]
        return self._buffer(atom)

    def _match_shape(self, binding: Binding, match: MatchShape) -> list[Stmt]:
        have = match.arg.tensor.dims
        self._buffers[binding.var] = self._buffer(match.arg)
        self._views[binding.var] = match.arg
        wrong = [compare("eq", a, b) for a, b in zip(have, match.dims, strict=True) if a != b]
        condition = all_of(wrong)
        return [] if condition is None else [Assert(condition, f"shape of '{binding.var.name}' is not as declared")]

    def _buffer(self, atom: Atom) -> Buffer:
        if atom not in self._buffers:
            assert isinstance(atom, GraphVar)
            self._declare(atom)
        return self._buffers[atom]


def symbols_of(graph: GraphFunction) -> tuple[Var, ...]:
    """Return the symbolic dimensions of the parameters of ``graph``, by name."""
    found = {item for param in graph.params for item in walk(param.type) if isinstance(item, Var)}
    return tuple(sorted(found, key=lambda var: var.name))


def _entry(name: str, type_: TensorType) -> Attrs:
    return Attrs(name=name, dtype=type_.dtype, shape=type_.dims)


def planned(graph: GraphFunction) -> tuple[dict[str, Expr], Expr]:
    """Return the offsets and the size of the arena that ``host.plan_memory`` has written down."""
    memory = graph.attrs.get("memory")
    if not isinstance(memory, Attrs):
        fail("TND-B004", f"the memory of '{graph.name}' is not planned", help="run host.plan_memory before host.lower")
    places: dict[str, Expr] = {}
    entries, size = memory["places"], memory["workspace"]
    assert isinstance(entries, tuple)
    assert isinstance(size, Expr)
    for entry in entries:
        assert isinstance(entry, tuple)
        name, offset = entry
        assert isinstance(name, str)
        assert isinstance(offset, Expr)
        places[name] = offset
    return places, size
