"""``graph.absorb_copies``: contractions and reductions read the argument of a copy instead of its result.

Before::

    v = call_dps(reshape, x)  # (b, s, 12, 64) of (b, s, 768)
    t = call_dps(transpose, v)  # (b, 12, s, 64)
    y = call_dps(matmul, t, k)  # reads t[b, h, s, d]

After::

    y = call_dps(matmul, x, k)  # reads x[b, s, h * 64 + d]

Fires by the facts of the access: the index stays affine in the iteration variables (an axis that is an outer loop
anyway, shared by all operands, may be divided: heads that share keys), and the axis along which the access was
contiguous stays contiguous, so that vectors are loaded as before; or the few rows of a product of a matrix and a vector
are summed along memory instead of across it. Copies of copies are absorbed as one, and joined to one where they stay
and its indices are affine, an axis that is divided evenly (channel shuffles) counting as two. Leaves alone a copy that
is a view (it costs nothing), and consumers that fusion serves (no contraction, no reduction).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.arith import Analyzer, affine
from tondo.ir import (
    Atom,
    Binary,
    Binding,
    Block,
    Buffer,
    CallDps,
    Const,
    Expr,
    GraphFunction,
    IRModule,
    Load,
    Node,
    Stmt,
    TensorFunction,
    Var,
    add,
    free_vars,
    mul,
    rewrite,
    walk,
)
from tondo_passes.graph.calls import with_operation
from tondo_passes.graph.copies import Copy, copy_of, product, substitute_all
from tondo_passes.graph.element import in_caller
from tondo_passes.graph.functions import Functions
from tondo_schedule.facts import Stage, stages_of
from tondo_schedule.tree import with_regions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tondo.passes import PassContext

_FEW_ROWS = 2
"""So many rows are summed along memory as fast as an operand is turned for vectors across them."""


@dataclass(frozen=True)
class AbsorbCopies:
    """Read through copies where the access stays as good."""

    name: ClassVar[str] = "graph.absorb_copies"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` whose contractions and reductions read through copies; these may be dead afterwards."""
        del context
        worker = _Worker(module)
        graphs = [worker.function(function) for function in module.graph_functions()]
        return module.with_functions([*graphs, *worker.functions.made.values()])


class _Worker:
    def __init__(self, module: IRModule) -> None:
        self.functions = Functions(module)
        self._known: dict[tuple[object, ...], TensorFunction | None] = {}

    def function(self, function: GraphFunction) -> GraphFunction:
        copies: dict[Atom, Copy] = {}
        bindings: list[Binding] = []
        for binding in function.bindings:
            call = binding.operation
            if not isinstance(call, CallDps) or len(binding.vars) != 1:
                bindings.append(binding)
            elif (copy := copy_of(call, self.functions[call.function])) is not None:
                copies[binding.var] = copy
                bindings.append(self._joined(binding, copies))
            else:
                bindings.append(with_operation(binding, self._reading_through(call, copies)))
        return replace(function, bindings=tuple(bindings))

    def _joined(self, binding: Binding, copies: dict[Atom, Copy]) -> Binding:
        """Return ``binding``, a copy, as a copy of the source of its source, if that saves one that is no view."""
        steps = list(_steps(binding.var, copies))
        if sum(not copy.is_view(result.tensor.dims) for result, copy in steps) < 2:
            return binding
        shape = binding.var.tensor.dims
        for copy in sources_of(binding.var, copies):
            if all(_affine(index, _divisible(copy, shape)) for index in copy.indices):
                made = self.functions.add(copy.function("copy", shape))
                return replace(binding, operation=CallDps(made.name, (copy.source,), made.scalars))
        return binding

    def _reading_through(self, call: CallDps, copies: dict[Atom, Copy]) -> CallDps:
        """Return ``call`` after it absorbed as many copies as it may."""
        for arg in dict.fromkeys(call.args):
            for copy in sources_of(arg, copies):
                if call.args.count(arg) != 1 or copy.is_view(arg.tensor.dims):
                    continue
                position = call.args.index(arg)
                key = (call.function, call.scalars, position, copy.source.type, arg.type, copy.variables, copy.indices)
                if key not in self._known:
                    self._known[key] = self._absorbed(call, position, copy)
                made = self._known[key]
                if made is not None:
                    args = tuple(copy.source if atom == arg else atom for atom in call.args)
                    call = CallDps(made.name, args, made.scalars)
                    break
        return call

    def _absorbed(self, call: CallDps, position: int, copy: Copy) -> TensorFunction | None:
        """Return the function of ``call`` that reads the source of ``copy`` as its argument ``position``."""
        original = self.functions[call.function]
        if not any(stage.kind in {"contraction", "reduction"} for stage in stages_of(original) or ()):
            return None
        local = in_caller(call, original)
        old = local.input_buffers[position]
        new = Buffer(old.name, copy.source.tensor.dims, old.dtype)
        for stage in stages_of(local) or ():
            if stage.reads_of(old) and not _stays_good(stage, old, new, copy):
                return None
        body = through_copy(local.body, old, new, copy)
        buffers = tuple(new if buffer == old else buffer for buffer in local.buffers)
        made = replace(local, params=(*free_vars(body, buffers), *buffers), body=body)
        if [stage.kind for stage in stages_of(made) or ()] != [stage.kind for stage in stages_of(local) or ()]:
            return None
        return self.functions.add(made)


def _steps(arg: Atom, copies: dict[Atom, Copy]) -> Iterator[tuple[Atom, Copy]]:
    """Yield ``arg`` and the sources of the copies that it is, each with the copy that makes it."""
    while (copy := copies.get(arg)) is not None:
        yield arg, copy
        arg = copy.source


def sources_of(arg: Atom, copies: dict[Atom, Copy]) -> Iterator[Copy]:
    """Yield the copies that ``arg`` is, from the one of the deepest source to the direct one."""
    found: list[Copy] = []
    copy = copies.get(arg)
    while copy is not None:
        found.append(copy)
        inner = copies.get(copy.source)
        copy = None if inner is None else copy.through(inner, arg.tensor.dims)
    return reversed(found)


def _inside(block: Block) -> Analyzer:
    """Return an analyzer that knows the ranges of the iteration variables of ``block``."""
    symbols = {item for it in block.iters for item in walk(it.extent) if isinstance(item, Var)}
    known = Analyzer()
    for symbol in sorted(symbols, key=lambda var: var.name):
        known = known.assume(symbol >= 1)
    for it in block.iters:
        known = known.with_range(it.var, 0, it.extent)
    return known


def _through(load: Load, new: Buffer, copy: Copy, known: Analyzer) -> Load:
    point = dict(zip(copy.variables, load.indices, strict=True))
    return replace(load, buffer=new, indices=tuple(map(known.simplify, substitute_all(copy.indices, point))))


def _stays_good(stage: Stage, old: Buffer, new: Buffer, copy: Copy) -> bool:
    """Whether every load of ``old`` in ``stage`` is as good when it reads ``new`` through ``copy``."""
    if stage.kind not in {"contraction", "reduction"}:
        return False
    known = _inside(stage.block)
    shared = frozenset(it.var for it in stage.contraction.batch) if stage.contraction is not None else frozenset[Var]()
    for access in stage.reads_of(old):
        made = _through(access.load, new, copy, known)
        contiguous = _unit_axes(access.load, stage, known)
        strict = frozenset(it.var for it in stage.block.iters) - shared
        if not all(_affine(index, strict) for index in made.indices):
            return False
        after = _unit_axes(made, stage, known)
        if contiguous and not contiguous & after and not _dot_products(stage, made, after, known):
            return False
    return True


def _dot_products(stage: Stage, made: Load, unit: set[Var], known: Analyzer) -> bool:
    """Whether ``stage`` has one or two rows and sums both operands, ``made`` being one, along memory."""
    contraction = stage.contraction
    if contraction is None:
        return False
    rows = known.simplify(product([it.extent for it in contraction.m]))
    depth = {it.var for it in contraction.k}
    other = contraction.left if made.buffer.name == contraction.right.buffer.name else contraction.right
    summed = unit & _unit_axes(other, stage, known) & depth
    return isinstance(rows, Const) and rows.value <= _FEW_ROWS and bool(summed)


def _divisible(copy: Copy, shape: Sequence[Expr]) -> frozenset[Var]:
    """Return the variables of ``copy`` except those that only whole parts of their extents divide.

    These axes are split where indices take them apart (a channel shuffle: ``c // 4`` and ``c % 4`` of 112 channels),
    so that the loops are as plain as those of several copies.
    """
    extents = {var: extent for var, extent in zip(copy.variables, shape, strict=True) if isinstance(extent, Const)}
    parts: dict[Var, set[int]] = {}
    for item in (part for index in copy.indices for part in walk(index)):
        if (
            isinstance(item, Binary)
            and item.op in {"floordiv", "floormod"}
            and isinstance(item.a, Var)
            and item.a in extents
        ):
            by = item.b.value if isinstance(item.b, Const) else 0
            parts.setdefault(item.a, set()).add(int(by))
    split = {var for var, by in parts.items() if len(by) == 1 and 0 not in by and not extents[var].value % min(by)}
    return frozenset(copy.variables) - split


def _affine(index: Expr, strict: frozenset[Var]) -> bool:
    """Whether ``index`` is affine in the variables ``strict``."""
    form = affine(index)
    return form is not None and all(
        isinstance(atom, Var) or not any(item in strict for item in walk(atom)) for atom, _ in form.terms
    )


def _unit_axes(load: Load, stage: Stage, known: Analyzer) -> set[Var]:
    """Return the iteration variables along which ``load`` walks from one element to the next."""
    position: Expr = Const(0)
    for index, stride in zip(load.indices, load.buffer.row_major_strides(), strict=True):
        position = add(position, mul(index, stride))
    form = known.affine(position)
    if form is None:
        return set()
    return {it.var for it in stage.block.iters if form.coefficient(it.var) == 1 and _alone(it.var, form.terms)}


def _alone(var: Var, terms: Sequence[tuple[Expr, int]]) -> bool:
    return sum(any(item == var for item in walk(atom)) for atom, _ in terms) == 1


def through_copy(body: Stmt, old: Buffer, new: Buffer, copy: Copy) -> Stmt:
    """Return ``body`` with the loads of ``old``, the result of ``copy``, as loads of ``new``, its source."""

    def change(item: Node) -> Node:
        if not isinstance(item, Block) or not any(region.buffer == old for region in item.reads):
            return item
        known = _inside(item)

        def load(inner: Node) -> Node:
            return _through(inner, new, copy, known) if isinstance(inner, Load) and inner.buffer == old else inner

        changed = rewrite(item.body, load)
        assert isinstance(changed, Stmt)
        return with_regions(item, changed)

    made = rewrite(body, change)
    assert isinstance(made, Stmt)
    return made
