"""Calls of functions of the runtime on values that are no tensors."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import DType, TensorType
from tondo_onnx.build.kinds import HANDLE, Kind, Object, Tensors, Texts
from tondo_onnx.build.values import Value, handle
from tondo_onnx.nodes.loop import new_size
from tondo_onnx.nodes.site import Site


def made(site: Site, name: str, args: Sequence[Value], kind: Object, **attrs: object) -> Value:
    """Return the object of ``kind`` that the function makes of ``args``."""
    (result,) = site.builder.packed(f"tondo.{name}", args, (HANDLE,), attrs)
    return handle(result, kind)


def objects(args: Sequence[Value]) -> tuple[int, ...]:
    """Return the positions of the arguments that are handles."""
    return tuple(position for position, value in enumerate(args) if value.object is not None)


def tensor(site: Site, name: str, args: Sequence[Value], kind: DType, rank: int | None, **attrs: object) -> Value:
    """Return the tensor, of sizes that the call finds out, that the function makes of ``args``."""
    if rank is None:
        site.refuse("the rank of a result is unknown; declare the shapes of the items")
    shape = tuple(new_size(site, name.rsplit(".", 1)[-1]) for _ in range(rank))
    (result,) = site.builder.packed(f"tondo.{name}", args, (TensorType(shape, kind),), attrs)
    return result


def item(site: Site, name: str, args: Sequence[Value], kind: Kind | None, **attrs: object) -> Value:
    """Return a value of ``kind`` that the function takes out of another."""
    if kind is None:
        site.refuse("what it holds is of unknown kind")
    if isinstance(kind, Tensors):
        return tensor(site, name, args, kind.dtype, kind.rank, **attrs)
    return made(site, name, args, kind, is_object=True, **attrs)


def rank_of(site: Site, value: Value) -> int:
    """Return the rank of a tensor of texts or of numbers."""
    if not isinstance(value.object, Texts):
        return value.rank
    if value.object.rank is None:
        site.refuse("the rank of texts is unknown; declare their shape")
    return value.object.rank
