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
    from tondo_npu_runtime.isa import Kernel


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
        from tondo_npu_runtime.encode import encode
        from tondo_npu_runtime.isa import Program

        symbols = {function.name: f"npu.{digest(function)[:16]}" for function in functions}
        kernels: dict[str, Kernel] = {}
        for function in functions:
            symbol = symbols[function.name]
            if symbol not in kernels:
                kernels[symbol] = _kernel(function, symbol, context)
        data = encode(Program(tuple(kernels.values())))
        return [LibraryCode(f"kernels_{hashlib.sha256(data).hexdigest()[:16]}", KIND, data, symbols)]


def _kernel(function: TensorFunction, symbol: str, context: PassContext) -> Kernel:
    """Return the kernel of ``function``, scheduled by the rule of this package."""
    from tondo_npu.generate import generate
    from tondo_npu.rule import NAME

    choices = RecordedChoices(context.target, context.intrinsics, families=context.families)
    scheduled = context.rules[NAME].apply(function, choices)
    if isinstance(scheduled, Miss):
        fail("TND-B004", f"'{function.name}' cannot be compiled for the accelerator: {scheduled.reason}")
    return generate(scheduled, symbol)
