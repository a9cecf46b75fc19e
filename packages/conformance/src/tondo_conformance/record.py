"""A case with what came of it, and what that means for the test run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal, cast

from tondo_conformance.declared import Declaration
from tondo_conformance.result import CaseInfo, Result

PROPERTY: Final = "tondo_conformance"
"""Name under which a test report carries the record."""

MAY_REFUSE: Final = "L1"
"""At this level a refusal with a code is an answer: the question is whether there is one or the other."""

Verdict = Literal["passed", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Record:
    """What came of a case, and the reason why it is not supported, where the back end declares that."""

    info: CaseInfo
    result: Result
    declared: str = ""

    @property
    def verdict(self) -> Verdict:
        """What it means for the test run."""
        match self.result.outcome:
            case "pass":
                return "passed"
            case "skip":
                return "skipped"
            case "refused" if self.info.level == MAY_REFUSE:
                return "passed"
            case "refused" if self.declared:
                return "skipped"
            case _:
                return "failed"

    @property
    def told(self) -> str:
        """Outcome and reason for the terminal."""
        declared = f" (declared: {self.declared})" if self.declared else ""
        return f"{self.result.outcome}: {self.result.reason}{declared}"

    def to_json(self) -> dict[str, object]:
        """Return the record as it stands in reports."""
        info = asdict(self.info)
        del info["alone"], info["patience"]
        return {**info, **asdict(self.result), "declared": self.declared, "verdict": self.verdict}

    def as_property(self) -> tuple[str, object]:
        """Return the record as a test report carries it, from process to process if need be."""
        return PROPERTY, self.to_json()


def record(info: CaseInfo, result: Result, declarations: Sequence[Declaration]) -> Record:
    """Return what came of a case; a declaration counts where the case was refused."""
    declared = next((entry.reason for entry in declarations if entry.matches(info.id)), "")
    return Record(info, result, declared if result.outcome == "refused" else "")


def property_of(properties: Sequence[tuple[str, object]]) -> Mapping[str, object] | None:
    """Return the record that a test report carries, if it is one of a case."""
    found = dict(properties).get(PROPERTY)
    return cast("dict[str, object]", found) if isinstance(found, dict) else None
