"""Intrinsic functions of the scalar language: names, arity, meaning.

Elementwise intrinsics work on any number of lanes; all arguments and the result have one dtype unless the table
says otherwise. Code generators and the interpreter implement exactly this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class IntrinsicInfo:
    """``arity`` arguments; ``pure`` ones have no effect; ``meaning`` in numpy words."""

    name: str
    arity: int
    meaning: str
    pure: bool = True
    elementwise: bool = True


_TABLE = (
    *(
        IntrinsicInfo(name, 1, meaning)
        for name, meaning in (
            ("exp", "np.exp"),
            ("exp2", "np.exp2"),
            ("expm1", "np.expm1"),
            ("log", "np.log"),
            ("log2", "np.log2"),
            ("log10", "np.log10"),
            ("log1p", "np.log1p"),
            ("sqrt", "np.sqrt"),
            ("rsqrt", "1 / np.sqrt"),
            ("sin", "np.sin"),
            ("cos", "np.cos"),
            ("tan", "np.tan"),
            ("asin", "np.arcsin"),
            ("acos", "np.arccos"),
            ("atan", "np.arctan"),
            ("sinh", "np.sinh"),
            ("cosh", "np.cosh"),
            ("tanh", "np.tanh"),
            ("asinh", "np.arcsinh"),
            ("acosh", "np.arccosh"),
            ("atanh", "np.arctanh"),
            ("erf", "error function"),
            ("sigmoid", "1 / (1 + np.exp(-x))"),
            ("floor", "np.floor"),
            ("ceil", "np.ceil"),
            ("round", "np.rint: halves to even"),
            ("trunc", "np.trunc"),
            ("abs", "np.abs"),
        )
    ),
    IntrinsicInfo("isnan", 1, "np.isnan, result bool"),
    IntrinsicInfo("isinf", 1, "np.isinf, result bool"),
    IntrinsicInfo("pow", 2, "np.power"),
    IntrinsicInfo("atan2", 2, "np.arctan2"),
    IntrinsicInfo("fmod", 2, "np.fmod"),
    IntrinsicInfo("fma", 3, "a * b + c, rounded once where the target can, else twice"),
    IntrinsicInfo("popcount", 1, "number of set bits"),
    IntrinsicInfo("reinterpret", 1, "the same bits as another dtype of the same size"),
    IntrinsicInfo("reduce_add", 1, "sum of the lanes, a scalar", elementwise=False),
    IntrinsicInfo("reduce_mul", 1, "product of the lanes, a scalar", elementwise=False),
    IntrinsicInfo("reduce_max", 1, "maximum of the lanes, a scalar", elementwise=False),
    IntrinsicInfo("reduce_min", 1, "minimum of the lanes, a scalar", elementwise=False),
    IntrinsicInfo(
        "prefetch",
        1,
        "hint that the element (a Load, which may lie behind the buffer) will be read: it comes into the second cache",
        pure=False,
        elementwise=False,
    ),
)

INTRINSICS: Final[dict[str, IntrinsicInfo]] = {info.name: info for info in _TABLE}
