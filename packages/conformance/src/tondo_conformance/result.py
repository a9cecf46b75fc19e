"""What a case is as data, and what may come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

Outcome = Literal["pass", "fail", "refused", "skip", "crash", "hang", "error"]
"""What came of a case.

pass      it did what the case asks for
fail      another result than the reference, or a failed call of something that was compiled
refused   compiling was refused with an error code
skip      the case cannot be asked here, such as forking on Windows
crash     the process died
hang      no answer in time
error     an exception that is no error with a code, or an internal error
"""

OUTCOMES: Final[tuple[Outcome, ...]] = ("pass", "refused", "skip", "fail", "error", "crash", "hang")

DEFECTS: Final = frozenset[Outcome]({"fail", "error", "crash", "hang"})
"""What nobody may declare as unsupported."""


@dataclass(frozen=True, slots=True)
class CaseInfo:
    """A case as the test run sees it.

    Attributes:
        id: ``level/group/dtype/variant`` or ``level/group/variant``.
        level: ``L0`` to ``L4``.
        group: operator, network or topic.
        variant: which of the cases of the group.
        dtype: element type; empty where several or none.
        about: what is asked, one sentence.
        alone: whether it needs a process that nothing else ran in, or leaves one that nothing else should run in.
        patience: factor on the time that the case may take.
    """

    id: str
    level: str
    group: str
    variant: str
    dtype: str = ""
    about: str = ""
    alone: bool = False
    patience: float = 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case.

    Attributes:
        outcome: the outcome.
        reason: why, for anything but ``pass``.
        seconds: time on the clock.
        work: processor time of the worker, all of its threads together.
        code: the error code, of a refusal.
        measured: figures that the case measured.
    """

    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0
    work: float = 0.0
    code: str = ""
    measured: dict[str, float] = field(default_factory=dict[str, float])
