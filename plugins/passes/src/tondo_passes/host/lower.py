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

Branches and loops become statements around the calls of the inner functions that hold them (see
:mod:`tondo_passes.host.control`). What the call itself finds out, the dimensions that depend on contents and the
trips of loops, is written to one more output before the arena, the numbers; an output whose dimensions depend on
contents is no parameter but a slot of the call, which the caller reads afterwards.

The module's attributes then hold what an artifact's manifest needs: ``symbols`` (names), ``inputs`` and ``outputs``
(name, dtype, shape, and the slot if there is one), ``constants`` (names in the order of the parameters),
``workspace`` (bytes) and, if there are any, ``numbers`` (names of what the call finds out) and ``slots``. Refuses
(TND-B004) what has no host form, and a module without a ``main``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tondo.arith import BOUNDS, USUAL, bounds_attribute, dimension_bounds
from tondo.diagnostics import fail
from tondo.ir import (
    CONSTANT,
    INT64,
    UINT8,
    Atom,
    Attrs,
    Buffer,
    Const,
    ConstantRef,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    LoopRegion,
    Seq,
    TensorFunction,
    TensorType,
    Var,
    seq,
    walk,
)
from tondo_passes.graph.dead_code import prune
from tondo_passes.graph.names import NameSupply
from tondo_passes.host.body import Lowering
from tondo_passes.host.places import Memory, Place, Scope, Slot
from tondo_passes.host.plan_memory import callee_of, symbols_of, trips_name, variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tondo.arith import Interval
    from tondo.passes import PassContext


@dataclass(frozen=True)
class LowerHost:
    """Lower graph function ``main`` to a host function."""

    name: ClassVar[str] = "host.lower"
    requires: ClassVar[frozenset[str]] = frozenset({"planned"})
    ensures: ClassVar[frozenset[str]] = frozenset({"lowered"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with ``main`` as an exported tensor function and its signature in the attributes."""
        if "main" not in module.functions:
            fail("TND-B004", "the module has no function 'main'", help="name the entry function 'main'")
        module = prune(module)
        return _Host(module, module.graph("main"), dimension_bounds(module, context.dimensions)).lowered()


class _Host:
    """The lowering of the entry function."""

    def __init__(self, module: IRModule, graph: GraphFunction, dims: Mapping[str, Interval]) -> None:
        self._module = module
        self._dims = dims
        self._graph = graph
        self._symbols = symbols_of(graph)
        self._fresh = NameSupply([*module.functions, *(var.name for var in self._symbols)])
        self._memory = Memory.of(graph)
        self._arena = Buffer(self._fresh("workspace"), (self._memory.workspace,), UINT8, align=64)
        self._inputs = [self._buffer(param) for param in graph.params]
        self._results = [self._result(atom) for atom in graph.results]
        self._outputs = [self._buffer(var) for var in self._results if self._is_static(var)]
        refs = dict.fromkeys(item for each in module.graph_functions() for item in walk(each))
        self._constants = {
            ref: Buffer(self._fresh(ref.name), ref.type.dims, ref.type.dtype, CONSTANT, align=64)
            for ref in refs
            if isinstance(ref, ConstantRef)
        }
        self._cells = _cells(module, self._symbols)
        self._numbers = Buffer(self._fresh("numbers"), (Const(len(self._cells)),), INT64)

    def lowered(self) -> IRModule:
        cells = {name: i for i, name in enumerate(self._cells)}
        lowering = Lowering(self._module, self._fresh, self._numbers, cells, self._dims)
        scope = Scope(self._graph, self._memory, Place(self._arena))
        for atom, buffer in [*zip(self._graph.params, self._inputs, strict=True), *self._constants.items()]:
            lowering.own(scope, atom, buffer)
        outputs = iter(self._outputs)
        for var in self._results:
            if self._is_static(var):
                lowering.own(scope, var, next(outputs))
            else:
                scope.places[var] = Place(Slot(Const(self._memory.grown[var.name])))
        steps = lowering.body(scope)
        numbers = [self._numbers] if self._cells else []
        params = (
            *self._symbols,
            *self._inputs,
            *self._constants.values(),
            *self._outputs,
            *numbers,
            self._arena,
        )
        host = TensorFunction(
            "main",
            params,
            seq(*steps) if steps else Seq(()),
            len(self._outputs) + len(numbers) + 1,
            self._attrs(),
            self._graph.span,
        )
        kept = [function for function in self._module.functions.values() if isinstance(function, TensorFunction)]
        module = IRModule.of(*kept, *lowering.made, host, constants=self._module.constants, attrs=self._module.attrs)
        return module.with_attrs(Attrs({**module.attrs, **self._interface()}))

    def _attrs(self) -> Attrs:
        known = {var.name: self._dims[var.name] for var in self._symbols if self._dims.get(var.name, USUAL) != USUAL}
        attrs = Attrs(kind="host", exported=True)
        return attrs.with_(**{BOUNDS: bounds_attribute(known)}) if known else attrs

    def _interface(self) -> Attrs:
        inputs = self._names("input_names", [param.name for param in self._graph.params])
        outputs = self._names("output_names", [var.name for var in self._results])
        interface = Attrs(
            symbols=tuple(var.name for var in self._symbols),
            inputs=self._with_objects(
                "input_objects",
                [_entry(name, param.tensor) for name, param in zip(inputs, self._graph.params, strict=True)],
            ),
            outputs=self._with_objects(
                "output_objects", [self._output(name, var) for name, var in zip(outputs, self._results, strict=True)]
            ),
            constants=tuple(ref.name for ref in self._constants),
            workspace=self._memory.workspace,
        )
        return interface.with_(numbers=self._cells, slots=_slots(self._module)) if self._cells else interface

    def _output(self, name: str, var: GraphVar) -> Attrs:
        entry = _entry(name, var.tensor)
        return entry if self._is_static(var) else entry.with_(slot=self._memory.grown[var.name])

    def _with_objects(self, attribute: str, entries: list[Attrs]) -> tuple[Attrs, ...]:
        """Return the descriptions of values, of which some are handles of others than tensors."""
        kinds = self._graph.attrs.get(attribute, ("",) * len(entries))
        assert isinstance(kinds, tuple)
        return tuple(entry.with_(object=kind) if kind else entry for entry, kind in zip(entries, kinds, strict=True))

    def _names(self, attribute: str, default: Sequence[str]) -> Sequence[str]:
        names = self._graph.attrs.get(attribute, tuple(default))
        assert isinstance(names, tuple)
        return [str(name) for name in names]

    def _buffer(self, var: GraphVar) -> Buffer:
        return Buffer(self._fresh(var.name), var.tensor.dims, var.tensor.dtype)

    def _is_static(self, var: GraphVar) -> bool:
        return variables(var.type) <= set(self._symbols)

    def _result(self, atom: Atom) -> GraphVar:
        if not isinstance(atom, GraphVar) or atom in self._graph.params or self._graph.results.count(atom) > 1:
            fail("TND-B004", "a result of 'main' is not computed by it", help="run graph.own_results before host.lower")
        return atom


def _cells(module: IRModule, symbols: Sequence[Var]) -> tuple[str, ...]:
    """Return the names of the numbers that a call finds out: further dimensions, and the trips of loops."""
    given = {var.name for var in symbols}
    names: dict[str, None] = {}
    for graph in module.graph_functions():
        body = [graph.params, graph.results]
        found = {var.name for atoms in body for atom in atoms for var in variables(atom)}
        found.update(var.name for binding in graph.bindings for var in variables(binding))
        names.update(dict.fromkeys(sorted(found - given)))
        loops = [binding.operation for binding in graph.bindings if isinstance(binding.operation, LoopRegion)]
        names.update((trips_name(callee_of(loop.body)), None) for loop in loops)
    return tuple(names)


def _slots(module: IRModule) -> int:
    """Return how many slots the plans of all functions use."""
    return max((Memory.of(graph).slots for graph in module.graph_functions()), default=0)


def _entry(name: str, type_: TensorType) -> Attrs:
    return Attrs(name=name, dtype=type_.dtype, shape=type_.dims)


def planned(graph: GraphFunction) -> tuple[dict[str, Expr], Expr]:
    """Return the offsets and the size of the arena that ``host.plan_memory`` has written down."""
    memory = Memory.of(graph)
    return memory.places, memory.workspace
