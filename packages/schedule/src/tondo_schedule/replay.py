"""Replay of traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tondo.diagnostics import fail
from tondo.ir import Expr, TensorFunction
from tondo.target import Intrinsic
from tondo_schedule.primitives import __all__ as PRIMITIVES  # noqa: N812  a constant
from tondo_schedule.schedule import Schedule
from tondo_schedule.trace import Plain, arguments


def replay(
    function: TensorFunction,
    trace: Sequence[Mapping[str, Plain]],
    assume: Sequence[Expr] = (),
    intrinsics: Sequence[Intrinsic] = (),
) -> TensorFunction:
    """Return ``function`` after the steps of ``trace``; ``intrinsics`` are the instructions that it may name.

    Raises:
        TondoError: TND-B003 if a step does not apply to this function, or gives other names than recorded.
    """
    schedule = Schedule(function, assume)
    known = {item.name: item for item in intrinsics}
    for number, entry in enumerate(trace):
        name, args = entry.get("primitive"), entry.get("args")
        if not isinstance(name, str) or name not in PRIMITIVES or not isinstance(args, dict):
            fail("TND-B003", f"step {number} of the trace is not a schedule step: {name!r}")
        getattr(schedule, name)(*arguments(args, known))
        made = schedule.trace[-1]["results"]
        if made != entry.get("results", made):
            fail("TND-B003", f"step {number} of the trace ({name}) gave {made}, recorded were {entry.get('results')}")
    return schedule.function
