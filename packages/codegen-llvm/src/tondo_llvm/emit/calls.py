"""Calls and checks: other tensor functions, foreign functions through the context, asserts, profile records."""

from __future__ import annotations

from tondo.diagnostics import fail, suggest
from tondo.ir import FLOAT64, Assert, Buffer, Expr, Invoke, TensorFunction, attrs_json
from tondo_llvm.emit.builder import function_symbol, symbol
from tondo_llvm.emit.context import EXECUTION_FAILED, FOREIGN_FAILED, OFFSETS, fail_block, field
from tondo_llvm.emit.convert import convert
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.linear import index_value, linear, materialize
from tondo_llvm.emit.profile import begin_helper, end_helper
from tondo_llvm.emit.types import Operand, scalar_abi_type

_TYPE_INT, _TYPE_BOOL, _TYPE_FLOAT, _TYPE_TENSOR, _TYPE_STRING = 1, 2, 3, 7, 8
_FIRST_OBJECT = 64
_DEVICE_CPU = 1
_DL_CODES = {
    "int": 0,
    "uint": 1,
    "float": 2,
    "handle": 3,
    "bfloat": 4,
    "complex": 5,
    "bool": 6,
    "float8_e4m3fn": 10,
    "float8_e4m3fnuz": 11,
    "float8_e5m2": 12,
    "float8_e5m2fnuz": 13,
    "float8_e8m0fnu": 14,
    "float4_e2m1fn": 17,
}


def dlpack_type(buffer: Buffer) -> tuple[int, int]:
    """Return DLPack's code and bits of the elements of ``buffer``."""
    return _DL_CODES[buffer.dtype.kind], buffer.dtype.bits


def check(frame: Frame, stmt: Assert) -> None:
    """Write an assert: continue, or report the message and return."""
    condition = frame.value(stmt.condition)
    if condition == 1:
        return
    passed = frame.out.label("ok")
    frame.out.branch_if(condition, passed, fail_block(frame, EXECUTION_FAILED, stmt.message))
    frame.out.start(passed)


def call(frame: Frame, stmt: Invoke) -> None:
    """Write a call; a result that is not zero is returned at once.

    Raises:
        TondoError: TND-B004 for an unknown callee or arguments that do not fit.
    """
    if stmt.packed:
        _call_packed(frame, stmt)
        return
    callee = frame.unit.callees.get(stmt.callee)
    if callee is None:
        fail(
            "TND-B004",
            f"'{frame.name}' calls unknown function '{stmt.callee}'",
            span=stmt.span,
            help=suggest(stmt.callee, frame.unit.callees),
        )
    arguments = _arguments(frame, stmt, callee)
    kinds = ", ".join("ptr" if isinstance(param, Buffer) else scalar_abi_type(param.dtype) for param in callee.params)
    if frame.name == callee.name:
        target = symbol(function_symbol(callee.name))
    else:
        target = frame.module.declare(
            function_symbol(callee.name), f"hidden i32 {{}}(ptr{', ' if kinds else ''}{kinds}) nounwind"
        )
    index = frame.unit.kernels.get(stmt.callee)
    begin = None if index is None else frame.out.value(f"call i64 {begin_helper(frame.module)}(ptr %ctx)", "begin")
    result = frame.out.value(f"call i32 {target}({', '.join(['ptr %ctx', *arguments])})", "rc")
    if begin is not None:
        frame.out.do(f"call void {end_helper(frame.module)}(ptr %ctx, i64 {index}, i64 {begin})")
    return_unless_zero(frame, result)


def return_unless_zero(frame: Frame, result: str) -> None:
    """Continue if ``result`` is zero, else return it."""
    out = frame.out
    passed, failed = out.label("ok"), out.label("failed")
    out.branch_if(out.value(f"icmp eq i32 {result}, 0", "fine"), passed, failed)
    out.cold(failed, f"ret i32 {result}")
    out.start(passed)


def _arguments(frame: Frame, stmt: Invoke, callee: TensorFunction) -> list[str]:
    if len(stmt.args) != len(callee.params):
        fail("TND-B004", f"'{stmt.callee}' takes {len(callee.params)} arguments, not {len(stmt.args)}", span=stmt.span)
    result: list[str] = []
    for arg, param in zip(stmt.args, callee.params, strict=True):
        if isinstance(arg, Buffer) != isinstance(param, Buffer):
            fail(
                "TND-B004",
                f"'{stmt.callee}': parameter '{param.name}' is given the wrong kind of argument",
                span=stmt.span,
            )
        if isinstance(arg, Buffer):
            result.append(f"ptr {frame.slot(arg).pointer}")
        elif scalar_abi_type(param.dtype) == "double":
            result.append(f"double {_double(frame, arg)}")
        else:
            result.append(f"i64 {_integer(frame, arg)}")
    return result


def _integer(frame: Frame, arg: Expr) -> Operand:
    if arg.dtype.is_float:
        fail("TND-B004", f"an integer parameter is given a {arg.dtype}")
    return materialize(frame, linear(frame, arg)) if arg.dtype.bits == 64 else index_value(frame, arg)


def _double(frame: Frame, arg: Expr) -> Operand:
    return convert(frame, frame.value(arg), arg.dtype, FLOAT64)


# ------------------------------------------------------------------------------------------------ foreign functions


def _call_packed(frame: Frame, stmt: Invoke) -> None:
    position = frame.unit.packed.get(stmt.callee)
    if position is None:
        fail(
            "TND-B004",
            f"foreign function '{stmt.callee}' has no position in the table of packed functions",
            span=stmt.span,
        )
    out, count = frame.out, len(stmt.args)
    tensors = [arg for arg in stmt.args if isinstance(arg, Buffer)]
    table = out.prologue(f"alloca [{count + 1} x {{ i32, i32, i64 }}], align 8", "args")
    result = out.prologue("alloca { i32, i32, i64 }, align 8", "result")
    views = out.prologue(f"alloca [{max(1, len(tensors))} x [48 x i8]], align 8", "tensors")
    out.do(f"store {{ i32, i32, i64 }} zeroinitializer, ptr {result}, align 8")
    number = 0
    for place, arg in enumerate(stmt.args):
        if isinstance(arg, Buffer):
            view = out.value(f"getelementptr i8, ptr {views}, i64 {48 * number}", "tensor")
            number += 1
            _fill_tensor(frame, view, arg)
            _fill_any(frame, table, place, _TYPE_TENSOR, "ptr", view)
        elif arg.dtype.is_float:
            _fill_any(frame, table, place, _TYPE_FLOAT, "double", _double(frame, arg))
        else:
            code = _TYPE_BOOL if arg.dtype.is_bool else _TYPE_INT
            _fill_any(frame, table, place, code, "i64", _integer(frame, arg))
    if stmt.attrs:
        _fill_any(frame, table, count, _TYPE_STRING, "ptr", frame.module.string(attrs_json(stmt.attrs)))
        count += 1
    entries = field(frame, "packed")
    function = out.value(f"load ptr, ptr {_at(frame, entries, 16 * position)}, align 8", "function")
    handle = out.value(f"load ptr, ptr {_at(frame, entries, 16 * position + 8)}, align 8", "handle")
    code = out.value(f"call i32 {function}(ptr {handle}, ptr {table}, i32 {count}, ptr {result})", "rc")
    passed = out.label("ok")
    failed = fail_block(frame, FOREIGN_FAILED, stmt.callee, code)
    out.branch_if(out.value(f"icmp eq i32 {code}, 0", "fine"), passed, failed)
    out.start(passed)
    _release_object(frame, result)


def _release_object(frame: Frame, result: str) -> None:
    """Give back the object that a foreign function returned: its tensors are in the arguments."""
    out = frame.out
    kind = out.value(f"load i32, ptr {result}, align 8", "kind")
    given, known, done = out.label("object"), out.label("known"), out.label("done")
    out.branch_if(out.value(f"icmp slt i32 {kind}, {_FIRST_OBJECT}", "plain"), done, given)
    release_at, release, item_at, item = (out.name(hint) for hint in ("release.at", "release", "item.at", "item"))
    status, able = out.name("released"), out.name("able")
    out.cold(
        given,
        f"{release_at} = getelementptr i8, ptr %ctx, i64 {OFFSETS['release']}",
        f"{release} = load ptr, ptr {release_at}, align 8",
        f"{able} = icmp ne ptr {release}, null",
        f"br i1 {able}, label %{known}, label %{done}",
    )
    out.cold(
        known,
        f"{item_at} = getelementptr i8, ptr {result}, i64 8",
        f"{item} = load ptr, ptr {item_at}, align 8",
        f"{status} = call i32 {release}(ptr {item})",
        f"br label %{done}",
    )
    out.start(done)


def _at(frame: Frame, base: str, offset: int) -> str:
    return frame.out.pure(f"getelementptr i8, ptr {base}, i64 {offset}", "at") if offset else base


def _fill_any(frame: Frame, table: str, place: int, code: int, kind: str, value: Operand) -> None:
    frame.out.do(f"store i64 {code}, ptr {_at(frame, table, 16 * place)}, align 8")
    frame.out.do(f"store {kind} {value}, ptr {_at(frame, table, 16 * place + 8)}, align 8")


def _fill_tensor(frame: Frame, view: str, buffer: Buffer) -> None:
    """Write a DLTensor: data, device, rank, type, shape, strides (null when row-major), offset."""
    out, rank = frame.out, buffer.rank
    code, bits = dlpack_type(buffer)
    shape = _extents(frame, buffer.shape, f"{buffer.name}.shape")
    strides = "null" if buffer.strides is None else _extents(frame, buffer.strides, f"{buffer.name}.strides")
    out.do(f"store ptr {frame.slot(buffer).pointer}, ptr {view}, align 8")
    out.do(f"store i64 {_DEVICE_CPU}, ptr {_at(frame, view, 8)}, align 8")
    out.do(f"store i64 {rank | (code | bits << 8 | 1 << 16) << 32}, ptr {_at(frame, view, 16)}, align 8")
    out.do(f"store ptr {shape}, ptr {_at(frame, view, 24)}, align 8")
    out.do(f"store ptr {strides}, ptr {_at(frame, view, 32)}, align 8")
    out.do(f"store i64 0, ptr {_at(frame, view, 40)}, align 8")


def _extents(frame: Frame, values: tuple[Expr, ...], hint: str) -> str:
    space = frame.out.prologue(f"alloca [{max(1, len(values))} x i64], align 8", hint)
    for place, value in enumerate(values):
        extent = materialize(frame, linear(frame, value))
        frame.out.do(f"store i64 {extent}, ptr {_at(frame, space, 8 * place)}, align 8")
    return space
