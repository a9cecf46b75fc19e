"""Check what a user passes against the signature of a model, and derive the plan of a call.

Every refusal names the input, what was given, what is expected and what to do: TND-U001 unknown name, TND-U002
shape, TND-U003 element type, TND-U004 missing, TND-U005 anything else. Nothing is ever cast silently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, cast

import numpy as np

from tondo_runtime.dims import INT64_MAX, Dim, DimTree, evaluate, format_dim, format_shape
from tondo_runtime.errors import fail, suggest
from tondo_runtime.frame import Plan
from tondo_runtime.objects import get, give, put, take
from tondo_runtime.tensors import Array, SupportsDLPack, array_from_dlpack, is_array, is_plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tondo_runtime.manifest import Manifest, TensorSpec


def arrange(specs: Sequence[TensorSpec], positional: Sequence[object], named: Mapping[str, object]) -> list[object]:
    """Return the values of the inputs in the order of ``specs``.

    Raises:
        RuntimeFailure: TND-U001, TND-U004 or TND-U005 (too many, or given twice).
    """
    if len(positional) > len(specs):
        fail("TND-U005", f"{len(positional)} inputs were given, the model has {len(specs)}: {_names(specs)}")
    values = list(positional)
    used = 0
    for spec in specs[len(positional) :]:
        if spec.name not in named:
            _refuse_unknown(specs, positional, named)
            fail("TND-U004", f"the input '{spec.name}' is missing", notes=(f"the model's inputs: {_names(specs)}",))
        values.append(named[spec.name])
        used += 1
    if used != len(named):
        _refuse_unknown(specs, positional, named)
    return values


def _refuse_unknown(specs: Sequence[TensorSpec], positional: Sequence[object], named: Mapping[str, object]) -> None:
    known = [spec.name for spec in specs]
    for name in named:
        if name not in known:
            fail(
                "TND-U001",
                f"the model has no input '{name}'",
                notes=(f"the model's inputs: {_names(specs)}",),
                help=suggest(name, known),
            )
        if known.index(name) < len(positional):
            fail("TND-U005", f"the input '{name}' is given twice, by position and by name")


def take_input(spec: TensorSpec, value: object) -> Array:
    """Return ``value`` as an array that generated code can read in place; copies only if its layout demands it.

    Raises:
        RuntimeFailure: TND-U003 for another element type, TND-U005 for something that is not an array.
    """
    array = _as_array("input", spec, value)
    _check_dtype("input", spec, array)
    if is_plain(array):
        return array
    # `require` keeps zero dimensions, `ascontiguousarray` makes them one.
    return np.require(array, requirements=("C", "A"))


def take_objects(specs: Sequence[TensorSpec], values: Sequence[object]) -> list[object]:
    """Return the inputs with handles in place of values that are no tensors; they belong to the call in flight.

    Raises:
        RuntimeFailure: TND-U003 or TND-U005 for a value of another kind.
    """
    return [
        value if spec.object is None else np.array(put(take(spec.object, value, f"the input '{spec.name}'")), np.int64)
        for spec, value in zip(specs, values, strict=True)
    ]


def give_objects(
    specs: Sequence[TensorSpec], arrays: Sequence[Array], bound: Sequence[object | None] | None = None
) -> list[Array]:
    """Return the outputs with values in place of their handles.

    Raises:
        RuntimeFailure: TND-U005 if one of these was to be written into an array of the user.
    """
    for spec, target in zip(specs, bound or (), strict=False):
        if spec.object is not None and target is not None:
            fail("TND-U005", f"the output '{spec.name}' is no tensor and cannot be written into an array")
    pairs = zip(specs, arrays, strict=True)
    return [array if spec.object is None else cast("Array", give(get(array))) for spec, array in pairs]


def take_output(spec: TensorSpec, value: object, shape: tuple[int, ...], inputs: Sequence[Array]) -> Array:
    """Return ``value`` as the array that generated code writes the output ``spec`` into.

    Raises:
        RuntimeFailure: TND-U002 for another shape, TND-U003 for another element type, TND-U005 if it cannot be
            written in place (read-only, not row-major, or sharing memory with an input).
    """
    array = _as_array("output", spec, value)
    _check_dtype("output", spec, array)
    if array.shape != shape:
        fail("TND-U002", f"the output array '{spec.name}' has shape {array.shape}, the model writes {shape}")
    if not (array.flags.writeable and is_plain(array)):
        fail(
            "TND-U005",
            f"the output array '{spec.name}' cannot be written in place",
            notes=("an output array has to be writable, row-major and aligned",),
            help=f"make one with numpy.empty({shape}, '{spec.dtype}')",
        )
    if any(np.may_share_memory(array, other) for other in inputs):
        fail("TND-U005", f"the output array '{spec.name}' shares memory with an input", help="use a separate array")
    return array


def make_plan(manifest: Manifest, shapes: tuple[tuple[int, ...], ...]) -> Plan:
    """Return the plan of a call whose inputs have ``shapes``.

    Raises:
        RuntimeFailure: TND-U002 if the shapes do not fit the signature, TND-X003 if a size overflows.
    """
    values = bind_symbols(manifest, shapes)
    outputs = [spec for spec in manifest.outputs if spec.slot is None]
    output_shapes = tuple(output_shape(spec, values) for spec in outputs)
    sizes = tuple(_bytes(spec, shape) for spec, shape in zip(outputs, output_shapes, strict=True))
    workspace = evaluate(manifest.workspace, values)
    if workspace < 0:
        fail("TND-X003", f"the workspace has a negative size ({workspace} bytes)")
    symbols = tuple(values[symbol.name] for symbol in manifest.symbols)
    return Plan(symbols, shapes, output_shapes, sizes, workspace)


def bind_symbols(manifest: Manifest, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """Return the value of every symbol, from the input shapes.

    Raises:
        RuntimeFailure: TND-U002 if ranks or dimensions disagree with the signature or with each other,
            TND-A001 if no input binds a symbol.
    """
    values: dict[str, int] = {}
    places: dict[str, str] = {}
    for spec, shape in zip(manifest.inputs, shapes, strict=True):
        if len(shape) != len(spec.shape):
            _refuse_shape(spec, shape, f"it has {len(shape)} dimensions instead of {len(spec.shape)}")
        for axis, (dim, size) in enumerate(zip(spec.shape, shape, strict=True)):
            if isinstance(dim, str) and dim not in values:
                values[dim] = size
                places[dim] = f"dimension {axis} of '{spec.name}'"
    for symbol in manifest.symbols:
        if symbol.name not in values:
            fail("TND-A001", f"no input has the symbol '{symbol.name}' as a dimension of its own")
        if values[symbol.name] < symbol.minimum:
            fail(
                "TND-U002",
                f"{places[symbol.name]} is {values[symbol.name]}, '{symbol.name}' has to be at least {symbol.minimum}",
            )
        if symbol.maximum is not None and values[symbol.name] > symbol.maximum:
            fail(
                "TND-U002",
                f"{places[symbol.name]} is {values[symbol.name]}, '{symbol.name}' has to be at most {symbol.maximum}",
                help=f"compile the model with a larger bound: dimensions: {{{symbol.name}: {{max: ...}}}}",
            )
    for spec, shape in zip(manifest.inputs, shapes, strict=True):
        for axis, (dim, size) in enumerate(zip(spec.shape, shape, strict=True)):
            _check_dim(spec, shape, axis, dim, size, values, places)
    return values


def _check_dim(
    spec: TensorSpec,
    shape: tuple[int, ...],
    axis: int,
    dim: Dim,
    size: int,
    values: Mapping[str, int],
    places: Mapping[str, str],
) -> None:
    expected = evaluate(dim, values)
    if expected == size:
        return
    reason = f"dimension {axis} is {size} instead of {expected}"
    if isinstance(dim, str):
        reason += f" ('{dim}' is {expected} by {places[dim]})"
    elif isinstance(dim, DimTree):
        reason += f" ({format_dim(dim)})"
    _refuse_shape(spec, shape, reason)


def _refuse_shape(spec: TensorSpec, shape: tuple[int, ...], reason: str) -> NoReturn:
    fail(
        "TND-U002",
        f"the input '{spec.name}' has shape {shape}, the model expects {format_shape(spec.shape)}",
        notes=(reason,),
        help="reshape or pad the array, or compile the model with a symbolic dimension there",
    )


def output_shape(spec: TensorSpec, values: Mapping[str, int]) -> tuple[int, ...]:
    """Return the shape of an output.

    Raises:
        RuntimeFailure: TND-U002 if it is negative, TND-X003 if it overflows.
    """
    shape = tuple(evaluate(dim, values) for dim in spec.shape)
    if any(size < 0 for size in shape):
        fail("TND-U002", f"the output '{spec.name}' would have the negative shape {shape}", help="use larger inputs")
    return shape


def _bytes(spec: TensorSpec, shape: tuple[int, ...]) -> int:
    size = spec.type.itemsize
    for dim in shape:
        size *= dim
    if size > INT64_MAX // 2:
        fail("TND-X003", f"the output '{spec.name}' of shape {shape} does not fit 64 bits", help="use smaller inputs")
    return size


def _as_array(role: str, spec: TensorSpec, value: object) -> Array:
    if is_array(value):
        return value
    if role == "input" and isinstance(value, np.generic):
        return np.asarray(cast("np.float32", value))
    if not isinstance(value, SupportsDLPack):
        fail(
            "TND-U005",
            f"the {role} '{spec.name}' is a {type(value).__name__}, not an array",
            help=f"pass numpy.asarray(value, '{spec.dtype}') or an object with __dlpack__",
        )
    return array_from_dlpack(value)


def _check_dtype(role: str, spec: TensorSpec, array: Array) -> None:
    if array.dtype != spec.type.numpy:
        fail(
            "TND-U003",
            f"the {role} '{spec.name}' has element type {_dtype_text(array.dtype)}, the model expects {spec.dtype}",
            help=f"convert it: array.astype('{spec.type.numpy}')",
        )


def _dtype_text(dtype: np.dtype[np.generic]) -> str:
    return dtype.name if dtype.isnative else f"{dtype.name} in foreign byte order"


def _names(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"'{spec.name}'" for spec in specs) or "none"
