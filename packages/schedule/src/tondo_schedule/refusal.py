"""One form of message for every refused schedule step."""

from __future__ import annotations

from typing import NoReturn

from tondo.diagnostics import fail


def refuse(primitive: str, subject: str, why: str, *, help: str | None = None) -> NoReturn:
    """Refuse ``primitive`` on ``subject`` (a loop, a block, an access) because of ``why``.

    Raises:
        TondoError: TND-B003, always.
    """
    fail("TND-B003", f"{primitive} of {subject}: {why}", help=help)
