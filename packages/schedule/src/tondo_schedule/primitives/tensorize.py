"""``tensorize``: a nest that computes what a declared instruction computes becomes that instruction.

Before (an instruction ``double4``: ``b[i] = a[i] * 2`` for four elements, emitted as one vector store)::

    for i_0 in range(4):
        for i_1 in range(4):
            B[i_0 * 4 + i_1] = A[i_0 * 4 + i_1] * 2

After ``tensorize(i_1, double4)``::

    for i_0 in range(4):
        with block("B_o", vB0_o=i_0, intrinsic="double4"):
            B[ramp(vB0_o * 4, 1, 4)] = A[ramp(vB0_o * 4, 1, 4)] * broadcast(2, 4)

The nest is made a block first, see :mod:`tondo_schedule.primitives.blockize`; a block that was made before can be named
instead. Equal is meant up to the names and the order of loops, the order of sums and products, and up to where operands
begin and how far their elements lie apart, see :mod:`tondo_schedule.instructions.match`. The block keeps its regions
and says in the attribute ``intrinsic`` which instruction it is. Refused if the nest computes something else, with the
first access, extent or scope that differs; the start of a reduction has to be taken apart before.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import Const, TensorFunction, Var
from tondo.target import Intrinsic
from tondo_schedule.instructions import computation_of, inlined, match
from tondo_schedule.primitives.blockize import apply as blockize
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import INTRINSIC, Names, analyzer_for, block_at, block_place, put, with_body


def apply(function: TensorFunction, place: Var | str, intrinsic: Intrinsic) -> tuple[TensorFunction, str]:
    """Return the function and the name of the block that is the instruction now.

    Args:
        function: the scheduled function.
        place: the outermost loop of the nest, or a block that ``blockize`` made.
        intrinsic: the instruction.

    Raises:
        TondoError: TND-B003 if the nest computes something else.
    """
    kind = "loop" if isinstance(place, Var) else "block"
    subject = f"{kind} '{place.name if isinstance(place, Var) else place}'"
    if isinstance(place, Var):
        function, place = blockize(function, place)
    found = block_place(function, place, "tensorize")
    block = block_at(found)
    if block.init is not None:
        refuse("tensorize", subject, "it starts its reduction itself", help="decompose_reduction takes the start apart")
    known = analyzer_for(function)
    for it in block.iters:
        known = known.with_range(it.var, Const(0), it.extent)
    given = computation_of(block.body, known)
    if isinstance(given, str):
        refuse("tensorize", subject, given)
    result = match(intrinsic, given)
    if isinstance(result, str):
        refuse("tensorize", subject, f"it is not '{intrinsic.name}': {result}")
    body = inlined(intrinsic, result.windows, Names(function))
    made = replace(block, body=body, attrs=block.attrs.with_(**{INTRINSIC: intrinsic.name}))
    return with_body(function, put(found, made)), place
