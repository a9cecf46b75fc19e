"""The entry point of an exported function: tagged values in, the function's own parameters out.

``int32 __tondo_NAME(void *ctx, const Any *args, int32 n, Any *result)`` checks the number of arguments and, in one
loop over a constant table with a row per parameter, each type tag, and of each tensor the device, element type, rank,
known extents and that it is compact (unless the parameter has strides of its own). The result is None.
"""

from __future__ import annotations

from typing import Final

from tondo.ir import Buffer, Const, TensorFunction, Var
from tondo_llvm.emit.builder import ModuleBuilder, function_symbol, symbol
from tondo_llvm.emit.calls import dlpack_type
from tondo_llvm.emit.context import FAILED, INVALID_ARGUMENT, OFFSETS
from tondo_llvm.emit.types import scalar_abi_type

PREFIX: Final = "__tondo_"
_ROW: Final = "{ i32, i32, i32, i32, i32, ptr }"  # kind, dtype, rank, first extent, check strides, message
_KIND_INT, _KIND_FLOAT, _KIND_TENSOR = 0, 1, 2

_CHECKER: Final = "tondo.check"

# Any: { i32 type_index, i32, i64 payload }; DLTensor: data 0, device 8, ndim 16, dtype 20, shape 24, strides 32.
_CHECKER_TEXT: Final = f"""\
define internal ptr @{_CHECKER}(ptr %args, i64 %n, ptr %rows, ptr %extents) noinline #0 {{
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %accepted ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %look, label %fine
fine:
  ret ptr null
look:
  %arg = getelementptr {{ i32, i32, i64 }}, ptr %args, i64 %i
  %row = getelementptr {_ROW}, ptr %rows, i64 %i
  %tag = load i32, ptr %arg, align 8
  %kind = load i32, ptr %row, align 8
  %message.at = getelementptr {_ROW}, ptr %row, i32 0, i32 5
  %is.int = icmp eq i32 %tag, 1
  %is.bool = icmp eq i32 %tag, 2
  %is.float = icmp eq i32 %tag, 3
  %is.tensor = icmp eq i32 %tag, 7
  %whole = or i1 %is.int, %is.bool
  %number = or i1 %whole, %is.float
  switch i32 %kind, label %tensor [ i32 {_KIND_INT}, label %int i32 {_KIND_FLOAT}, label %float ]
int:
  br i1 %whole, label %accepted, label %refused
float:
  br i1 %number, label %accepted, label %refused
tensor:
  br i1 %is.tensor, label %view, label %refused
view:
  %payload = getelementptr i8, ptr %arg, i64 8
  %tensor.ptr = load ptr, ptr %payload, align 8
  %present = icmp ne ptr %tensor.ptr, null
  br i1 %present, label %header, label %refused
header:
  %device.at = getelementptr i8, ptr %tensor.ptr, i64 8
  %device = load i32, ptr %device.at, align 8
  %ndim.at = getelementptr i8, ptr %tensor.ptr, i64 16
  %ndim = load i32, ptr %ndim.at, align 8
  %dtype.at = getelementptr i8, ptr %tensor.ptr, i64 20
  %dtype = load i32, ptr %dtype.at, align 4
  %shape.at = getelementptr i8, ptr %tensor.ptr, i64 24
  %shape = load ptr, ptr %shape.at, align 8
  %strides.at = getelementptr i8, ptr %tensor.ptr, i64 32
  %strides = load ptr, ptr %strides.at, align 8
  %want.dtype.at = getelementptr {_ROW}, ptr %row, i32 0, i32 1
  %want.dtype = load i32, ptr %want.dtype.at, align 4
  %want.ndim.at = getelementptr {_ROW}, ptr %row, i32 0, i32 2
  %want.ndim = load i32, ptr %want.ndim.at, align 8
  %first.at = getelementptr {_ROW}, ptr %row, i32 0, i32 3
  %first = load i32, ptr %first.at, align 4
  %compact.at = getelementptr {_ROW}, ptr %row, i32 0, i32 4
  %compact = load i32, ptr %compact.at, align 8
  %cpu = icmp eq i32 %device, 1
  %same.dtype = icmp eq i32 %dtype, %want.dtype
  %same.ndim = icmp eq i32 %ndim, %want.ndim
  %ok.a = and i1 %cpu, %same.dtype
  %ok.b = and i1 %ok.a, %same.ndim
  %no.strides = icmp eq ptr %strides, null
  %any.strides = icmp eq i32 %compact, 0
  %skip = or i1 %no.strides, %any.strides
  %first.wide = zext i32 %first to i64
  %rank = zext i32 %want.ndim to i64
  br i1 %ok.b, label %dimension, label %refused
dimension:
  %left = phi i64 [ %rank, %header ], [ %d, %dimension.ok ]
  %expected = phi i64 [ 1, %header ], [ %expected.next, %dimension.ok ]
  %done = icmp eq i64 %left, 0
  br i1 %done, label %accepted, label %extent
extent:
  %d = sub i64 %left, 1
  %size.at = getelementptr i64, ptr %shape, i64 %d
  %size = load i64, ptr %size.at, align 8
  %place = add i64 %first.wide, %d
  %want.at = getelementptr i64, ptr %extents, i64 %place
  %want = load i64, ptr %want.at, align 8
  %open = icmp slt i64 %want, 0
  %equal = icmp eq i64 %want, %size
  %matches = or i1 %open, %equal
  br i1 %matches, label %stride, label %refused
stride:
  %none = icmp eq i64 %size, 0
  %factor = select i1 %none, i64 1, i64 %size
  %expected.next = mul i64 %expected, %factor
  %single = icmp ule i64 %size, 1
  %free = or i1 %skip, %single
  br i1 %free, label %dimension.ok, label %compare
compare:
  %stride.at = getelementptr i64, ptr %strides, i64 %d
  %actual = load i64, ptr %stride.at, align 8
  %dense = icmp eq i64 %actual, %expected
  br i1 %dense, label %dimension.ok, label %refused
dimension.ok:
  br label %dimension$LOOP
accepted:
  %i.next = add i64 %i, 1
  br label %next$LOOP
refused:
  %message = load ptr, ptr %message.at, align 8
  ret ptr %message
}}
"""


def emit_wrapper(module: ModuleBuilder, function: TensorFunction) -> None:
    """Add the entry point of ``function`` to ``module``."""
    module.include(_CHECKER, _rolled(module))
    rows, extents = _tables(module, function)
    count = len(function.params)
    wrong_count = module.string(f"'{function.name}' takes {count} arguments")
    name = f"{PREFIX}{function.name}"
    lines = [
        f"define dso_local i32 {symbol(name)}(ptr %ctx, ptr %args, i32 %n, ptr %result) #0 {{",
        "entry:",
        f"  %counted = icmp eq i32 %n, {count}",
        "  br i1 %counted, label %check, label %refused",
        "check:",
        f"  %message = call ptr @{_CHECKER}(ptr %args, i64 {count}, ptr {rows}, ptr {extents})",
        "  %fine = icmp eq ptr %message, null",
        "  br i1 %fine, label %run, label %refused",
        "refused:",
        f"  %text = phi ptr [ {wrong_count}, %entry ], [ %message, %check ]",
        f"  %set_error.at = getelementptr i8, ptr %ctx, i64 {OFFSETS['set_error']}",
        "  %set_error = load ptr, ptr %set_error.at, align 8",
        f"  call void %set_error(ptr %ctx, ptr {module.string(INVALID_ARGUMENT)}, ptr %text)",
        f"  ret i32 {FAILED}",
        "run:",
    ]
    arguments = ["ptr %ctx"]
    for place, param in enumerate(function.params):
        text, argument = _unpack(place, param)
        lines += text
        arguments.append(argument)
    lines += [
        f"  %code = call i32 {symbol(function_symbol(function.name))}({', '.join(arguments)})",
        "  %wanted = icmp ne ptr %result, null",
        "  br i1 %wanted, label %answer, label %out",
        "answer:",
        "  store { i32, i32, i64 } zeroinitializer, ptr %result, align 8",
        "  br label %out",
        "out:",
        "  ret i32 %code",
        "}",
        "",
    ]
    module.define(name, "\n".join(lines))


def _rolled(module: ModuleBuilder) -> str:
    """The checker with loops that stay loops: there may be hundreds of parameters."""
    first, second, rest = _CHECKER_TEXT.split("$LOOP")
    return f"{first}{module.loop(unroll=False)}{second}{module.loop(unroll=False)}{rest}"


def _tables(module: ModuleBuilder, function: TensorFunction) -> tuple[str, str]:
    rows: list[str] = []
    extents: list[int] = []
    for place, param in enumerate(function.params):
        message = module.string(f"argument {place} of '{function.name}' must be {describe(param)} ('{param.name}')")
        if isinstance(param, Buffer):
            code, bits = dlpack_type(param)
            values = (_KIND_TENSOR, code | bits << 8 | 1 << 16, param.rank, len(extents), int(param.strides is None))
            extents += [int(extent.value) if isinstance(extent, Const) else -1 for extent in param.shape]
        else:
            kind = _KIND_FLOAT if scalar_abi_type(param.dtype) == "double" else _KIND_INT
            values = (kind, 0, 0, 0, 0)
        rows.append(f"{_ROW} {{ {', '.join(f'i32 {value}' for value in values)}, ptr {message} }}")
    row_table = module.constant("params", f"[{len(rows)} x {_ROW}] [{', '.join(rows)}]")
    numbers = extents or [0]
    extent_table = module.constant("extents", f"[{len(numbers)} x i64] [{', '.join(f'i64 {n}' for n in numbers)}]")
    return row_table, extent_table


def describe(param: Var | Buffer) -> str:
    """Return what a parameter takes, in words: ``a compact float32 tensor of shape (?, 64)``."""
    if isinstance(param, Var):
        return "a number" if scalar_abi_type(param.dtype) == "double" else "an integer"
    shape = ", ".join(str(extent.value) if isinstance(extent, Const) else "?" for extent in param.shape)
    compact = "compact " if param.strides is None else ""
    return f"a {compact}{param.dtype.element} tensor of shape ({shape})"


def _unpack(place: int, param: Var | Buffer) -> tuple[list[str], str]:
    at, value = f"%arg.{place}", f"%value.{place}"
    lines = [f"  {at} = getelementptr i8, ptr %args, i64 {16 * place + 8}"]
    if isinstance(param, Buffer):
        lines += [
            f"  %view.{place} = load ptr, ptr {at}, align 8",
            f"  %data.{place} = load ptr, ptr %view.{place}, align 8",
            f"  %offset.at.{place} = getelementptr i8, ptr %view.{place}, i64 40",
            f"  %offset.{place} = load i64, ptr %offset.at.{place}, align 8",
            f"  {value} = getelementptr i8, ptr %data.{place}, i64 %offset.{place}",
        ]
        return lines, f"ptr {value}"
    lines.append(f"  {value} = load i64, ptr {at}, align 8")
    if scalar_abi_type(param.dtype) != "double":
        return lines, f"i64 {value}"
    lines += [
        f"  %tag.at.{place} = getelementptr i8, ptr %args, i64 {16 * place}",
        f"  %tag.{place} = load i32, ptr %tag.at.{place}, align 8",
        f"  %is.float.{place} = icmp eq i32 %tag.{place}, 3",
        f"  %bits.{place} = bitcast i64 {value} to double",
        f"  %whole.{place} = sitofp i64 {value} to double",
        f"  %number.{place} = select i1 %is.float.{place}, double %bits.{place}, double %whole.{place}",
    ]
    return lines, f"double %number.{place}"
