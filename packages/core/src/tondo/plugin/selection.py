"""Which plugins the user wants: ``""`` all, ``"none"``, ``"onnx,llvm"`` only these, ``"-x86,-foo"`` all but these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tondo.diagnostics import fail, suggest
from tondo.plugin.info import is_identifier, printable

BUILTIN_ID = "core"


@dataclass(frozen=True, slots=True)
class Selection:
    """The user's choice: ``only`` None means every plugin; ``without`` is taken away."""

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    def allows(self, plugin: str) -> bool:
        """Return whether the plugin of this id may be loaded."""
        return plugin not in self.without and (self.only is None or plugin in self.only)

    def check(self, known: Iterable[str]) -> None:
        """Refuse ids that no installed plugin has.

        Raises:
            TondoError: TND-P001 naming the first such id.
        """
        names = sorted(set(known))
        for wanted in sorted((self.only or frozenset()) | self.without):
            if wanted not in names:
                fail(
                    "TND-P001",
                    f"no plugin {wanted!r} is installed",
                    notes=[f"installed plugins: {', '.join(names) or 'none'}"],
                    help=suggest(wanted, names),
                )


def parse_selection(option: str | Iterable[str] | None) -> Selection:
    """Return the selection that ``option`` describes; a text is a list separated by commas.

    Raises:
        TondoError: TND-U005 for an id that cannot be one, a mixture of both forms, or the core taken away.
    """
    if option is None:
        return Selection()
    parts = option.split(",") if isinstance(option, str) else list(option)
    items = [part.strip() for part in parts if part.strip()]
    if items == ["none"]:
        return Selection(only=frozenset())
    for item in items:
        if not is_identifier(item.removeprefix("-")):
            fail("TND-U005", f"not a plugin id: '{printable(item)}'", help="write 'none', 'onnx,llvm' or '-x86'")
    minus = frozenset(item[1:] for item in items if item.startswith("-"))
    plus = frozenset(item for item in items if not item.startswith("-"))
    if BUILTIN_ID in minus:
        fail("TND-U005", "the core cannot be taken away", help="leave 'core' out of the list")
    if minus and plus:
        fail(
            "TND-U005",
            "the list of plugins names both some to take and some to leave",
            help="write either 'onnx,llvm' or '-x86'",
        )
    return Selection(plus - {BUILTIN_ID} if plus else None, minus)
