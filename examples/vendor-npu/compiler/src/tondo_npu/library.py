"""The accelerator as a library: it offers to run products, and compiles the functions that it was given."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tondo.diagnostics import fail
from tondo.ir import TensorFunction, digest
from tondo.passes import LibraryCode, Miss, Offer, RecordedChoices
from tondo_npu.cost import seconds
from tondo_npu.machine import KIND, Chip
from tondo_npu.structure import product_of

if TYPE_CHECKING:
    from tondo.passes import PassContext
    from tondo.target import Target


@dataclass(frozen=True, slots=True)
class NpuLibrary:
    """Offers every function that is one product of float32 numbers, with what follows element by element."""

    name: str = KIND

    def supports(self, target: Target) -> bool:
        """Return whether the machine has the accelerator."""
        return target.kind == KIND

    def match(self, function: TensorFunction, target: Target) -> Offer | Miss:
        """Return how long the accelerator takes for ``function``, or why it cannot compute it."""
        product = product_of(function)
        if isinstance(product, Miss):
            return product
        return Offer(seconds=seconds(product, Chip.of(target)))

    def compile(self, functions: Sequence[TensorFunction], context: PassContext) -> Sequence[LibraryCode]:
        """Return one stream with a kernel for each of ``functions``.

        Raises:
            TondoError: TND-B004 for a function that cannot be compiled after all.
        """
        from tondo_npu.generate import generate
        from tondo_npu.rule import NAME
        from tondo_npu_runtime.encode import encode
        from tondo_npu_runtime.isa import Program

        rule = context.rules[NAME]
        symbols: dict[str, str] = {}
        kernels = {}
        for function in functions:
            symbol = f"npu.{digest(function)[:16]}"
            symbols[function.name] = symbol
            if symbol in kernels:
                continue
            choices = RecordedChoices(context.target, context.intrinsics, families=context.families)
            scheduled = rule.apply(function, choices)
            if isinstance(scheduled, Miss):
                fail("TND-B004", f"'{function.name}' cannot be compiled for the accelerator: {scheduled.reason}")
            kernels[symbol] = generate(scheduled, symbol)
        data = encode(Program(tuple(kernels.values())))
        name = f"npu_{hashlib.sha256(data).hexdigest()[:16]}"
        return [LibraryCode(name, KIND, data, symbols)]
