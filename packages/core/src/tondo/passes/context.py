"""What a pass may use besides the module: plain data, no plugin manager."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from tondo.diagnostics import fail
from tondo.ir import Operator, TensorFunction
from tondo.passes.library import Library
from tondo.passes.reporter import Reporter, SilentReporter
from tondo.passes.rule import ScheduleRule
from tondo.passes.trial import Trials
from tondo.target.intrinsic import Intrinsic, IntrinsicFamily
from tondo.target.target import Target

Precision = Literal["highest", "high", "medium"]
PRECISIONS: Final[tuple[Precision, ...]] = ("highest", "high", "medium")

Array = npt.NDArray[np.generic]
Evaluate = Callable[[TensorFunction, Sequence[Array]], Sequence[Array]]
"""Runs a tensor function without scalar parameters on its inputs and returns its outputs; folds constants."""


def no_evaluation(function: TensorFunction, inputs: Sequence[Array]) -> Sequence[Array]:
    """Refuse: the context was made without an evaluator.

    Raises:
        TondoError: TND-B002, always.
    """
    del inputs
    return fail("TND-B002", f"no evaluator is at hand for '{function.name}'", help="give the context one")


@dataclass(frozen=True, slots=True)
class Numerics:
    """How exact results must be.

    Attributes:
        float32_matmul: ``highest``: IEEE float32; ``high``: float32 as sums of bfloat16 products; ``medium``: bfloat16
            products with float32 accumulation.
    """

    float32_matmul: Precision = "highest"


@dataclass(frozen=True, slots=True)
class PassContext:
    """Everything a pass may ask.

    Attributes:
        target: the machine to compile for.
        operators: operator definitions by name.
        rules: schedule rules by name.
        intrinsics: declared instructions that the target has, cheapest first.
        families: declared families of instructions that the target has, cheapest first.
        libraries: external kernels for the target, by name of the library.
        evaluate: runs a tensor function on constants.
        trials: measures pieces of the model on this machine; None where nothing can be measured.
        numerics: how exact results must be.
        dimensions: bounds ``(low, high)`` of symbolic dimensions by name; ``high`` None means unbounded.
        reporter: receives progress and warnings.
    """

    target: Target
    operators: Mapping[str, Operator] = field(default_factory=dict[str, Operator])
    rules: Mapping[str, ScheduleRule] = field(default_factory=dict[str, ScheduleRule])
    intrinsics: tuple[Intrinsic, ...] = ()
    families: tuple[IntrinsicFamily, ...] = ()
    libraries: Mapping[str, Library] = field(default_factory=dict[str, Library])
    evaluate: Evaluate = no_evaluation
    trials: Trials | None = None
    numerics: Numerics = field(default_factory=Numerics)
    dimensions: Mapping[str, tuple[int, int | None]] = field(default_factory=dict[str, tuple[int, int | None]])
    reporter: Reporter = field(default_factory=SilentReporter)
