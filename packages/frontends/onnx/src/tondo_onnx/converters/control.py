"""Control flow: a condition that is known at import decides at import."""

from __future__ import annotations

from typing import Final

from tondo_onnx.build.values import Value
from tondo_onnx.nodes.site import Site, Versions, since


def _if(site: Site) -> tuple[Value, ...]:
    condition = site.arg(0).numbers
    if condition is None or condition.size != 1:
        site.refuse("a condition that depends on data")
    taken = bool(condition.reshape(-1)[0])
    return site.inline(site.attributes.graph("then_branch" if taken else "else_branch"))


CONVERTERS: Final[dict[str, Versions]] = {"If": since(_if)}
