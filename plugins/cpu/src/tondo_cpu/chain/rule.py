"""``cpu.row_chain``: two contractions with functions of rows in between, without the matrix in between.

Chosen by the facts of the function (:mod:`tondo_schedule.facts.row_chain`), whatever operators it came from: attention
of any kind of mask, shared heads and layout of operands. Passes over chains whose values are not contiguous along the
result, or whose keys are contiguous neither along the sum nor along the columns.
"""

from __future__ import annotations

from dataclasses import dataclass

from tondo.arith import Analyzer
from tondo.ir import Expr, TensorFunction
from tondo.passes import Miss, RuleContext
from tondo.target import Target
from tondo_cpu.chain.kernel import kernel
from tondo_cpu.chain.plan import Plan, chunks_of, constant, keys_of, rows_of, tiles_of
from tondo_cpu.machine import Machine
from tondo_cpu.strides import is_unit, stride_of
from tondo_schedule import Schedule
from tondo_schedule.facts import COLUMN, RowChain, row_chain_of, stages_of
from tondo_schedule.primitives.combiner import update_of


@dataclass(frozen=True, slots=True)
class RowChainRule:
    """Schedule row chains."""

    name: str = "cpu.row_chain"
    priority: int = 400

    def fuses(self, function: TensorFunction, target: Target) -> bool:
        """Return whether one function for all of ``function``, several calls in turn, is faster than these."""
        del target
        return not isinstance(_chain(function), Miss)

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        """Return the scheduled function, or why the rule does not apply."""
        chain = _chain(function)
        if isinstance(chain, Miss):
            return chain
        known = Schedule(function).analyzer()
        machine = Machine.of(context.target, chain.first.output.dtype)
        tiles = tiles_of(chain, machine, known)
        prior = rows_of(chain, tiles, machine, known)
        rows = context.choose("rows", (8, 16, 24, 32, 48, 64, 96), prior=prior)
        chunks, keys = chunks_of(chain, rows, machine, known), keys_of(chain, machine, known)
        plan = Plan(rows, *tiles, chunks, keys, machine.lanes)
        return kernel(function, chain, plan, context, known, dots=_dots(chain, known))


def _chain(function: TensorFunction) -> RowChain | Miss:
    stages = stages_of(function)
    if stages is None or function.outputs != 1:
        return Miss("the function is not in compute form")
    known = Schedule(function).analyzer()
    chain = row_chain_of(stages, known)
    if chain is None:
        return Miss("the stages are not functions of rows between two contractions")
    if stages[-1].output != function.output_buffers[0]:
        return Miss("the last stage does not yield the result")
    if constant(known, chain.width.extent) is None:
        return Miss("the columns of the result are of unknown number")
    if any(constant(known, it.extent) is None for it in chain.first.reduction):
        return Miss("the first sum is of unknown length")
    if not is_unit(stride_of(chain.values.buffer, chain.values.indices, chain.width.var, known)):
        return Miss("the values are not contiguous along the result")
    if not (_dots(chain, known) or is_unit(_column_stride(chain, known))):
        return Miss("the keys are contiguous neither along the sum nor along the columns")
    reductions = [stage for stage in chain.middle if stage.kind == "reduction"]
    if any(update_of(stage.block) is None for stage in reductions):
        return Miss("a reduction is neither a sum, a product, a minimum nor a maximum")
    return chain


def _dots(chain: RowChain, known: Analyzer) -> bool:
    inner = chain.first.reduction[-1].var
    return is_unit(stride_of(chain.keys.buffer, chain.keys.indices, inner, known))


def _column_stride(chain: RowChain, known: Analyzer) -> Expr | None:
    column = next(var for var, place in chain.variables(chain.first).items() if place == COLUMN)
    return stride_of(chain.keys.buffer, chain.keys.indices, column, known)
