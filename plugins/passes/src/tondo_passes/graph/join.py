"""``graph.join``: what a concatenation joins is computed where it will lie, and nothing is copied.

Before::

    a = call_dps(conv, x, v)  # n h w 64
    b = call_dps(pool, x)  # n h w 32
    y = call_dps(concat, a, b)  # n h w 96

After::

    a = call_dps(conv_part, x, v)  # the result of conv_part has the strides of y
    b = call_dps(pool_part, x)
    y = join(a, b, axis=3)

Values stay what they were; only their memory is one (:class:`tondo.ir.Join`). Every function that reads or writes a
part becomes a variant whose parameter has strides. A concatenation of a concatenation shares its memory (dense blocks,
where each layer appends to what all have made so far), also where the longer one names the arguments of the shorter one
again. What cannot lie there (a parameter, a constant, a result, a value of two concatenations) is copied to its place.

Fires by facts: the function is one stage that chooses among its inputs by the position along one axis; most of what it
copies is computed by tensor functions and read by tensor functions only; runs of neighbouring elements are long enough
for vectors; all sizes are known when the function begins. Refuses values inside of branches and loops.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Final

from tondo.ir import (
    Atom,
    Binding,
    CallDps,
    Const,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    Join,
    Part,
    TensorFunction,
    Var,
    free_vars,
    parts_of,
    substitute,
    walk,
)
from tondo_passes.graph.calls import value_names
from tondo_passes.graph.copies import identity_copy, product
from tondo_passes.graph.dead_code import DeadCode
from tondo_passes.graph.element import in_caller
from tondo_passes.graph.functions import Functions
from tondo_passes.graph.names import NameSupply
from tondo_passes.graph.pieces import Pieces, pieces_of
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tondo.passes import PassContext

_RUN: Final = 16
"""So many neighbouring elements of a part at least, that vectors are loaded and stored whole."""
_UNKNOWN: Final = 64
"""What a dimension is taken to be where only an estimate is needed."""


@dataclass(frozen=True)
class JoinParts:
    """Let concatenations share the memory of what they join."""

    name: ClassVar[str] = "graph.join"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` whose graph functions join where they copied to concatenate."""
        # What is dead must not be joined: it would take its arguments' strides with it when it goes.
        module = DeadCode().run(module, context)
        functions = Functions(module)
        graphs = [
            function if function.attrs.get("inner") is True else _Graph(function, functions).joined()
            for function in module.graph_functions()
        ]
        return module.with_functions([*graphs, *functions.made.values()])


@dataclass
class _Chosen:
    """A concatenation that becomes a join: its arguments in order, and which of them are copied."""

    args: tuple[Atom, ...]
    axis: int
    copied: frozenset[int]


@dataclass
class _Graph:
    """The joins of one graph function."""

    function: GraphFunction
    functions: Functions
    made: dict[GraphVar, Binding] = field(default_factory=dict[GraphVar, Binding])
    users: dict[GraphVar, list[Binding]] = field(default_factory=dict[GraphVar, "list[Binding]"])
    pieces: dict[GraphVar, Pieces] = field(default_factory=dict[GraphVar, Pieces])
    chosen: dict[GraphVar, _Chosen] = field(default_factory=dict[GraphVar, _Chosen])
    taken: set[GraphVar] = field(default_factory=set[GraphVar])

    def joined(self) -> GraphFunction:
        """Return the function with joins."""
        self._look()
        for var in reversed(self.pieces):
            self._choose(var)
        if not self.chosen:
            return self.function
        bindings = self._bindings()
        parts = parts_of(bindings)
        return replace(self.function, bindings=tuple(self._variant(binding, parts) for binding in bindings))

    def _look(self) -> None:
        """Note who makes and who uses what, and which calls concatenate."""
        earlier: dict[tuple[tuple[Atom, ...], int], GraphVar] = {}
        for binding in self.function.bindings:
            self.made.update(dict.fromkeys(binding.vars, binding))
            for atom in dict.fromkeys(item for item in walk(binding.operation) if isinstance(item, GraphVar)):
                self.users.setdefault(atom, []).append(binding)
            call = binding.operation
            found = pieces_of(call, self.functions[call.function]) if isinstance(call, CallDps) else None
            if found is None:
                continue
            prefix = self._longest(found, earlier)
            earlier.setdefault((found.atoms, found.axis), binding.var)
            self.pieces[binding.var] = prefix

    def _longest(self, pieces: Pieces, earlier: Mapping[tuple[tuple[Atom, ...], int], GraphVar]) -> Pieces:
        """Return ``pieces`` with their longest beginning that was concatenated before as that value."""
        for count in range(len(pieces.atoms) - 1, 1, -1):
            known = earlier.get((pieces.atoms[:count], pieces.axis))
            if known is not None:
                return Pieces((known, *pieces.atoms[count:]), pieces.axis)
        return pieces

    # -- choosing

    def _choose(self, var: GraphVar) -> None:
        """Decide whether ``var`` becomes a join: later ones were asked first, so that ``var`` may be a part."""
        pieces = self.pieces[var]
        if not self._is_known(var) or _run(pieces, var) < _RUN:
            return
        direct = {i for i, atom in enumerate(pieces.atoms) if self._may_lie_in(atom, pieces.atoms, var)}
        saved = sum(_estimate(pieces.atoms[i]) for i in direct)
        if 2 * saved < _estimate(var):
            return
        self.taken.update(atom for i, atom in enumerate(pieces.atoms) if i in direct and isinstance(atom, GraphVar))
        self.chosen[var] = _Chosen(pieces.atoms, pieces.axis, frozenset(range(len(pieces.atoms))) - direct)

    def _is_known(self, var: GraphVar) -> bool:
        known = {item for param in self.function.params for item in walk(param.type) if isinstance(item, Var)}
        return all(item in known for item in walk(var.type) if isinstance(item, Var))

    def _may_lie_in(self, atom: Atom, atoms: Sequence[Atom], whole: GraphVar) -> bool:
        """Whether ``atom`` is computed, and used, by what can do so in a part of ``whole``."""
        if not isinstance(atom, GraphVar) or atom in self.taken or atom in self.function.results:
            return False
        if atom not in self.made or atoms.count(atom) != 1:
            return False
        own = self.made[atom]
        users = [user for user in self.users.get(atom, []) if user.var != whole] if len(own.vars) == 1 else []
        return len(own.vars) == 1 and all(self._can(binding, atom) for binding in [own, *users])

    def _can(self, binding: Binding, atom: GraphVar) -> bool:
        """Whether ``binding`` can read or write ``atom`` with strides."""
        call = binding.operation
        if not isinstance(call, CallDps) or len(binding.vars) != 1:
            return False
        callee = self.functions[call.function]
        positions = [i for i, other in enumerate((*call.args, *binding.vars)) if other == atom]
        return stages_of(callee) is not None and all(
            callee.buffers[i].strides is None and callee.buffers[i].rank == atom.tensor.rank for i in positions
        )

    # -- making

    def _bindings(self) -> list[Binding]:
        """Return the bindings with joins in place of concatenations, copies where they are needed."""
        names = NameSupply(value_names(self.function))
        bindings: list[Binding] = []
        for binding in self.function.bindings:
            chosen = self.chosen.get(binding.var) if len(binding.vars) == 1 else None
            if chosen is None:
                bindings.append(binding)
                continue
            args: list[GraphVar] = []
            for i, atom in enumerate(chosen.args):
                if i in chosen.copied:
                    copy = self.functions.add(identity_copy("copy", atom.tensor))
                    var = GraphVar(names(f"{atom.name}_part"), atom.tensor)
                    bindings.append(Binding((var,), CallDps(copy.name, (atom,), copy.scalars), binding.source))
                    args.append(var)
                else:
                    assert isinstance(atom, GraphVar)
                    args.append(atom)
            bindings.append(replace(binding, operation=Join(tuple(args), chosen.axis)))
        return bindings

    def _variant(self, binding: Binding, parts: Mapping[GraphVar, Part]) -> Binding:
        """Return ``binding`` calling a function that knows the strides of the parts that it reads or writes."""
        call = binding.operation
        if not isinstance(call, CallDps):
            return binding
        atoms = (*call.args, *binding.vars)
        strides = [parts[atom].strides if isinstance(atom, GraphVar) and atom in parts else None for atom in atoms]
        if not any(strides):
            return binding
        function = in_caller(call, self.functions[call.function])
        made = self.functions.add(_with_strides(function, strides))
        return replace(binding, operation=CallDps(made.name, call.args, made.scalars))


def _with_strides(function: TensorFunction, strides: Sequence[tuple[Expr, ...] | None]) -> TensorFunction:
    """Return ``function``, which has no scalars left, with strides for its buffers; dimensions become its scalars."""
    buffers = dict(
        zip(
            function.buffers,
            (
                buffer if steps is None else replace(buffer, strides=steps)
                for buffer, steps in zip(function.buffers, strides, strict=True)
            ),
            strict=True,
        )
    )
    body = substitute(function.body, None, buffers)
    params = tuple(buffers.values())
    return replace(function, params=(*free_vars(body, params), *params), body=body)


def _estimate(atom: Atom) -> int:
    """Return about how many elements ``atom`` has."""
    count = 1
    for extent in atom.tensor.dims:
        count *= int(extent.value) if isinstance(extent, Const) else _UNKNOWN
    return count


def _run(pieces: Pieces, whole: GraphVar) -> int:
    """Return about how many elements of the smallest part lie next to each other."""
    inner = product(whole.tensor.dims[pieces.axis + 1 :])
    least = min(
        int(extent.value) if isinstance(extent, Const) else _UNKNOWN
        for extent in (atom.tensor.dims[pieces.axis] for atom in pieces.atoms)
    )
    return least * (int(inner.value) if isinstance(inner, Const) else _UNKNOWN)
