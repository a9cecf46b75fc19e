"""One lowered tensor function to the text of one LLVM module.

Before: serial, unrolled and parallel loops over stores of scalar and vector expressions. After: the function
``i32 tondo_fn.NAME(ptr ctx, params...)`` of hidden visibility, and ``__tondo_NAME`` if the function's attribute
``exported`` is true. Refused with TND-B004: blocks, vectorized loops, temporaries that do not fit the stack, unknown
names.
"""

from __future__ import annotations

from collections.abc import Mapping

from tondo.ir import Buffer, Const, DType, TensorFunction, Var
from tondo.target import Target
from tondo_llvm.emit.builder import ModuleBuilder, function_symbol, symbol
from tondo_llvm.emit.convert import convert
from tondo_llvm.emit.expressions import evaluate
from tondo_llvm.emit.frame import Frame, Slot, Unit
from tondo_llvm.emit.statements import execute
from tondo_llvm.emit.types import register_type, scalar_abi_type
from tondo_llvm.emit.wrapper import emit_wrapper
from tondo_llvm.targets import base_cpu


def emit_function(
    function: TensorFunction,
    target: Target,
    callees: Mapping[str, TensorFunction] | None = None,
    kernels: Mapping[str, int] | None = None,
    packed: Mapping[str, int] | None = None,
) -> str:
    """Return the LLVM IR of ``function``.

    Args:
        function: a lowered tensor function.
        target: features, vector width and triple of the machine.
        callees: the functions that it may call, by the names in its calls; each callee's own name decides its symbol.
        kernels: profile index by name in the calls; calls of others are not profiled.
        packed: position in the context's table of each foreign function.

    Raises:
        TondoError: TND-B004 for a form that cannot be expressed.
    """
    module = ModuleBuilder(target.triple, function_attributes(target))
    unit = Unit(function, target, module, callees or {}, kernels or {}, packed or {})
    frame = Frame(unit, evaluate, execute)
    params = [
        "ptr noalias readonly %ctx",
        *(_parameter(frame, param, place) for place, param in enumerate(function.params)),
    ]
    frame.execute(function.body)
    frame.out.ret("i32 0")
    name = function_symbol(function.name)
    header = f"define hidden i32 {symbol(name)}({', '.join(params)}) #0"
    module.define(name, frame.out.text(header))
    if function.attrs.get("exported") is True:
        emit_wrapper(module, function)
    return module.text()


def function_attributes(target: Target) -> str:
    """Return the LLVM attributes that every function for ``target`` carries."""
    parts = ["nounwind", f'"target-cpu"="{base_cpu(target)}"']
    if target.cpu and target.cpu != "generic":
        parts.append(f'"tune-cpu"="{target.cpu}"')
    if target.features:
        parts.append(f'"target-features"="{",".join(f"+{feature}" for feature in sorted(target.features))}"')
    if target.vector_bits:
        parts.append(f'"prefer-vector-width"="{target.vector_bits}"')
        parts.append(f'"min-legal-vector-width"="{target.vector_bits}"')
    return " ".join(parts)


def _parameter(frame: Frame, param: Var | Buffer, place: int) -> str:
    """Make ``param`` known and return its declaration."""
    name = frame.out.name(param.name)
    if isinstance(param, Var):
        kind = scalar_abi_type(param.dtype)
        frame.define_var(param, _narrowed(frame, name, param.dtype))
        return f"{kind} {name}"
    align = max(param.align, param.dtype.bytes)
    frame.define_slot(Slot(param, name, align, noalias=True))
    attributes = ["noalias", f"align {align}"]
    scalars = len(frame.unit.function.scalars)
    if place - scalars < len(frame.unit.function.input_buffers):
        attributes.append("readonly")
    size = _static_bytes(param)
    if size:
        attributes.append(f"dereferenceable({size})")
    return f"ptr {' '.join(attributes)} {name}"


def _narrowed(frame: Frame, name: str, dtype: DType) -> str | int:
    """A scalar arrives as ``i64`` or ``double``; return it in its own type."""
    abi = DType("float", 64) if dtype.is_float else DType("int", 64)
    return convert(frame, name, abi, dtype) if register_type(dtype) != register_type(abi) else name


def _static_bytes(buffer: Buffer) -> int:
    """Size of a row-major buffer of known shape, else 0."""
    if buffer.strides is not None:
        return 0
    count = buffer.dtype.bytes
    for extent in buffer.shape:
        if not isinstance(extent, Const):
            return 0
        count *= int(extent.value)
    return count
