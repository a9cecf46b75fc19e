"""A row that is divided by its sum, as by a softmax: the result is divided instead.

Before, the second line only where rows may be without any key::

    p[i, j] = e[i, j] / s[i]
    k[i, j] = select(isnan(p[i, j]), 0, p[i, j])
    o[i, w] = sum_j k[i, j] * v[j, w]

After::

    if isnan(s[i]): e[i, :] = 0, s[i] = 1
    o[i, w] = (sum_j e[i, j] * v[j, w]) / s[i]

That saves a pass over the row. Only for ``e = exp(x - max x)``, of which one element is 1 and none is larger: sums stay
within the length of the row of what they were, and a quotient is no number only if the whole row and its sum are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tondo.ir import Binary, Buffer, Intrin, Load, Select, is_const
from tondo_schedule.facts import RowChain, Stage
from tondo_schedule.primitives.combiner import update_of


@dataclass(frozen=True, slots=True)
class Quotient:
    """What the second contraction can do without.

    Attributes:
        stages: those that are not computed.
        row: what is divided.
        divisor: what it is divided by, one value for each row.
        cleared: whether rows that are no numbers count as zero.
    """

    stages: tuple[Stage, ...]
    row: Buffer
    divisor: Buffer
    cleared: bool


def quotient_of(chain: RowChain) -> Quotient | None:
    """Return the quotient whose division the result can take over; None if there is none."""
    made = {item.output: item for item in chain.middle}
    last = chain.middle[-1] if chain.middle else None
    if last is None or not chain.last.reads_of(last.output):
        return None
    kept = _cleared(last, made)
    stages = kept or (last,)
    stage = stages[0]
    value = stage.store.value
    if not isinstance(value, Binary) or value.op != "div":
        return None
    row, divisor = value.a, value.b
    if not isinstance(row, Load) or not isinstance(divisor, Load) or not {row.buffer, divisor.buffer} <= made.keys():
        return None
    if any(other.reads_of(item.output) for item in stages for other in chain.middle if other not in stages):
        return None
    if not (_is_sum(made[divisor.buffer], row.buffer) and _at_most_one(made[row.buffer], made)):
        return None
    return Quotient(stages, row.buffer, divisor.buffer, bool(kept))


def _cleared(stage: Stage, made: Mapping[Buffer, Stage]) -> tuple[Stage, ...]:
    """Return the stages of ``select(isnan(p), 0, p)``, the one that makes ``p`` first; none if it is something else."""
    value = stage.store.value
    if not isinstance(value, Select) or not is_const(value.a, 0) or not isinstance(value.b, Load):
        return ()
    source, condition, between = made.get(value.b.buffer), value.condition, tuple[Stage, ...]()
    if isinstance(condition, Load) and condition.buffer in made:
        test = made[condition.buffer]
        condition, between = test.store.value, (test,)
    if source is None or not isinstance(condition, Intrin) or condition.name != "isnan":
        return ()
    (tested,) = condition.args
    return (source, *between, stage) if isinstance(tested, Load) and tested.buffer == source.output else ()


def _is_sum(stage: Stage, row: Buffer) -> bool:
    update = update_of(stage.block) if stage.kind == "reduction" else None
    return update is not None and update.op == "add" and isinstance(update.value, Load) and update.value.buffer == row


def _at_most_one(stage: Stage, made: Mapping[Buffer, Stage]) -> bool:
    """Whether ``stage`` is ``exp(x - m)`` with the maximum ``m`` of ``x`` along the row."""
    value = stage.store.value
    if not isinstance(value, Intrin) or value.name != "exp":
        return False
    (shifted,) = value.args
    if isinstance(shifted, Load) and shifted.buffer in made:
        shifted = made[shifted.buffer].store.value
    if not isinstance(shifted, Binary) or shifted.op != "sub":
        return False
    row, largest = shifted.a, shifted.b
    if not isinstance(row, Load) or not isinstance(largest, Load) or largest.buffer not in made:
        return False
    maximum = made[largest.buffer]
    update = update_of(maximum.block) if maximum.kind == "reduction" else None
    return (
        update is not None
        and update.op == "max"
        and isinstance(update.value, Load)
        and update.value.buffer == row.buffer
    )
