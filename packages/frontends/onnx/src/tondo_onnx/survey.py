"""What a model is made of: every operator with its version and types, and what it becomes, or why it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tondo.ir import Binding, Call, CallPacked, IfRegion, LoopRegion, OpCall, TensorType
from tondo.plugin import OperatorUse
from tondo_onnx.build.values import Value

_Key: TypeAlias = "tuple[str, int | None, tuple[str, ...], str | None]"
UNREACHED = "an input comes from an unsupported operator"


@dataclass(slots=True)
class _Group:
    nodes: list[str] = field(default_factory=list[str])
    calls: dict[OpCall, None] = field(default_factory=dict[OpCall, None])
    packed: dict[str, None] = field(default_factory=dict[str, None])


@dataclass(slots=True)
class Survey:
    """Collects the nodes of a model while it is converted."""

    _groups: dict[_Key, _Group] = field(default_factory=dict["_Key", _Group])

    def add(
        self,
        operator: tuple[str, int | None],
        node: str,
        inputs: Sequence[Value | None],
        reasons: Sequence[str],
        bindings: Iterable[Binding],
    ) -> None:
        """Remember a node: its operator and version, what it takes, why it cannot be converted, what it became."""
        kinds = tuple(dict.fromkeys(str(value.dtype) for value in inputs if value is not None))
        reason = "; ".join(dict.fromkeys(reasons)) or None
        group = self._groups.setdefault((*operator, kinds, reason), _Group())
        group.nodes.append(node)
        for operation in _operations(bindings):
            if isinstance(operation, CallPacked):
                group.packed[operation.name] = None
            else:
                group.calls[operation] = None

    def uses(self) -> tuple[OperatorUse, ...]:
        """Return what was collected, by operator, version and types."""
        ordered = sorted(self._groups.items(), key=lambda entry: tuple(str(part) for part in entry[0]))
        return tuple(
            OperatorUse(name, version, kinds, tuple(group.nodes), reason, tuple(group.calls), tuple(group.packed))
            for (name, version, kinds, reason), group in ordered
        )


def _operations(bindings: Iterable[Binding]) -> Iterator[OpCall | CallPacked]:
    for binding in bindings:
        match binding.operation:
            case Call(op=op, args=args, attrs=attrs):
                types = [getattr(arg, "type", None) for arg in args]
                yield OpCall(op, tuple(kind for kind in types if isinstance(kind, TensorType)), attrs)
            case CallPacked() as packed:
                yield packed
            case IfRegion(then=then, orelse=orelse):
                yield from _operations((*then.bindings, *orelse.bindings))
            case LoopRegion(body=body):
                yield from _operations(body.bindings)
            case _:
                pass
