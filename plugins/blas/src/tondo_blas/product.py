"""What a tensor function multiplies: one sum of products, of values that may be padded, plus a bias.

Recognised by facts, never by names: an optional stage that pads the left operand with zeros, a contraction of two
operands and a result of one element type, float32 or float64, that starts from zero, and an optional stage that adds a
bias along some of its axes. Anything else is a :class:`Miss` with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tondo.arith import Analyzer
from tondo.ir import FLOAT32, FLOAT64, Binary, Buffer, Const, Expr, Load, Select, Store, TensorFunction, Var, walk
from tondo.passes import Miss
from tondo_schedule.facts import Contraction, Stage, padding_of, stages_of


@dataclass(frozen=True, slots=True)
class Product:
    """``output = left * right + bias``.

    Attributes:
        stage: the contraction.
        source: what the left operand is read from: its buffer, or the one that its padding reads.
        offsets: by dimension of ``source``, what to add to an index of the left operand for the same element.
        padded: whether the left operand lies beyond ``source`` somewhere, where it is zero.
        bias: what is added, indexed by the axes of the result, or None.
        output: the result, written at ``indices`` over the variables of ``stage``.
    """

    stage: Stage
    source: Buffer
    offsets: tuple[Expr, ...]
    padded: bool
    bias: Load | None
    output: Buffer

    @property
    def contraction(self) -> Contraction:
        """The operands and the roles of the axes."""
        assert self.stage.contraction is not None
        return self.stage.contraction

    @property
    def indices(self) -> tuple[Expr, ...]:
        """Where the result is written."""
        return self.stage.store.indices


def product_of(function: TensorFunction) -> Product | Miss:
    """Return the product that ``function`` computes, or why it is none."""
    stages = list(stages_of(function) or ())
    anchors = [i for i, stage in enumerate(stages) if stage.kind == "contraction"]
    if len(anchors) != 1 or function.outputs != 1:
        return Miss("it is no single product")
    anchor = anchors[0]
    stage, output = stages[anchor], function.output_buffers[0]
    assert stage.contraction is not None
    reason = _kind(stage, stage.contraction)
    if reason:
        return Miss(reason)
    bias = _bias(stages[anchor + 1 :], stage, output)
    if isinstance(bias, Miss):
        return bias
    left = stage.contraction.left.buffer
    if anchor == 0:
        return Product(stage, left, tuple(Const(0) for _ in left.shape), False, bias, output)
    copy = stages[0]
    padding = padding_of(copy) if anchor == 1 and copy.output == left else None
    if padding is None:
        return Miss("its left operand is computed first")
    return Product(stage, *padding, isinstance(copy.store.value, Select), bias, output)


def _kind(stage: Stage, contraction: Contraction) -> str | None:
    """Return what is wrong with the elements of a contraction, or with where its sum starts."""
    dtype = stage.output.dtype
    if dtype not in {FLOAT32, FLOAT64}:
        return f"its elements are {dtype}, neither float32 nor float64"
    if {contraction.left.dtype, contraction.right.dtype} != {dtype}:
        return "its operands have other elements than its result"
    if contraction.left.predicate is not None or contraction.right.predicate is not None:
        return "an operand is read in part"
    init = stage.block.init
    if not isinstance(init, Store) or init.value != Const(0, dtype):
        return "its sum does not start from zero"
    return None


def _bias(after: Sequence[Stage], stage: Stage, output: Buffer) -> Load | Miss | None:
    """Return the bias that is added to the product, over its variables; None if nothing follows it."""
    if not after:
        return None if stage.output == output else Miss("its result is not the product")
    last = after[0]
    value = last.store.value
    if len(after) > 1 or last.kind != "elementwise" or not isinstance(value, Binary) or value.op != "add":
        return Miss("more than a bias follows the product")
    product = Load(stage.output, last.store.indices)
    bias = value.b if value.a == product else value.a
    if product not in {value.a, value.b} or not isinstance(bias, Load) or bias.predicate is not None:
        return Miss("more than a bias follows the product")
    if bias.buffer == stage.output or last.output != output:
        return Miss("more than a bias follows the product")
    names = dict(zip(last.store.indices, stage.store.indices, strict=True))
    if not all(isinstance(index, Const) or index in names for index in bias.indices):
        return Miss("more than a bias follows the product")
    return Load(bias.buffer, tuple(names.get(index, index) for index in bias.indices))


def inside(product: Product) -> Analyzer:
    """Return an analyzer that knows the ranges of the variables of the product, and that dimensions are not empty."""
    known = Analyzer()
    symbols = {item for it in product.stage.block.iters for item in _symbols(it.extent)}
    for symbol in sorted(symbols, key=lambda var: var.name):
        known = known.assume(symbol >= 1)
    for it in product.stage.block.iters:
        known = known.with_range(it.var, 0, it.extent)
    return known


def _symbols(extent: Expr) -> set[Var]:
    return {item for item in walk(extent) if isinstance(item, Var)}
