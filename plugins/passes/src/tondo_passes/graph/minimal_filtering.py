"""``graph.minimal_filtering``: sliding products with constant weights in transformed coordinates (Winograd, Cook-Toom).

Before::

    y = call_dps(conv, x, w)  # O[n, o, h, w] += x[n, c, h + p, w + q] * w[o, c, p, q]        w: constant

After::

    y = call_dps(
        filter, x, u
    )  # tiles of x transformed; O[p, q, t, o] += X[p, q, t, c] * u[p, q, c, o]; transformed back

``m`` outputs of ``r`` taps cost ``m + r - 1`` multiplications along each axis instead of ``m * r``. The transformed
weights ``u`` are computed here, in float64, and rounded once. What followed the product in its function (a bias)
becomes a call of its own, which fusion joins again.

Fires by facts: a contraction with windows that move by one element over (zero-padded) values of float32 or float64,
one axis of columns and one of channels (in groups of several columns, if there are groups), and constant weights.
Whether it pays, and how many outputs at a time, is the answer of the target's schedule rules (``filtering``); without
such a rule nothing changes. Refuses what slides along more than two axes, groups of one column, strides, dilations, and
functions of several results.

The result is that of the direct form but for rounding: sums are associated differently. ``outputs`` bounds how many
outputs are computed at a time, and so the error (see :mod:`tondo_passes.graph.cook_toom`); 1 switches the pass off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from tondo.arith import Analyzer
from tondo.ir import (
    FLOAT32,
    FLOAT64,
    Allocate,
    Atom,
    Binary,
    Binding,
    Block,
    Buffer,
    CallDps,
    Const,
    ConstantData,
    ConstantRef,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    IterVar,
    Load,
    Node,
    Stmt,
    TensorFunction,
    TensorType,
    Var,
    add,
    floordiv,
    free_vars,
    mul,
    rewrite,
    seq,
    substitute,
)
from tondo_passes.graph.calls import scalars_of, value_names
from tondo_passes.graph.cook_toom import has_points
from tondo_passes.graph.filter_stages import FilterPlan
from tondo_passes.graph.names import NameSupply
from tondo_passes.rules import rules_that
from tondo_schedule.facts import SlidingProduct, Stage, sliding_product, stages_of
from tondo_schedule.tree import with_regions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tondo.passes import PassContext
    from tondo.target import Target

_MOST_AXES = 2


@runtime_checkable
class Filtering(Protocol):
    """A schedule rule that knows what minimal filtering costs."""

    def filtering(self, problem: SlidingProduct, choices: Sequence[tuple[int, ...]], target: Target) -> tuple[int, ...]:
        """Return the one of ``choices`` (outputs at a time by sliding axis; all 1: direct) that runs fastest."""
        ...


@dataclass(frozen=True, slots=True)
class _Parts:
    """What replaces a call: the filter and the rest of the function (None: nothing follows)."""

    plan: FilterPlan
    weights: int
    source: int
    filter: TensorFunction
    rest: TensorFunction | None
    product: Buffer


@dataclass(frozen=True)
class MinimalFiltering:
    """Compute sliding products with fewer multiplications. ``outputs``: most outputs at a time along an axis."""

    name: ClassVar[str] = "graph.minimal_filtering"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})
    outputs: int = 4

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with its sliding products transformed where that pays."""
        rule = next(iter(rules_that(Filtering, context)), None)
        if rule is None or self.outputs < 2:
            return module
        worker = _Worker(module, rule, context.target, self.outputs)
        graphs = [worker.function(function) for function in module.graph_functions()]
        return module.with_functions([*graphs, *worker.made.values()]).with_constants(worker.constants)


class _Worker:
    def __init__(self, module: IRModule, rule: Filtering, target: Target, most: int) -> None:
        self._module = module
        self._rule = rule
        self._target = target
        self._most = most
        self._fresh_function = NameSupply(module.functions)
        self._fresh_constant = NameSupply(module.constants)
        self._parts: dict[str, _Parts | None] = {}
        self._weights: dict[tuple[str, tuple[int, ...], tuple[int, ...]], ConstantRef] = {}
        self.made: dict[str, TensorFunction] = {}
        self.constants = dict(module.constants)

    def function(self, function: GraphFunction) -> GraphFunction:
        values = NameSupply(value_names(function))
        bindings: list[Binding] = []
        for binding in function.bindings:
            bindings.extend(self._binding(binding, values))
        return replace(function, bindings=tuple(bindings))

    def _binding(self, binding: Binding, values: NameSupply) -> list[Binding]:
        call = binding.operation
        if not isinstance(call, CallDps) or len(binding.vars) != 1:
            return [binding]
        function = self._module.tensor(call.function)
        if call.function not in self._parts:
            self._parts[call.function] = self._split(function)
        parts = self._parts[call.function]
        weights = None if parts is None else call.args[parts.weights]
        if parts is None or not isinstance(weights, ConstantRef):
            return [binding]
        made = parts.filter
        args: tuple[Atom, ...] = (call.args[parts.source], self._transformed(weights, parts.plan))
        operation = CallDps(made.name, args, scalars_of(made, function, call))
        rest = parts.rest
        if rest is None:
            return [replace(binding, operation=operation)]
        product = parts.product
        kind = TensorType(_shape(product, function, call), product.dtype)
        var = GraphVar(values(f"{binding.var.name}_product"), kind)
        atoms: dict[Buffer, Atom] = dict(zip(function.input_buffers, call.args, strict=True))
        atoms[product] = var
        after = CallDps(rest.name, tuple(atoms[item] for item in rest.input_buffers), scalars_of(rest, function, call))
        return [Binding((var,), operation, binding.source, binding.span), replace(binding, operation=after)]

    def _transformed(self, weights: ConstantRef, plan: FilterPlan) -> ConstantRef:
        key = (weights.name, plan.places, plan.outputs)
        if key not in self._weights:
            data = ConstantData(plan.weights(self.constants[weights.name].array))
            name = self._fresh_constant(f"{weights.name}_transformed")
            self.constants[name] = data
            self._weights[key] = ConstantRef(name, data.type)
        return self._weights[key]

    def _split(self, function: TensorFunction) -> _Parts | None:
        """Return what ``function`` becomes; None if it stays."""
        stages = stages_of(function)
        anchors = [stage for stage in stages or () if stage.kind == "contraction"]
        if stages is None or function.outputs != 1 or len(anchors) != 1:
            return None
        problem = sliding_product(anchors[0], stages)
        if problem is None or problem.source not in function.input_buffers:
            return None
        plan = self._plan(problem, function)
        rest = [stage for stage in stages if stage is not anchors[0] and stage is not problem.copy]
        if plan is None or not _joined(plan, rest):
            return None
        if any(stages.index(stage) < stages.index(anchors[0]) for stage in rest):
            return None
        inputs = function.input_buffers
        product = Buffer(anchors[0].output.name, plan.result, anchors[0].output.dtype)
        made = plan.function(self._fresh_function(f"{function.name}_filter"))
        self.made[made.name] = made
        after = None
        if rest:
            after = _rest(self._fresh_function(f"{function.name}_rest"), rest, product, plan, function)
            self.made[after.name] = after
        right = problem.contraction.right.buffer
        return _Parts(plan, inputs.index(right), inputs.index(problem.source), made, after, product)

    def _plan(self, problem: SlidingProduct, function: TensorFunction) -> FilterPlan | None:
        contraction = problem.contraction
        left, right = contraction.left, contraction.right
        taps = {axis.tap.var for axis in problem.axes}
        channels = [it for it in contraction.k if it.var not in taps]
        windows = [axis for axis in problem.axes if axis.taps > 1]
        types = {problem.source.dtype, right.buffer.dtype, problem.stage.output.dtype}
        group = contraction.batch[0] if len(contraction.batch) == 1 else None
        if (
            len(channels) != 1
            or len(contraction.n) != 1
            or len(contraction.batch) > 1
            or not 1 <= len(windows) <= _MOST_AXES
        ):
            return None
        if len(types) != 1 or not types <= {FLOAT32, FLOAT64} or right.buffer not in function.input_buffers:
            return None
        if not _plain(problem, channels[0], contraction.n[0], group) or left.predicate or right.predicate:
            return None
        sides = [[1, *(m for m in range(2, self._most + 1) if has_points(m, axis.taps))] for axis in problem.axes]
        choices = [(1,) * len(sides)]
        for count in range(2, self._most + 1):
            choice = tuple(1 if axis.taps == 1 else count for axis in problem.axes)
            if all(number in side for number, side in zip(choice, sides, strict=True)):
                choices.append(choice)
        chosen = self._rule.filtering(problem, choices, self._target)
        return None if max(chosen) == 1 else FilterPlan(problem, contraction.n[0], channels[0], chosen, group)


def _plain(problem: SlidingProduct, channel: IterVar, column: IterVar, group: IterVar | None) -> bool:
    """Whether channels and columns (of groups side by side) index plainly, and no axis is padded but sliding ones."""
    left, right = problem.contraction.left, problem.contraction.right
    sliding = {axis.place: axis for axis in problem.axes}
    wanted: set[Expr] = {_grouped(column, group), *(axis.tap.var for axis in problem.axes if axis.taps > 1)}
    wanted.add(channel.var)
    others = [index for index in right.indices if _tidy(index) not in wanted]
    ones = {axis.tap.var for axis in problem.axes if axis.taps == 1}
    if not wanted <= {_tidy(index) for index in right.indices}:
        return False
    if not all(index in ones or index == Const(0) for index in others):
        return False
    depth = _grouped(channel, group)
    plain = [index for place, index in enumerate(left.indices) if place not in sliding and _tidy(index) != depth]
    if len(plain) + len(sliding) + 1 != len(left.indices) or not all(isinstance(i, (Var, Const)) for i in plain):
        return False
    if not all(isinstance(index, Var) for index in problem.stage.store.indices):
        return False
    return all(offset == Const(0) or place in sliding for place, offset in enumerate(problem.offsets))


def _grouped(axis: IterVar, group: IterVar | None) -> Expr:
    """Return the index of ``axis`` of groups that lie side by side."""
    return axis.var if group is None else _tidy(add(mul(group.var, axis.extent), axis.var))


def _tidy(index: Expr) -> Expr:
    return Analyzer().simplify(index)


def _joined(plan: FilterPlan, stages: Sequence[Stage]) -> bool:
    """Whether all loads of a grouped product by ``stages`` take one axis apart into group and column."""
    product = plan.problem.stage.output
    loads = [access.load for stage in stages for access in stage.reads if access.buffer == product]
    return plan.group is None or (bool(loads) and all(_without_group(load, plan) is not None for load in loads))


def _without_group(load: Load, plan: FilterPlan) -> tuple[Expr, ...] | None:
    """Return the indices of ``load`` of a grouped product, groups and columns as one; None if they are not one axis."""
    if plan.group is None:
        return load.indices
    stored = plan.problem.stage.store.indices
    outer, inner = load.indices[stored.index(plan.group.var)], load.indices[stored.index(plan.column.var)]
    if not isinstance(inner, Binary) or inner.op != "floormod" or inner.b != plan.column.extent:
        return None
    if outer != floordiv(inner.a, plan.column.extent):
        return None
    pairs = zip(stored, load.indices, strict=True)
    return tuple(inner.a if var == plan.column.var else index for var, index in pairs if var != plan.group.var)


def _rest(
    name: str, stages: Sequence[Stage], product: Buffer, plan: FilterPlan, function: TensorFunction
) -> TensorFunction:
    """Return the function of ``stages``, which read ``product`` besides inputs of ``function``."""
    nests: list[Stmt] = [stage.loops[0] if stage.loops else stage.block for stage in stages]

    def change(node: Node) -> Node:
        if isinstance(node, Load) and node.buffer == plan.problem.stage.output:
            return Load(product, _without_group(node, plan) or node.indices)
        return with_regions(node, node.body) if isinstance(node, Block) else node

    body: Stmt = seq(*(_statement(rewrite(nest, change)) for nest in nests))
    result = function.output_buffers[0]
    read = {access.buffer for stage in stages for access in stage.reads}
    inputs = [product, *(buffer for buffer in function.input_buffers if buffer in read)]
    for stage in reversed(stages):
        if stage.output != result:
            body = Allocate(stage.output, body)
    return TensorFunction(name, (*free_vars(body, [*inputs, result]), *inputs, result), body, 1, function.attrs)


def _statement(node: Node) -> Stmt:
    assert isinstance(node, Stmt)
    return node


def _shape(buffer: Buffer, function: TensorFunction, call: CallDps) -> tuple[Expr, ...]:
    """Return the shape of ``buffer`` in terms of the caller."""
    given = dict(zip(function.scalars, call.scalars, strict=True))
    return tuple(substitute(extent, given) for extent in buffer.shape)
