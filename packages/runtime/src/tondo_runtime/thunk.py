"""Machine code that calls a plain C function with the tagged values of a safe call.

Before: a :class:`~tondo_runtime.signature.Signature`. After: a function ``int f(void* handle, const Any* args, int32
n, Any* result)`` whose handle is a :class:`Target`; one per signature and process. It checks the type codes, and of a
tensor its element type, that it lies in CPU memory and that it is row-major; what does not fit it hands to Python,
which says why. None where llvmlite is not installed.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import threading
from typing import Final

from tondo_runtime.abi import OBJECT_HEADER, ObjectIndex, TypeIndex
from tondo_runtime.code import ObjectEngine
from tondo_runtime.dtypes import dtype_of
from tondo_runtime.signature import CType, Signature
from tondo_runtime.trampoline import TRAMPOLINE_ADDRESS


class Target(ctypes.Structure):
    """The function that a thunk calls, and the handles of the Python functions that explain a refusal and a status."""

    _fields_ = (("function", ctypes.c_void_p), ("refused", ctypes.c_void_p), ("failed", ctypes.c_void_p))


_TENSOR: Final = f"""\
define internal {{ ptr, i1 }} @tensor(ptr %any, i32 %dtype) {{
entry:
  %tag = load i32, ptr %any, align 8
  %at = getelementptr i8, ptr %any, i64 8
  %payload = load ptr, ptr %at, align 8
  %object = getelementptr i8, ptr %payload, i64 {OBJECT_HEADER}
  %is.object = icmp eq i32 %tag, {int(ObjectIndex.TENSOR)}
  %is.view = icmp eq i32 %tag, {int(TypeIndex.DL_TENSOR_PTR)}
  %is.tensor = or i1 %is.object, %is.view
  %t = select i1 %is.object, ptr %object, ptr %payload
  br i1 %is.tensor, label %look, label %refused
look:
  %device.at = getelementptr i8, ptr %t, i64 8
  %device = load i32, ptr %device.at, align 8
  %is.cpu = icmp eq i32 %device, 1
  %rank.at = getelementptr i8, ptr %t, i64 16
  %rank = load i32, ptr %rank.at, align 8
  %dtype.at = getelementptr i8, ptr %t, i64 20
  %have = load i32, ptr %dtype.at, align 4
  %any.dtype = icmp eq i32 %dtype, 0
  %same = icmp eq i32 %have, %dtype
  %typed = or i1 %any.dtype, %same
  %good = and i1 %is.cpu, %typed
  br i1 %good, label %layout, label %refused
layout:
  %shape.at = getelementptr i8, ptr %t, i64 24
  %shape = load ptr, ptr %shape.at, align 8
  %strides.at = getelementptr i8, ptr %t, i64 32
  %strides = load ptr, ptr %strides.at, align 8
  %compact = icmp eq ptr %strides, null
  br i1 %compact, label %fine, label %axes
axes:
  br label %next
next:
  %axis = phi i32 [ %rank, %axes ], [ %inner, %agree ]
  %step = phi i64 [ 1, %axes ], [ %step.next, %agree ]
  %wrong = phi i1 [ false, %axes ], [ %wrong.next, %agree ]
  %more = icmp sgt i32 %axis, 0
  br i1 %more, label %agree, label %walked
agree:
  %inner = sub i32 %axis, 1
  %index = zext i32 %inner to i64
  %extent.at = getelementptr i64, ptr %shape, i64 %index
  %extent = load i64, ptr %extent.at, align 8
  %stride.at = getelementptr i64, ptr %strides, i64 %index
  %stride = load i64, ptr %stride.at, align 8
  %long = icmp sgt i64 %extent, 1
  %off = icmp ne i64 %stride, %step
  %bad = and i1 %long, %off
  %wrong.next = or i1 %wrong, %bad
  %step.next = mul i64 %step, %extent
  br label %next
walked:
  %empty = icmp eq i64 %step, 0
  %right = xor i1 %wrong, true
  %usable = or i1 %empty, %right
  br i1 %usable, label %fine, label %refused
fine:
  %data = load ptr, ptr %t, align 8
  %offset.at = getelementptr i8, ptr %t, i64 40
  %offset = load i64, ptr %offset.at, align 8
  %first = getelementptr i8, ptr %data, i64 %offset
  %found = insertvalue {{ ptr, i1 }} poison, ptr %first, 0
  %result = insertvalue {{ ptr, i1 }} %found, i1 true, 1
  ret {{ ptr, i1 }} %result
refused:
  ret {{ ptr, i1 }} {{ ptr null, i1 false }}
}}
"""


class Thunk:
    """A thunk for one function; its handle is ``handle``.

    Attributes:
        address: machine address of the safe-call function.
    """

    __slots__ = ("_code", "_target", "address")

    def __init__(self, code: ObjectEngine, address: int, target: Target) -> None:
        """Keep the code and the target alive."""
        self._code = code
        self._target = target
        self.address = address

    @property
    def handle(self) -> int:
        """First argument of the safe-call function."""
        return ctypes.addressof(self._target)


def make_thunk(address: int, signature: Signature, refused: int, failed: int) -> Thunk | None:
    """Return machine code that calls the C function at ``address``; None where llvmlite is not installed.

    Args:
        address: the C function.
        signature: its parameters and its result.
        refused: handle of the Python function that is called with arguments which do not fit.
        failed: handle of the Python function that is called with a status which is not zero.
    """
    found = compile_thunk(thunk_ir(signature), "tondo_thunk")
    return None if found is None else Thunk(found[0], found[1], Target(address, refused, failed))


_lock = threading.Lock()


def compile_thunk(text: str, symbol: str) -> tuple[ObjectEngine, int] | None:
    """Return the code of an LLVM module and the address of ``symbol`` in it; None where llvmlite is not installed.

    The same text is compiled once.
    """
    if importlib.util.find_spec("llvmlite") is None:
        return None
    with _lock:
        return _compiled(text, symbol)


@functools.cache
def _compiled(text: str, symbol: str) -> tuple[ObjectEngine, int]:
    binding = importlib.import_module("llvmlite.binding")
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    module = binding.parse_assembly(text)
    module.verify()
    machine = binding.Target.from_default_triple().create_target_machine(opt=2, reloc="pic", codemodel="small")
    code = ObjectEngine({"thunk": machine.emit_object(module)})
    address = code.address(symbol)
    assert address is not None
    return code, address


def thunk_ir(signature: Signature) -> str:
    """Return the LLVM module of the thunk ``tondo_thunk`` for functions of ``signature``."""
    lines = [
        _TENSOR,
        "define i32 @tondo_thunk(ptr %handle, ptr %args, i32 %n, ptr %result) {",
        "entry:",
        "  %status.any = alloca { i32, i32, i64 }, align 8",
        "  %function = load ptr, ptr %handle, align 8",
        f"  %counted = icmp eq i32 %n, {len(signature.params)}",
        "  br i1 %counted, label %arg0, label %refused",
    ]
    for place, param in enumerate(signature.params):
        lines += [
            f"arg{place}:",
            *_argument(place, param),
            f"  br i1 %ok{place}, label %arg{place + 1}, label %refused",
        ]
    lines += [f"arg{len(signature.params)}:", *_call(signature)]
    lines += [
        "refused:",
        "  %refused.at = getelementptr i8, ptr %handle, i64 8",
        "  %refused.handle = load ptr, ptr %refused.at, align 8",
        f"  %refused.rc = call i32 {_TRAMPOLINE}(ptr %refused.handle, ptr %args, i32 %n, ptr %result)",
        "  ret i32 -1",
        "}",
    ]
    return "\n".join(lines) + "\n"


_TRAMPOLINE: Final = f"inttoptr (i64 {TRAMPOLINE_ADDRESS} to ptr)"


def _argument(place: int, param: CType) -> list[str]:
    """Return the instructions that set ``%a<place>`` to an argument and ``%ok<place>`` to whether it fits."""
    p = str(place)
    head = [
        f"  %any{p} = getelementptr {{ i32, i32, i64 }}, ptr %args, i64 {p}",
        f"  %tag{p} = load i32, ptr %any{p}, align 8",
        f"  %at{p} = getelementptr i8, ptr %any{p}, i64 8",
    ]
    match param.kind:
        case "tensor":
            dtype = dtype_of(param.name)
            word = dtype.code | dtype.bits << 8 | 1 << 16
            return [*head[:1], *_tensor(p, word)]
        case "pointer":
            return [
                *head,
                *_tensor(f"{p}.t", 0, f"%any{p}"),
                f"  %raw{p} = load ptr, ptr %at{p}, align 8",
                *_tag(p, "none", TypeIndex.NONE),
                *_tag(p, "opaque", TypeIndex.OPAQUE_PTR),
                f"  %direct{p} = or i1 %none{p}, %opaque{p}",
                f"  %ok{p} = or i1 %direct{p}, %ok{p}.t",
                f"  %a{p} = select i1 %direct{p}, ptr %raw{p}, ptr %a{p}.t",
            ]
        case "text":
            return [
                *head,
                f"  %raw{p} = load ptr, ptr %at{p}, align 8",
                *_tag(p, "plain", TypeIndex.RAW_STR),
                *_tag(p, "small", TypeIndex.SMALL_STR),
                *_tag(p, "object", ObjectIndex.STR),
                f"  %inside{p} = getelementptr i8, ptr %raw{p}, i64 {OBJECT_HEADER}",
                f"  %from{p} = select i1 %object{p}, ptr %inside{p}, ptr %any{p}",
                f"  %owned{p} = load ptr, ptr %from{p}, align 8",
                f"  %direct{p} = or i1 %plain{p}, %small{p}",
                f"  %ok{p} = or i1 %direct{p}, %object{p}",
                f"  %borrowed{p} = select i1 %small{p}, ptr %at{p}, ptr %raw{p}",
                f"  %a{p} = select i1 %object{p}, ptr %owned{p}, ptr %borrowed{p}",
            ]
        case "float":
            kind = "float" if param.bits == 32 else "double"
            narrow = (
                f"fptrunc double %wide{p} to float"
                if kind == "float"
                else f"select i1 true, double %wide{p}, double 0.0"
            )
            return [
                *head,
                f"  %whole{p} = load i64, ptr %at{p}, align 8",
                f"  %real{p} = load double, ptr %at{p}, align 8",
                *_tag(p, "is.int", TypeIndex.INT),
                *_tag(p, "is.bool", TypeIndex.BOOL),
                *_tag(p, "is.float", TypeIndex.FLOAT),
                f"  %integral{p} = or i1 %is.int{p}, %is.bool{p}",
                f"  %ok{p} = or i1 %integral{p}, %is.float{p}",
                f"  %converted{p} = sitofp i64 %whole{p} to double",
                f"  %wide{p} = select i1 %integral{p}, double %converted{p}, double %real{p}",
                f"  %a{p} = {narrow}",
            ]
        case _:
            return [*head, *_integer(p, param)]


def _integer(p: str, param: CType) -> list[str]:
    bits = 8 if param.kind == "bool" else param.bits
    lines = [
        f"  %whole{p} = load i64, ptr %at{p}, align 8",
        *_tag(p, "is.int", TypeIndex.INT),
        *_tag(p, "is.bool", TypeIndex.BOOL),
        f"  %number{p} = or i1 %is.int{p}, %is.bool{p}",
    ]
    if param.kind == "bool":
        return [
            *lines,
            f"  %set{p} = icmp ne i64 %whole{p}, 0",
            f"  %a{p} = zext i1 %set{p} to i8",
            f"  %ok{p} = or i1 %number{p}, false",
        ]
    if bits == 64:
        return [*lines, f"  %a{p} = add i64 %whole{p}, 0", f"  %ok{p} = or i1 %number{p}, false"]
    extend = "sext" if param.kind == "int" else "zext"
    return [
        *lines,
        f"  %a{p} = trunc i64 %whole{p} to i{bits}",
        f"  %back{p} = {extend} i{bits} %a{p} to i64",
        f"  %fits{p} = icmp eq i64 %back{p}, %whole{p}",
        f"  %ok{p} = and i1 %number{p}, %fits{p}",
    ]


def _tensor(p: str, dtype: int, any_value: str = "") -> list[str]:
    return [
        f"  %view{p} = call {{ ptr, i1 }} @tensor(ptr {any_value or f'%any{p}'}, i32 {dtype})",
        f"  %a{p} = extractvalue {{ ptr, i1 }} %view{p}, 0",
        f"  %ok{p} = extractvalue {{ ptr, i1 }} %view{p}, 1",
    ]


def _tag(p: str, name: str, code: TypeIndex | ObjectIndex) -> list[str]:
    return [f"  %{name}{p} = icmp eq i32 %tag{p}, {int(code)}"]


def _call(signature: Signature) -> list[str]:
    given = ", ".join(f"{_passed(param)} %a{place}" for place, param in enumerate(signature.params))
    result = signature.result
    if result.kind == "void":
        return [f"  call void %function({given})", *_none()]
    kind = _type(result)
    lines = [f"  %value = call {_returned(result)} %function({given})"]
    match result.kind:
        case "status":
            return [
                *lines,
                "  %fine = icmp eq i32 %value, 0",
                "  br i1 %fine, label %done, label %failed",
                "failed:",
                "  %status = sext i32 %value to i64",
                f"  store i64 {int(TypeIndex.INT)}, ptr %status.any, align 8",
                "  %status.at = getelementptr i8, ptr %status.any, i64 8",
                "  store i64 %status, ptr %status.at, align 8",
                "  %failed.at = getelementptr i8, ptr %handle, i64 16",
                "  %failed.handle = load ptr, ptr %failed.at, align 8",
                f"  %failed.rc = call i32 {_TRAMPOLINE}(ptr %failed.handle, ptr %status.any, i32 1, ptr %result)",
                "  ret i32 -1",
                "done:",
                *_none(),
            ]
        case "float":
            wide = "%value"
            if kind == "float":
                lines.append("  %wide = fpext float %value to double")
                wide = "%wide"
            return [*lines, *_stored(TypeIndex.FLOAT, "double", wide)]
        case "bool":
            lines += ["  %set = icmp ne i8 %value, 0", "  %wide = zext i1 %set to i64"]
            return [*lines, *_stored(TypeIndex.BOOL, "i64", "%wide")]
        case _:
            wide = "%value"
            if kind != "i64":
                lines.append(f"  %wide = {'sext' if result.kind == 'int' else 'zext'} {kind} %value to i64")
                wide = "%wide"
            return [*lines, *_stored(TypeIndex.INT, "i64", wide)]


def _none() -> list[str]:
    return _stored(TypeIndex.NONE, "i64", "0")


def _stored(code: TypeIndex, kind: str, value: str) -> list[str]:
    return [
        f"  store i64 {int(code)}, ptr %result, align 8",
        "  %result.at = getelementptr i8, ptr %result, i64 8",
        f"  store {kind} {value}, ptr %result.at, align 8",
        "  ret i32 0",
    ]


def _type(item: CType) -> str:
    match item.kind:
        case "float":
            return "float" if item.bits == 32 else "double"
        case "bool":
            return "i8"
        case "status":
            return "i32"
        case "int" | "uint":
            return f"i{item.bits}"
        case _:
            return "ptr"


def _extension(item: CType) -> str:
    """C callers and callees agree that numbers of less than 32 bits fill 32."""
    if item.kind == "bool" or (item.kind == "uint" and item.bits < 32):
        return "zeroext"
    return "signext" if item.kind == "int" and item.bits < 32 else ""


def _passed(item: CType) -> str:
    return f"{_type(item)} {_extension(item)}".strip()


def _returned(item: CType) -> str:
    return f"{_extension(item)} {_type(item)}".strip()
