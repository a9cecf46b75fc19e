"""Traces: the steps of a schedule as plain values, which JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tondo.diagnostics import fail
from tondo.ir import Var
from tondo.passes import Choice
from tondo.target import Intrinsic
from tondo_schedule.layout.index_map import IndexMap

Plain: TypeAlias = "int | float | str | bool | list[Plain] | dict[str, Plain] | None"


@dataclass(frozen=True, slots=True)
class Step:
    """One recorded step: the primitive, its arguments as plain values, the names it gave its results."""

    primitive: str
    args: tuple[tuple[str, Plain], ...]
    results: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, Plain]:
        """Return values that JSON can hold."""
        return {"primitive": self.primitive, "args": dict(self.args), "results": list(self.results)}


def arguments(args: Mapping[str, Plain], intrinsics: Mapping[str, Intrinsic]) -> list[object]:
    """Return positional arguments; loops become variables, layouts index maps, names of instructions these.

    Raises:
        TondoError: TND-B003 if an instruction is not among ``intrinsics``.
    """
    result: list[object] = []
    for name, value in args.items():
        if name in {"loop", "outer", "inner", "axis"}:
            result.append(Var(str(value)))
        elif name == "loops" and isinstance(value, list):
            result.extend(Var(str(item)) for item in value)
        elif name == "axes" and isinstance(value, list):
            result.extend((item[0], Var(str(item[1])), Var(str(item[2]))) for item in value if isinstance(item, list))
        elif name == "index_map":
            result.append(_read_map(value))
        elif name == "tiled" and isinstance(value, list):
            result.append(tuple(Var(str(item)) for item in value))
        elif name == "candidates" and isinstance(value, list):
            result.append(tuple(_choice(item) for item in value))
        elif name in {"prior", "decision", "sizes"}:
            result.append(_choice(value))
        elif name == "intrinsic":
            if value not in intrinsics:
                fail("TND-B003", f"the trace uses the instruction '{value}', which is not at hand")
            result.append(intrinsics[str(value)])
        else:
            result.append(value)
    return result


def _read_map(value: Plain) -> IndexMap | None:
    if not isinstance(value, list):
        return None
    parts = [part for part in value if isinstance(part, list)]
    return IndexMap.from_plain([[item for item in part if isinstance(item, (int, str))] for part in parts])


def plain_choice(value: Choice) -> Plain:
    """Return a decision as a plain value."""
    return list(value) if isinstance(value, tuple) else value


def _choice(value: Plain) -> Plain | tuple[Plain, ...]:
    return tuple(value) if isinstance(value, list) else value


def plain_map(index_map: IndexMap) -> Plain:
    """Return a layout as plain values."""
    return [list(part) for part in index_map.to_plain()]
