"""The table of functions, and the text of any of them for a precision, a number of lanes and a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from tondo_llvm.math.direct import DIRECT, emit_rsqrt
from tondo_llvm.math.double import emit_sigmoid_double, library_call
from tondo_llvm.math.emitter import Emitter
from tondo_llvm.math.error_function import emit_erf
from tondo_llvm.math.exponential import (
    emit_cosh,
    emit_exp,
    emit_exp2,
    emit_expm1,
    emit_sigmoid,
    emit_sinh,
    emit_tanh,
)
from tondo_llvm.math.inverse_trigonometric import emit_acos, emit_asin, emit_atan
from tondo_llvm.math.logarithm import (
    emit_acosh,
    emit_asinh,
    emit_atanh,
    emit_log,
    emit_log1p,
    emit_log2,
    emit_log10,
)
from tondo_llvm.math.power import emit_pow
from tondo_llvm.math.remainder import emit_fmod
from tondo_llvm.math.trigonometric import emit_cos, emit_sin, emit_tan, payne_hanek

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FloatType = Literal["float32", "float64"]


@dataclass(frozen=True, slots=True)
class MathFunction:
    """One function in LLVM IR.

    Attributes:
        symbol: name of the function, ``tondo_exp_v8f32``; it takes and returns vectors of ``lanes``, or scalars.
        ir_text: definitions with internal linkage. The function is ``alwaysinline``. Intrinsics need no declaration.
        declarations: ``declare`` lines of C library functions, to be put into the module once each.
        ulp: bound of the error in units in the last place of the exact result (of the smallest subnormal below it).
    """

    symbol: str
    ir_text: str
    declarations: tuple[str, ...]
    ulp: float


@dataclass(frozen=True, slots=True)
class _Entry:
    arity: int
    ulp: float
    ulp_double: float
    emit: Callable[..., str] | None = None
    library: str | None = None
    helper: Callable[[str], str] | None = None


_TABLE: Final[dict[str, _Entry]] = {
    "exp": _Entry(1, 1.5, 1.0, emit_exp, "exp"),
    "exp2": _Entry(1, 1.5, 1.0, emit_exp2, "exp2"),
    "expm1": _Entry(1, 2.0, 1.0, emit_expm1, "expm1"),
    "log": _Entry(1, 1.5, 1.0, emit_log, "log"),
    "log2": _Entry(1, 1.5, 1.0, emit_log2, "log2"),
    "log10": _Entry(1, 2.5, 2.0, emit_log10, "log10"),
    "log1p": _Entry(1, 2.0, 1.0, emit_log1p, "log1p"),
    "tanh": _Entry(1, 3.0, 2.0, emit_tanh, "tanh"),
    "sigmoid": _Entry(1, 3.0, 3.0, emit_sigmoid),
    "erf": _Entry(1, 2.0, 1.0, emit_erf, "erf"),
    "sinh": _Entry(1, 2.0, 2.0, emit_sinh, "sinh"),
    "cosh": _Entry(1, 2.0, 2.0, emit_cosh, "cosh"),
    "asinh": _Entry(1, 2.5, 2.0, emit_asinh, "asinh"),
    "acosh": _Entry(1, 3.0, 2.0, emit_acosh, "acosh"),
    "atanh": _Entry(1, 2.5, 2.0, emit_atanh, "atanh"),
    "sin": _Entry(1, 2.0, 1.0, emit_sin, "sin", payne_hanek),
    "cos": _Entry(1, 2.0, 1.0, emit_cos, "cos", payne_hanek),
    "tan": _Entry(1, 4.0, 1.0, emit_tan, "tan", payne_hanek),
    "asin": _Entry(1, 3.0, 1.0, emit_asin, "asin"),
    "acos": _Entry(1, 2.0, 1.0, emit_acos, "acos"),
    "atan": _Entry(1, 2.0, 1.0, emit_atan, "atan"),
    "pow": _Entry(2, 1.0, 1.0, emit_pow, "pow"),
    "fmod": _Entry(2, 0.0, 0.0, emit_fmod, "fmod"),
    "sqrt": _Entry(1, 0.5, 0.5),
    "rsqrt": _Entry(1, 1.5, 1.5),
    "floor": _Entry(1, 0.0, 0.0),
    "ceil": _Entry(1, 0.0, 0.0),
    "trunc": _Entry(1, 0.0, 0.0),
    "round": _Entry(1, 0.0, 0.0),
}

MATH_FUNCTIONS: Final = tuple(_TABLE)


def arity(name: str) -> int:
    """Number of arguments of the function called ``name``."""
    return _entry(name).arity


def math_function(name: str, dtype: FloatType, lanes: int, features: Iterable[str]) -> MathFunction:
    """Return the function ``name`` for vectors of ``lanes``.

    Args:
        name: one of :data:`MATH_FUNCTIONS`.
        dtype: precision of arguments and result.
        lanes: vector length; 1 means scalars.
        features: what the machine can do, see :func:`tondo_llvm.math.machine_features`; only ``fma`` matters.

    Raises:
        KeyError: for an unknown name. ValueError: for lanes below one.
    """
    entry = _entry(name)
    if lanes < 1:
        msg = f"a vector needs at least one lane, not {lanes}"
        raise ValueError(msg)
    e = Emitter(lanes, fused="fma" in set(features))
    kind = "f32" if dtype == "float32" else "f64"
    symbol = f"tondo_{name}_{e.suffix(kind)}"
    arguments = ("%x", "%y")[: entry.arity]
    declarations: tuple[str, ...] = ()
    helper = ""
    if name in DIRECT:
        result = e.intrinsic(DIRECT[name], kind, *arguments)
    elif name == "rsqrt":
        result = emit_rsqrt(e, "%x", kind)
    elif kind == "f64":
        library = entry.library or "exp"
        result = library_call(e, library, *arguments) if entry.library else emit_sigmoid_double(e, "%x")
        declarations = (f"declare double @{library}({', '.join(['double'] * entry.arity)}) nounwind memory(none)",)
    elif entry.helper is not None and entry.emit is not None:
        helper = entry.helper(symbol)
        result = entry.emit(e, *arguments, symbol)
    else:
        result = _single(entry, e, arguments)
    vector = e.type(kind)
    head = f"define internal {vector} @{symbol}({', '.join(f'{vector} {argument}' for argument in arguments)})"
    body = "\n".join([*e.lines, f"  ret {vector} {result}"])
    return MathFunction(
        symbol,
        f"{helper}{head} alwaysinline nounwind memory(none) {{\n{body}\n}}\n",
        declarations,
        entry.ulp if kind == "f32" else entry.ulp_double,
    )


def _single(entry: _Entry, e: Emitter, arguments: tuple[str, ...]) -> str:
    if entry.emit is None:
        msg = "a function without an emitter must be a direct one"
        raise AssertionError(msg)
    return entry.emit(e, *arguments)


def _entry(name: str) -> _Entry:
    return _TABLE[name]
