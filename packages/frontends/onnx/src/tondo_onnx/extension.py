"""Converters from other packages: for operators of their own domains, or in place of a converter of this package.

A package registers them with the hook ``register_onnx_converters``, in a plugin like every other::

    # acme_onnx/plugin.py
    from tondo.plugin import PluginInfo, hookimpl
    from tondo_onnx.extension import OnnxConverter

    TONDO_PLUGIN = PluginInfo("operators of ACME", api=1, min_core="0.1")


    def _scaled_add(site):
        return site.call("add", site.arg(0), site.call("mul", site.arg(1), site.arg(2)))


    @hookimpl
    def register_onnx_converters():
        return [OnnxConverter("com.acme", "ScaledAdd", _scaled_add)]

The graph calls operators by name; a package that needs a new one brings it with ``register_ops``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from tondo.plugin import hookspec

if TYPE_CHECKING:
    from tondo_onnx.nodes.site import Converter

HOOK: Final = "register_onnx_converters"


@dataclass(frozen=True, slots=True)
class OnnxConverter:
    """Says how nodes of one operator become operators of the graph.

    Attributes:
        domain: domain of the operator; that of the standard is empty.
        op_type: name of the operator in its domain.
        convert: takes the node (:class:`tondo_onnx.nodes.site.Site`), emits operators, returns the result or results.
        since: first version of the domain's operator set that it is for; the newest that fits is taken.
    """

    domain: str
    op_type: str
    convert: Converter
    since: int = 1

    @property
    def name(self) -> str:
        """Unique name: domain, operator and version."""
        return f"{self.domain or 'ai.onnx'}.{self.op_type}-{self.since}"


class OnnxHooks(Protocol):
    """Hooks of the importer."""

    @hookspec
    def register_onnx_converters(self) -> Sequence[OnnxConverter]:
        """Return converters of ONNX operators; they come before those of the importer and functions of the model.

        Example:
            ``return [OnnxConverter("com.acme", "ScaledAdd", convert_scaled_add)]``
        """
        ...


@dataclass(frozen=True, slots=True)
class Converters:
    """Converters of other packages, looked up by operator."""

    found: tuple[OnnxConverter, ...] = field(default=())

    @classmethod
    def of(cls, components: Iterable[object]) -> Converters:
        """Return those among ``components`` that are converters."""
        return cls(tuple(item for item in components if isinstance(item, OnnxConverter)))

    def find(self, domain: str, op_type: str, version: int) -> Converter | None:
        """Return the converter of an operator as of operator set ``version`` of its domain; None if there is none."""
        fitting = [
            item for item in self.found if (item.domain, item.op_type) == (domain, op_type) and item.since <= version
        ]
        return max(fitting, key=lambda item: item.since).convert if fitting else None
