"""What the accelerator can compute, told from the loops of a function alone.

A function qualifies if one of its stages is a sum of products of float32 numbers with rows and columns (matrix
products, convolutions in any layout, einsum ...), if what comes before only moves elements (padding, transposition),
and if what comes after is element by element. Before::

    pad[n, c, y, x] = select(y >= 1 and ..., x[n, c, y - 1, x - 1], 0)
    conv[n, o, y, x] += pad[n, c, y + p, x + q] * w[o, c, p, q]
    out[n, o, y, x] = max(conv[n, o, y, x] + bias[o], 0)

After, over the axes of ``conv``::

    left  = x[n, c, y + p - 1, x + q - 1] where y + p >= 1 and ...
    right = w[o, c, p, q]
    value = max(conv + bias[o], 0), stored at out[n, o, y, x]

Everything else is a :class:`~tondo.passes.Miss` with its reason, and stays with the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tondo.ir import (
    Binary,
    Buffer,
    Const,
    Expr,
    IterVar,
    Load,
    Node,
    Select,
    TensorFunction,
    Var,
    add,
    is_const,
    mul,
    rewrite,
    substitute,
    walk,
)
from tondo.passes import Miss
from tondo_npu.vector import unsupported
from tondo_schedule.facts import Stage, stages_of

if TYPE_CHECKING:
    from tondo_schedule.facts import Contraction

_MOVES: Final = frozenset({"elementwise", "injective"})
_ELEMENT: Final = "float32"


@dataclass(frozen=True, slots=True)
class Source:
    """An operand: ``load`` where all ``conditions`` hold, zero elsewhere; over the axes of the contraction."""

    load: Load
    conditions: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """A function that the accelerator computes.

    Attributes:
        function: the function.
        batch, rows, columns, depth: the axes of the contraction by role.
        left, right: the operands.
        start: what the sum starts from.
        result: stands for the finished sum in ``value``.
        value: what is stored, over the spatial axes.
        output: the buffer that is written.
        indices: where ``value`` is stored, over the spatial axes.
    """

    function: TensorFunction
    batch: tuple[IterVar, ...]
    rows: tuple[IterVar, ...]
    columns: tuple[IterVar, ...]
    depth: tuple[IterVar, ...]
    left: Source
    right: Source
    result: Load
    value: Expr
    output: Buffer
    indices: tuple[Expr, ...]

    @property
    def operands(self) -> tuple[Load, ...]:
        """What ``value`` reads besides the sum, each once."""
        reads = (item for item in walk(self.value) if isinstance(item, Load) and item != self.result)
        return tuple(dict.fromkeys(reads))


def product_of(function: TensorFunction) -> Product | Miss:
    """Return what ``function`` computes on the accelerator, or why it does not belong there."""
    stages = stages_of(function)
    if stages is None:
        return Miss("its loops are scheduled already, or are no loop nests of one statement each")
    sums = [stage for stage in stages if stage.kind == "contraction"]
    if len(sums) != 1:
        return Miss(f"it holds {len(sums)} sums of products, the array computes one at a time")
    others = [stage for stage in stages if stage.kind not in _MOVES | {"contraction"}]
    if others:
        return Miss(f"stage '{others[0].block.name}' is {_article(others[0].kind)}, not element by element")
    if function.outputs != 1:
        return Miss(f"it has {function.outputs} results")
    wrong = next((buffer for buffer in _buffers(function, stages) if str(buffer.dtype) != _ELEMENT), None)
    if wrong is not None:
        return Miss(f"'{wrong.name}' holds {wrong.dtype}, the array multiplies float32")
    return _Analysis(function, stages, sums[0]).product()


def _article(kind: str) -> str:
    return f"an {kind} one" if kind[0] in "aeiou" else f"a {kind}"


def _buffers(function: TensorFunction, stages: Sequence[Stage]) -> list[Buffer]:
    return [*function.buffers, *(stage.output for stage in stages)]


class _Analysis:
    """Follows values back from the result to the parameters."""

    def __init__(self, function: TensorFunction, stages: Sequence[Stage], anchor: Stage) -> None:
        self._function = function
        self._anchor = anchor
        self._made: Mapping[Buffer, Stage] = {stage.output: stage for stage in stages if stage is not anchor}
        self._last = stages[-1]

    def product(self) -> Product | Miss:
        anchor = self._anchor
        contraction = anchor.contraction
        assert contraction is not None
        idle = _idle(contraction)
        if idle is not None:
            return idle
        if anchor.block.init is None or any(
            isinstance(item, Load) or (isinstance(item, Const) and item.dtype.is_float and item.value != 0)
            for item in walk(anchor.block.init)
            if isinstance(item, Expr)
        ):
            return Miss("its sum does not start from zero")
        if len([item for item in walk(anchor.store.value) if isinstance(item, Load)]) != 3:
            return Miss("it multiplies more than two numbers")
        left, right = self._source(contraction.left), self._source(contraction.right)
        if left is None or right is None:
            return Miss("an operand is computed on the way, not only moved")
        stored = self._stored()
        if isinstance(stored, Miss):
            return stored
        value, output, indices = stored
        reason = unsupported(value)
        if reason is not None:
            return Miss(reason)
        result = Load(anchor.output, anchor.store.indices)
        roles = (contraction.batch, contraction.m, contraction.n, contraction.k)
        return Product(self._function, *roles, left, right, result, value, output, indices)

    def _source(self, load: Load) -> Source | None:
        """Return the parameter that ``load`` reads and under which conditions; None if it is computed."""
        value = self._resolved(load)
        conditions: list[Expr] = []
        while isinstance(value, Select):
            if not is_const(value.b, 0):
                return None
            conditions.extend(conjuncts(value.condition))
            value = value.a
        if not isinstance(value, Load) or value.predicate is not None or not _linear(value.indices):
            return None
        comparable = all(
            getattr(condition, "op", "") in {"lt", "le", "gt", "ge"} and not _loads(condition)
            for condition in conditions
        )
        return Source(value, tuple(conditions)) if comparable else None

    def _resolved(self, value: Expr) -> Expr:
        """Return ``value`` with everything that other stages compute put in its place."""

        def change(item: Node) -> Node:
            if isinstance(item, Load) and item.buffer in self._made:
                stage = self._made[item.buffer]
                places = dict(zip(stage.store.indices, item.indices, strict=True))
                known = {var: index for var, index in places.items() if isinstance(var, Var)}
                return self._resolved(substitute(stage.store.value, known))
            return item

        found = rewrite(value, change)
        assert isinstance(found, Expr)
        return found

    def _stored(self) -> tuple[Expr, Buffer, tuple[Expr, ...]] | Miss:
        """Return the value of the result, the buffer and the indices of the store, over the axes of the anchor."""
        last, own = self._last, self._anchor.store
        (output,) = self._function.output_buffers
        if last.output != output:
            return Miss("its result is not what is computed last")
        if last is self._anchor:
            return Load(own.buffer, own.indices), output, own.indices
        value = self._resolved(last.store.value)
        reads = {item.indices for item in walk(value) if isinstance(item, Load) and item.buffer == own.buffer}
        if len(reads) != 1:
            return Miss("what follows the sum reads it at several places")
        axes = _inverse(reads.pop(), own.indices, {it.var: it.extent for it in self._anchor.spatial})
        if axes is None or {it.var for it in last.spatial if not is_const(it.extent, 1)} - set(axes):
            return Miss("what follows the sum is not element by element")
        units: dict[Var, Expr] = {it.var: Const(0) for it in last.spatial if it.var not in axes}
        places = {**axes, **units}
        changed = substitute(value, places)
        plain = rewrite(changed, lambda item: _own(item, own.buffer, own.indices))
        assert isinstance(plain, Expr)
        return plain, output, tuple(substitute(index, places) for index in last.store.indices)


def _own(item: Node, buffer: Buffer, indices: tuple[Expr, ...]) -> Node:
    return Load(buffer, indices) if isinstance(item, Load) and item.buffer == buffer else item


def _idle(contraction: Contraction) -> Miss | None:
    """Return why the array would have little to do, or nothing."""
    axes = (*contraction.batch, *contraction.m, *contraction.n, *contraction.k)
    if any(is_const(it.extent, 0) for it in axes):
        return Miss("there is nothing to multiply")
    if not contraction.n or not contraction.m:
        side = "columns" if contraction.m else "rows"
        return Miss(f"its product has no {side}: the array would use one of 16")
    return None


def _linear(indices: Sequence[Expr]) -> bool:
    """Whether indices are computed from axes and dimensions alone."""
    return not any(_loads(index) for index in indices)


def _loads(value: Expr) -> bool:
    return any(isinstance(item, Load) for item in walk(value))


def conjuncts(condition: Expr) -> list[Expr]:
    """Return the parts of a conjunction."""
    if isinstance(condition, Binary) and condition.op == "and":
        return [*conjuncts(condition.a), *conjuncts(condition.b)]
    return [condition]


def _inverse(read: Sequence[Expr], stored: Sequence[Expr], extents: Mapping[Var, Expr]) -> dict[Var, Expr] | None:
    """Return the axes that read ``read``, as expressions over those that stored at ``stored``.

    ``[i, j]`` stored at ``[a, b]`` gives ``i = a, j = b``; ``[i // 4, i % 4]`` gives ``i = a * 4 + b``.
    """
    found: dict[Var, Expr] = {}
    quotients: dict[Var, tuple[Expr, Expr]] = {}
    for index, own in zip(read, stored, strict=True):
        if is_const(index, 0) and isinstance(own, Var) and is_const(extents[own], 1):
            continue
        match index:
            case Var() if index not in found:
                found[index] = own
            case Binary(op="floordiv", a=Var() as var, b=divisor):
                quotients[var] = own, divisor
            case Binary(op="floormod", a=Var() as var, b=divisor) if quotients.get(var, (own, None))[1] == divisor:
                found[var] = add(mul(quotients[var][0], divisor), own)
            case _:
                return None
    return found if quotients.keys() <= found.keys() else None
