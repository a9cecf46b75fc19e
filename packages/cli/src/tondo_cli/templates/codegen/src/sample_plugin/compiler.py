"""Which tensor functions the stack machine takes, and their translation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sample_plugin.code import OPERANDS, Instruction, encode
from tondo.ir import FLOAT32, Binary, Const, Expr, Load, TensorFunction
from tondo.passes import LibraryCode, Miss, Offer, PassContext
from tondo.target import Target
from tondo_schedule.facts import stages_of

KIND = "sample_plugin"
"""The kind of code in artifacts; the loader is found by it."""


@dataclass(frozen=True, slots=True)
class StackCompiler:
    """Compiles element-wise arithmetic on float32 arrays of one shape."""

    name: str = "sample_plugin"

    def supports(self, target: Target) -> bool:
        """Return whether ``target`` is a CPU: the stack machine is a program for one."""
        return target.kind == "cpu"

    def match(self, function: TensorFunction, target: Target) -> Offer | Miss:
        """Return an offer for element-wise arithmetic, or why ``function`` is something else."""
        del target
        program = translated(function)
        return program if isinstance(program, Miss) else Offer()

    def compile(self, functions: Sequence[TensorFunction], context: PassContext) -> Sequence[LibraryCode]:
        """Return a piece of code for each of ``functions``."""
        del context
        pieces: list[LibraryCode] = []
        for function in functions:
            program = translated(function)
            assert not isinstance(program, Miss), program.reason
            names = {function.name: f"{KIND}.{function.name}"}
            pieces.append(LibraryCode(function.name, KIND, encode(program), names))
        return pieces


def translated(function: TensorFunction) -> list[Instruction] | Miss:
    """Return the program that computes one element of ``function``'s result, or why there is none."""
    stages = stages_of(function) or ()
    if len(stages) != 1 or function.outputs != 1:
        return Miss("it has more than one stage or result")
    (stage,) = stages
    if stage.block.init is not None:
        return Miss("it is a reduction")
    shapes = {buffer.shape for buffer in function.buffers}
    if len(shapes) != 1 or any(buffer.dtype != FLOAT32 for buffer in function.buffers):
        return Miss("its arrays are not all float32 and of one shape")
    positions = {buffer: place for place, buffer in enumerate(function.input_buffers)}
    program: list[Instruction] = []

    def push(value: Expr) -> str | None:
        match value:
            case Const():
                program.append(Instruction("const", float(value.value)))
            case Load() if value.indices == stage.store.indices and value.buffer in positions:
                program.append(Instruction("input", positions[value.buffer]))
            case Binary() if value.op in OPERANDS:
                reason = push(value.a) or push(value.b)
                if reason is not None:
                    return reason
                program.append(Instruction(value.op))
            case _:
                return f"the stack machine has no instruction for {type(value).__name__.lower()}"
        return None

    reason = push(stage.store.value)
    return program if reason is None else Miss(reason)
