"""``graph.fuse_horizontal``: products of one activation with several constants become one product.

Before::

    q = call_dps(matmul, x, wq)  # (b, 1, 768)
    k = call_dps(matmul_1, x, wk)  # (b, 1, 256)
    v = call_dps(matmul_1, x, wv)  # (b, 1, 256)

After::

    t = call_dps(matmul_2, x, w)  # (b, 1, 1280); w: wq, wk and wv next to each other
    q = call_dps(part, t)  # t[:, :, :768]
    k = call_dps(part_1, t)
    v = call_dps(part_1, t)

Readers absorb the parts, or fusion makes them the beginning of what reads them once. What follows element by element in
all branches alike (a bias, an activation) follows once, on all columns.

Fires by facts: the functions hold one contraction and differ in their numbers of columns alone
(:mod:`tondo_passes.graph.columns`), all that has columns is constant, and all else is the same value. Whether it pays
is the answer of the target's schedule rules (``combines``); without such a rule nothing changes. Refuses unknown
numbers of columns, and grouped or batched products.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import numpy as np

from tondo.ir import (
    Atom,
    Binding,
    CallDps,
    Compute,
    Const,
    ConstantData,
    ConstantRef,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    TensorFunction,
    TensorType,
    digest,
)
from tondo_passes.graph.calls import uses_of, value_names
from tondo_passes.graph.columns import Columns, columns_of
from tondo_passes.graph.functions import Functions
from tondo_passes.graph.names import NameSupply
from tondo_passes.rules import rules_that
from tondo_schedule.facts import Stage, stages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tondo.passes import PassContext
    from tondo.target import Target

_COMMON = 1 << 20
"""Functions are compared as if they had so many columns."""


@runtime_checkable
class Combining(Protocol):
    """A schedule rule that knows when one product is faster than several."""

    def combines(self, product: Stage, columns: Sequence[int], target: Target) -> bool:
        """Whether the product of all ``columns`` pays in place of one for each of them; ``product``: one of these."""
        ...


@dataclass(frozen=True)
class FuseHorizontal:
    """Compute parallel products as one where that pays."""

    name: ClassVar[str] = "graph.fuse_horizontal"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with parallel products of its graph functions fused."""
        rule = next(iter(rules_that(Combining, context)), None)
        if rule is None:
            return module
        worker = _Worker(module, rule, context.target)
        graphs = [_Graph(function, worker).fused() for function in module.graph_functions()]
        return module.with_functions([*graphs, *worker.functions.made.values()]).with_constants(worker.constants)


@dataclass(frozen=True, slots=True)
class _Branch:
    """One of several parallel calls: its binding and the columns of its function."""

    binding: Binding
    call: CallDps
    columns: Columns


@dataclass(frozen=True, slots=True)
class _Whole:
    """``var`` holds ``parts`` next to each other along ``place``, each bound by a copy."""

    var: GraphVar
    parts: tuple[GraphVar, ...]
    place: int


class _Worker:
    """What the graph functions of a module share."""

    def __init__(self, module: IRModule, rule: Combining, target: Target) -> None:
        self.functions = Functions(module)
        self.constants = dict(module.constants)
        self._rule = rule
        self._target = target
        self._fresh = NameSupply(module.constants)
        self._joined: dict[tuple[tuple[str, ...], int], ConstantRef] = {}
        self._products: dict[str, tuple[Stage, Columns, str] | None] = {}

    def product(self, name: str) -> tuple[Stage, Columns, str] | None:
        """Return the contraction of the function ``name``, its columns, and what it is but for their number."""
        if name not in self._products:
            self._products[name] = _product(self.functions[name])
        return self._products[name]

    def pays(self, product: Stage, branches: Sequence[_Branch]) -> bool:
        """Whether the target's rule is for one product in place of ``branches``."""
        return self._rule.combines(product, [branch.columns.extent for branch in branches], self._target)

    def constant(self, atoms: Sequence[Atom], place: int) -> ConstantRef:
        """Return the constant that holds the constants ``atoms`` next to each other along ``place``."""
        names = tuple(atom.name for atom in atoms if isinstance(atom, ConstantRef))
        key = (names, place)
        if key not in self._joined:
            data = ConstantData(np.concatenate([self.constants[name].array for name in names], place))
            name = self._fresh(f"{names[0]}_and_{len(names) - 1}_more")
            self.constants[name] = data
            self._joined[key] = ConstantRef(name, data.type)
        return self._joined[key]


@dataclass
class _Graph:
    """One graph function."""

    graph: GraphFunction
    worker: _Worker
    wholes: list[_Whole] = field(default_factory=list[_Whole])

    def fused(self) -> GraphFunction:
        """Return the function with parallel products, and what follows all of them alike, as one."""
        names = NameSupply(value_names(self.graph))
        for branches in self._parallel():
            self._combine(branches, names, None)
        while self.wholes:
            whole = self.wholes.pop()
            branches = self._followers(whole)
            if branches:
                self._combine(branches, names, whole)
        return self.graph

    def _parallel(self) -> list[list[_Branch]]:
        """Return the products that become one, in groups."""
        groups: dict[tuple[object, ...], tuple[Stage, list[_Branch]]] = {}
        for binding in self.graph.bindings:
            call = binding.operation
            if not isinstance(call, CallDps) or len(binding.vars) != 1:
                continue
            found = self.worker.product(call.function)
            if found is None or not _constant(call, found[1], None):
                continue
            product, columns, kind = found
            shared = tuple((i, arg) for i, arg in enumerate(call.args) if i not in columns.inputs)
            if any(isinstance(arg, GraphVar) for _, arg in shared):
                key = (shared, call.scalars, kind)
                groups.setdefault(key, (product, []))[1].append(_Branch(binding, call, columns))
        return [
            branches
            for product, branches in groups.values()
            if len(branches) > 1 and self.worker.pays(product, branches)
        ]

    def _followers(self, whole: _Whole) -> list[_Branch]:
        """Return the elementwise calls that use the parts of ``whole``, all alike; empty if they differ."""
        uses = uses_of(self.graph)
        found: list[_Branch] = []
        kinds: set[tuple[object, ...]] = set()
        for part in whole.parts:
            user = next((item for item in self.graph.bindings if _uses(item, part)), None)
            if uses[part] != 1 or user is None or len(user.vars) != 1:
                return []
            call = user.operation
            function = self.worker.functions[call.function] if isinstance(call, CallDps) else None
            if not isinstance(call, CallDps) or function is None or call.args.count(part) != 1:
                return []
            position = call.args.index(part)
            stages = stages_of(function) or ()
            columns = columns_of(function, function.input_buffers[position], whole.place)
            elementwise = bool(stages) and all(stage.kind == "elementwise" for stage in stages)
            if not elementwise or columns is None or not _constant(call, columns, position):
                return []
            shared = tuple((i, arg) for i, arg in enumerate(call.args) if i not in columns.inputs)
            kinds.add((position, shared, call.scalars, digest(columns.with_extent(_COMMON))))
            found.append(_Branch(user, call, columns))
        return found if len(kinds) == 1 else []

    def _combine(self, branches: Sequence[_Branch], names: NameSupply, source: _Whole | None) -> None:
        """Put one call on all columns in place of ``branches``, which read the parts of ``source`` if there is one."""
        first = branches[0]
        columns = first.columns
        made = self.worker.functions.add(columns.with_extent(sum(branch.columns.extent for branch in branches)))
        args: list[Atom] = []
        for position, arg in enumerate(first.call.args):
            if position not in columns.inputs:
                args.append(arg)
            elif source is not None and arg in source.parts:
                args.append(source.var)
            else:
                atoms = [branch.call.args[position] for branch in branches]
                args.append(self.worker.constant(atoms, columns.inputs[position]))
        given = dict(zip(columns.function.scalars, first.call.scalars, strict=True))
        kind = _resized(first.binding.var.tensor, columns.result, made.output_buffers[0].shape[columns.result])
        whole = GraphVar(names(f"{first.binding.var.name}_whole"), kind)
        scalars = tuple(given[var] for var in columns.function.scalars)
        origin = ", ".join(dict.fromkeys(branch.binding.source for branch in branches if branch.binding.source))
        call = Binding((whole,), CallDps(made.name, tuple(args), scalars), origin or None, first.binding.span)
        parts = self._parts(whole, branches)
        gone = frozenset(() if source is None else source.parts)
        bindings: list[Binding] = []
        waiting = [call]
        for binding in self.graph.bindings:
            var = binding.vars[0] if binding.vars else None
            if var in gone:
                continue
            if var in parts and waiting:
                bindings.append(waiting.pop())
            bindings.append(parts.get(var, binding) if var is not None else binding)
        self.graph = replace(self.graph, bindings=tuple(bindings))
        self.wholes.append(_Whole(whole, tuple(branch.binding.var for branch in branches), columns.result))

    def _parts(self, whole: GraphVar, branches: Sequence[_Branch]) -> dict[GraphVar, Binding]:
        """Return the copies that take ``whole`` apart, by what they bind."""
        found: dict[GraphVar, Binding] = {}
        offset = 0
        for branch in branches:
            var, place = branch.binding.var, branch.columns.result
            function = self.worker.functions.add(_part(whole.tensor, var.tensor, place, offset))
            found[var] = replace(branch.binding, operation=CallDps(function.name, (whole,), function.scalars))
            offset += branch.columns.extent
        return found


def _product(function: TensorFunction) -> tuple[Stage, Columns, str] | None:
    stages = stages_of(function) or ()
    anchors = [stage for stage in stages if stage.kind == "contraction"]
    contraction = anchors[0].contraction if len(anchors) == 1 else None
    if contraction is None or len(contraction.n) != 1 or contraction.batch:
        return None
    (column,) = contraction.n
    right = contraction.right
    if right.buffer not in function.input_buffers or column.var not in right.indices:
        return None
    columns = columns_of(function, right.buffer, right.indices.index(column.var))
    return None if columns is None else (anchors[0], columns, digest(columns.with_extent(_COMMON)))


def _constant(call: CallDps, columns: Columns, except_for: int | None) -> bool:
    """Whether all arguments of ``call`` that have columns are constants."""
    return all(isinstance(call.args[i], ConstantRef) for i in columns.inputs if i != except_for)


def _uses(binding: Binding, atom: GraphVar) -> bool:
    return isinstance(binding.operation, CallDps) and atom in binding.operation.args


def _resized(kind: TensorType, place: int, extent: Expr) -> TensorType:
    return TensorType((*kind.dims[:place], extent, *kind.dims[place + 1 :]), kind.dtype)


def _part(whole: TensorType, part: TensorType, place: int, offset: int) -> TensorFunction:
    """Return the copy of the part of a tensor of type ``whole`` that begins at ``offset`` along ``place``."""
    builder = Compute("part")
    source = builder.input("x", whole)

    def value(*point: Expr) -> Expr:
        return source[tuple(index + Const(offset) if i == place else index for i, index in enumerate(point))]

    return builder.build(builder.compute("y", part.dims, value))
