"""``graph.sink_copies``: elementwise functions are computed before a copy of their argument instead of after it.

Before::

    t = call_dps(matmul, x, w)  # (b * s, c)
    v = call_dps(reshape, t)  # (b, s, c)
    y = call_dps(add, v, r)

After::

    t = call_dps(matmul, x, w)
    p = call_dps(view, r)  # (b * s, c)
    q = call_dps(add, t, p)  # fusion makes it the epilogue of matmul
    y = call_dps(reshape, q)

So what belongs together meets, and the copy moves on to a consumer that may absorb it or share its memory. Fires
where the copy is a view or a permutation, where its argument comes from another call, where neither the argument nor
the result has another use, where the end is no result of the graph, and where every other operand is either not moved
by the copy (a bias along an axis that stays) or, for views, can be seen in the other shape at no cost. Refuses
functions whose value depends on the place itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import (
    Atom,
    Binding,
    Buffer,
    CallDps,
    Compute,
    Const,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    Load,
    Node,
    TensorType,
    Var,
    floordiv,
    floormod,
    is_const,
    rewrite,
    substitute,
)
from tondo_passes.graph.calls import uses_of, value_names
from tondo_passes.graph.copies import Copy, copy_of, inside, linear, substitute_all
from tondo_passes.graph.element import Element, element_of
from tondo_passes.graph.functions import Functions
from tondo_passes.graph.names import NameSupply

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from tondo.passes import PassContext


@dataclass(frozen=True)
class SinkCopies:
    """Move copies behind elementwise functions."""

    name: ClassVar[str] = "graph.sink_copies"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with copies moved in its graph functions."""
        del context
        functions = Functions(module)
        graphs = [_Sinker(function, functions).function() for function in module.graph_functions()]
        return module.with_functions([*graphs, *functions.made.values()])


@dataclass(frozen=True, slots=True)
class _Back:
    """The way back through a copy: element ``point`` of its source becomes element ``indices`` of its result."""

    point: tuple[Var, ...]
    indices: tuple[Expr, ...]
    view: bool

    @staticmethod
    def of(copy: Copy, shape: Sequence[Expr]) -> _Back | None:
        """Return the way back through a view or a permutation with a result of ``shape``, else None."""
        given = copy.source.tensor.dims
        point = tuple(Var(f"e{place}") for place in range(len(given)))
        if copy.is_view(shape):
            known = inside(point, given)
            return _Back(point, tuple(map(known.simplify, _digits(linear(point, given, known), shape))), True)
        places = {index: place for place, index in enumerate(copy.indices) if isinstance(index, Var)}
        fixed = [place for place, index in enumerate(copy.indices) if not isinstance(index, Var)]
        if len(places) + len(fixed) != len(given) or not all(is_const(given[place], 1) for place in fixed):
            return None
        indices: list[Expr] = []
        for var, extent in zip(copy.variables, shape, strict=True):
            whole = var in places and given[places[var]] == extent
            if not whole and not is_const(extent, 1):
                return None
            indices.append(point[places[var]] if whole else Const(0))
        return _Back(point, tuple(indices), False)


def _digits(position: Expr, shape: Sequence[Expr]) -> list[Expr]:
    """Return the index into ``shape`` of the element at ``position`` in row-major order."""
    found: list[Expr] = []
    for extent in reversed(shape[1:]):
        found.append(floormod(position, extent))
        position = floordiv(position, extent)
    return [position, *reversed(found)] if shape else []


class _Sinker:
    """The moves in one graph function."""

    def __init__(self, function: GraphFunction, functions: Functions) -> None:
        self._graph = function
        self._functions = functions
        self._uses: Counter[GraphVar] = uses_of(function)
        self._names = NameSupply(value_names(function))
        self._copies: dict[Atom, Copy] = {}
        self._computed: set[Atom] = set()
        self._bindings: list[Binding] = []

    def function(self) -> GraphFunction:
        for binding in self._graph.bindings:
            self._place(binding)
        return replace(self._graph, bindings=tuple(self._bindings))

    def _place(self, binding: Binding) -> None:
        """Append ``binding``, or what it becomes when a copy moves behind it."""
        call = binding.operation
        if isinstance(call, CallDps) and len(binding.vars) == 1:
            copy = copy_of(call, self._functions[call.function])
            if copy is not None:
                self._copies[binding.var] = copy
            for arg in dict.fromkeys(call.args) if copy is None else ():
                parts = self._sunk(binding, call, arg)
                if parts is not None:
                    for part in parts:
                        self._place(part)
                    return
            self._computed.add(binding.var)
        self._bindings.append(binding)

    def _sunk(self, binding: Binding, call: CallDps, arg: Atom) -> list[Binding] | None:
        """Return the bindings that compute ``binding`` before the copy that ``arg`` is, if that is possible."""
        copy = self._copies.get(arg)
        if copy is None or call.args.count(arg) != 1 or arg.tensor.dims != binding.var.tensor.dims:
            return None
        if binding.var in self._graph.results or not self._reaches_computation(arg):
            return None
        element = element_of(call, self._functions[call.function])
        back = None if element is None else _Back.of(copy, arg.tensor.dims)
        if element is None or back is None:
            return None
        moved = _Moved(self, copy.source, arg, back, binding.var.tensor, element)
        if not moved.possible:
            return None
        return self._parts(binding, copy, moved)

    def _parts(self, binding: Binding, copy: Copy, moved: _Moved) -> list[Binding]:
        """Return the views that ``moved`` needs, its call, and the copy of its result."""
        call = binding.operation
        assert isinstance(call, CallDps)
        stem = self._functions[call.function].name
        builder = Compute(stem)
        args = [moved.operands[atom] for atom in moved.reads]
        inputs = {
            atom: builder.input(f"x{i}", arg.tensor)
            for i, (atom, arg) in enumerate(zip(moved.reads, args, strict=True))
        }
        value = moved.value(inputs)
        point = moved.back.point
        kind = TensorType(copy.source.tensor.dims, binding.var.tensor.dtype)
        stage = builder.compute(
            "y", kind.dims, lambda *index: substitute(value, dict(zip(point, index, strict=True))), kind.dtype
        )
        function = self._functions.add(builder.build(stage))
        early = self.fresh(binding.var, "early", kind)
        first = Binding((early,), CallDps(function.name, tuple(args), function.scalars), binding.source, binding.span)
        again = Copy(early, copy.variables, copy.indices)
        copying = self._functions.add(again.function("copy", binding.var.tensor.dims))
        last = Binding(binding.vars, CallDps(copying.name, (early,), copying.scalars), binding.source, binding.span)
        return [*moved.views, first, last]

    def _reaches_computation(self, atom: Atom) -> bool:
        """Whether ``atom`` is, through copies without another use, a computed value without another use."""
        while isinstance(atom, GraphVar) and self._uses[atom] == 1 and atom in self._computed:
            if atom not in self._copies:
                return True
            atom = self._copies[atom].source
        return False

    def fresh(self, var: GraphVar, suffix: str, kind: TensorType) -> GraphVar:
        """Return a new value with one use."""
        made = GraphVar(self._names(f"{var.name.removesuffix(f'_{suffix}')}_{suffix}"), kind)
        self._uses[made] = 1
        return made

    def seen(self, atom: Atom, back: _Back, shape: Sequence[Expr]) -> tuple[list[Binding], Atom]:
        """Return ``atom`` in the shape before the copy, and the bindings that make it."""
        kind = TensorType(tuple(shape), atom.tensor.dtype)
        copy = self._copies.get(atom)
        if copy is not None and copy.source.tensor == kind and copy.is_view(atom.tensor.dims):
            return [], copy.source
        function = self._functions.add(Copy(atom, back.point, back.indices).function("view", kind.dims))
        var = GraphVar(self._names(f"{atom.name}_view"), kind)
        return [Binding((var,), CallDps(function.name, (atom,), function.scalars))], var


class _Moved:
    """An elementwise value over the shape before the copy that one of its operands is."""

    def __init__(
        self, sinker: _Sinker, source: Atom, arg: Atom, back: _Back, result: TensorType, element: Element
    ) -> None:
        self.back = back
        self.views: list[Binding] = []
        self.operands: dict[tuple[Atom, bool], Atom] = {}
        """What to pass for each operand that is read; True: at the very point of the result."""
        self._element = element
        self._known = inside(back.point, source.tensor.dims)
        self.possible = not _outside_loads(element.value, frozenset(element.point))
        for load in dict.fromkeys(item for item in _loads(element.value)):
            atom = element.atoms[load.buffer]
            whole = tuple(load.indices) == element.point
            if (atom, whole) in self.operands or not self.possible:
                continue
            if atom == arg:
                self.possible = whole
                self.operands[atom, whole] = source
            elif whole and back.view and atom.tensor.dims == result.dims:
                made, seen = sinker.seen(atom, back, source.tensor.dims)
                self.views.extend(made)
                self.operands[atom, whole] = seen
            else:
                self.possible = self._stays(load)
                self.operands[atom, whole] = atom

    @property
    def reads(self) -> list[tuple[Atom, bool]]:
        return list(self.operands)

    def _stays(self, load: Load) -> bool:
        """Whether the copy does not move what ``load`` reads: some axes of the point, in order, each as a whole."""
        indices = self._early(load)
        variables = [index for index in indices if isinstance(index, Var)]
        order = [self.back.point.index(index) for index in variables if index in self.back.point]
        plain = all(isinstance(index, (Var, Const)) for index in indices)
        return plain and order == sorted(set(order)) and len(order) < len(self.back.point)

    def _early(self, load: Load) -> tuple[Expr, ...]:
        values = dict(zip(self._element.point, self.back.indices, strict=True))
        return tuple(self._known.simplify(index) for index in substitute_all(load.indices, values))

    def value(self, inputs: dict[tuple[Atom, bool], Buffer]) -> Expr:
        """Return the value at ``back.point`` over the buffers ``inputs``."""

        def change(item: Node) -> Node:
            if not isinstance(item, Load):
                return item
            atom = self._element.atoms[item.buffer]
            whole = tuple(item.indices) == self._element.point
            buffer = inputs[atom, whole]
            seen = whole and self.operands[atom, whole] != atom
            return Load(buffer, self.back.point if seen else self._early(item))

        made = rewrite(self._element.value, change)
        assert isinstance(made, Expr)
        return made


def _loads(value: Node) -> list[Load]:
    if isinstance(value, Load):
        return [value]
    return [load for child in value.children() for load in _loads(child)]


def _outside_loads(value: Node, variables: frozenset[Var]) -> bool:
    """Whether one of ``variables`` occurs other than in the indices of a load."""
    if isinstance(value, Load):
        return False
    return value in variables or any(_outside_loads(child, variables) for child in value.children())
