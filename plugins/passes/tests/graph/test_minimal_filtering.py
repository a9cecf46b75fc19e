"""``graph.minimal_filtering``: exact transformations, the same sums of products, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.interp import run_graph, run_tensor_function
from tondo.interp.expressions import evaluate_expr
from tondo.ir import (
    FLOAT32,
    FLOAT64,
    INT32,
    Binding,
    Buffer,
    CallDps,
    Compute,
    ConstantData,
    ConstantRef,
    DType,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    TensorFunction,
    TensorType,
    Var,
    all_of,
    const,
    dims,
    select,
)
from tondo.passes import Miss, PassContext, RuleContext
from tondo.target import Caches, Target
from tondo_passes.graph.cook_toom import combine, cook_toom, has_points
from tondo_passes.graph.minimal_filtering import MinimalFiltering
from tondo_schedule.facts import SlidingProduct

FORMS = [(m, r) for m in range(2, 7) for r in range(2, 6) if has_points(m, r)]
CHANNELS, COLUMNS = 4, 6
CALM = settings(derandomize=True, deadline=None, max_examples=25)


@dataclass(frozen=True)
class Taker:
    """A rule that takes ``outputs`` at a time wherever that is offered."""

    outputs: int
    name: str = "test.taker"
    priority: int = 1

    def filtering(self, problem: SlidingProduct, choices: Sequence[tuple[int, ...]], target: Target) -> tuple[int, ...]:
        del problem, target
        return next((choice for choice in choices if max(choice) == self.outputs), choices[0])

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        del function, context
        return Miss("only a test")


@dataclass(frozen=True)
class Conv:
    """A convolution over ``[n, c, spatial..]`` with a bias."""

    n: int | Var
    size: tuple[int | Var, ...]
    taps: tuple[int, ...]
    before: tuple[int, ...] = (0, 0)
    after: tuple[int, ...] = (0, 0)
    step: int = 1
    spread: int = 1
    start: float = 0.0
    bias: bool = True
    dtype: DType = FLOAT32
    groups: int = 1

    @property
    def result(self) -> tuple[Expr | int, ...]:
        ends = zip(self.size, self.taps, self.before, self.after, strict=True)
        return tuple((s + b + a - (t - 1) * self.spread - 1) // self.step + 1 for s, t, b, a in ends)

    def function(self) -> TensorFunction:
        builder = Compute("conv")
        x = builder.input("x", TensorType(dims((self.n, CHANNELS, *self.size)), self.dtype))
        w = builder.input("w", TensorType(dims((COLUMNS, CHANNELS // self.groups, *self.taps)), self.dtype))
        bias = builder.input("bias", TensorType(dims((COLUMNS,)), self.dtype))
        ends = zip(self.size, self.before, self.after, strict=True)
        shape = (self.n, CHANNELS, *(s + b + a for s, b, a in ends))

        def padded(b: Expr, c: Expr, *at: Expr) -> Expr:
            own = [index - low for index, low in zip(at, self.before, strict=True)]
            inside = [part for index, size in zip(own, self.size, strict=True) for part in (index >= 0, index < size)]
            condition = all_of(inside)
            assert condition is not None
            return select(condition, x[(b, c, *own)], const(0, self.dtype))

        data = builder.compute("padded", shape, padded) if any((*self.before, *self.after)) else x
        rank = len(self.size)

        def term(b: Expr, o: Expr, *rest: Expr) -> Expr:
            at, c, taps = rest[:rank], rest[rank], rest[rank + 1 :]
            places = [i * self.step + t * self.spread for i, t in zip(at, taps, strict=True)]
            return data[(b, c, *places)] * w[(o, c, *taps)]

        if self.groups > 1:
            return builder.build(self.joined(builder, data, w, bias))
        outputs = (self.n, COLUMNS, *self.result)
        init = const(self.start, self.dtype) if self.start else None
        total = builder.reduce("total", outputs, (CHANNELS, *self.taps), term, init=init)
        if not self.bias:
            return builder.build(total)
        return builder.build(builder.compute("y", outputs, lambda *i: total[i] + bias[i[1]]))

    def joined(self, builder: Compute, data: Buffer, w: Buffer, bias: Buffer) -> Buffer:
        """Every group of channels has columns of its own; the last stage brings them together."""
        depth, own, rank = CHANNELS // self.groups, COLUMNS // self.groups, len(self.size)

        def term(b: Expr, g: Expr, o: Expr, *rest: Expr) -> Expr:
            at, c, taps = rest[:rank], rest[rank], rest[rank + 1 :]
            places = [i + t for i, t in zip(at, taps, strict=True)]
            return data[(b, g * depth + c, *places)] * w[(g * own + o, c, *taps)]

        total = builder.reduce("total", (self.n, self.groups, own, *self.result), (depth, *self.taps), term)

        def last(b: Expr, o: Expr, *at: Expr) -> Expr:
            return total[(b, o // own, o % own, *at)] + bias[o]

        return builder.compute("y", (self.n, COLUMNS, *self.result), last)

    def module(self, *, constant: bool = True) -> IRModule:
        function = self.function()
        x = GraphVar("x", TensorType(function.input_buffers[0].shape, self.dtype))
        generator = np.random.default_rng(3)
        weights = generator.standard_normal((COLUMNS, CHANNELS // self.groups, *self.taps)).astype(self.dtype.numpy)
        data = {"w": ConstantData(weights), "b": ConstantData(np.arange(COLUMNS, dtype=self.dtype.numpy))}
        w = GraphVar("w", data["w"].type)
        refs = [x, ConstantRef("w", data["w"].type) if constant else w, ConstantRef("b", data["b"].type)]
        y = GraphVar("y", TensorType(function.output_buffers[0].shape, self.dtype))
        args = tuple(refs[: len(function.input_buffers)])
        main = GraphFunction(
            "main",
            (x,) if constant else (x, w),
            (Binding((y,), CallDps("conv", args, function.scalars)),),
            (y,),
        )
        return IRModule().with_functions([main, function]).with_constants(data)


def transformed(conv: Conv, outputs: int, *, most: int = 6, constant: bool = True) -> tuple[IRModule, IRModule]:
    before = conv.module(constant=constant)
    target = Target("cpu", "any", "any", frozenset(), 256, 16, Caches(32 << 10, 1 << 20, 0), 1)
    rules = {"test.taker": Taker(outputs)}
    return before, MinimalFiltering(most).run(before, PassContext(target, rules=rules))


def is_left_alone(conv: Conv, outputs: int = 2, *, most: int = 6, constant: bool = True) -> bool:
    before, after = transformed(conv, outputs, most=most, constant=constant)
    return before.graph() == after.graph()


@pytest.mark.parametrize(("outputs", "taps"), FORMS)
def test_transformations_are_exact(outputs: int, taps: int) -> None:
    form = cook_toom(outputs, taps)
    inputs = [Fraction(7 * i * i - 3, i + 2) for i in range(outputs + taps - 1)]
    window = [Fraction(5 - i, i + 1) for i in range(taps)]

    def times(matrix: Sequence[Sequence[Fraction]], values: Sequence[Fraction]) -> list[Fraction]:
        return [sum((a * b for a, b in zip(row, values, strict=True)), Fraction(0)) for row in matrix]

    points = [a * b for a, b in zip(times(form.taps, window), times(form.inputs, inputs), strict=True)]
    expected = [sum(inputs[i + t] * window[t] for t in range(taps)) for i in range(outputs)]
    assert times(form.inverse, points) == expected


@pytest.mark.parametrize(("outputs", "taps"), FORMS)
def test_formulas_with_common_sums_are_rows_of_the_matrix(outputs: int, taps: int) -> None:
    form = cook_toom(outputs, taps)
    for matrix in (form.inputs, form.inverse):
        names = [Var(f"v{i}", FLOAT64) for i in range(len(matrix[0]))]
        values = {name: float(3 * i + 1) for i, name in enumerate(names)}
        for place, row in enumerate(matrix):
            found = evaluate_expr(combine(place, matrix, names), values)
            expected = sum(float(factor) * value for factor, value in zip(row, values.values(), strict=True))
            assert found == pytest.approx(expected, rel=1e-12)


def test_coefficients_of_inputs_and_results_are_exact_in_binary() -> None:
    for outputs, taps in FORMS:
        form = cook_toom(outputs, taps)
        for row in (*form.inputs, *form.inverse):
            assert all(np.float32(float(value)) == value for value in row)


@CALM
@given(
    n=st.integers(1, 2),
    size=st.tuples(st.integers(5, 11), st.integers(5, 11)),
    taps=st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([3, 5])),
    before=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    after=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    outputs=st.sampled_from([2, 4]),
    bias=st.booleans(),
)
def test_keeps_the_meaning(
    same_meaning: Callable[..., None],
    n: int,
    size: tuple[int, int],
    taps: tuple[int, int],
    before: tuple[int, int],
    after: tuple[int, int],
    outputs: int,
    *,
    bias: bool,
) -> None:
    conv = Conv(n, size, taps, before, after, bias=bias, dtype=FLOAT64)
    plain, filtered = transformed(conv, outputs)
    assert plain.graph() != filtered.graph()
    same_meaning(plain, filtered, tolerance=1e-9)


@pytest.mark.parametrize("outputs", [2, 3, 4, 6])
@pytest.mark.parametrize("pad", [0, 1])
def test_one_axis(same_meaning: Callable[..., None], outputs: int, pad: int) -> None:
    plain, filtered = transformed(Conv(2, (13,), (3,), (pad,), (pad,), dtype=FLOAT64), outputs)
    assert plain.graph() != filtered.graph()
    same_meaning(plain, filtered, tolerance=1e-9)


@pytest.mark.parametrize("outputs", [2, 4])
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_groups(same_meaning: Callable[..., None], size: tuple[int, int], outputs: int) -> None:
    plain, filtered = transformed(Conv(2, size, (3, 3), (1, 1), (1, 1), dtype=FLOAT64, groups=2), outputs)
    assert plain.graph() != filtered.graph()
    same_meaning(plain, filtered, tolerance=1e-9)


@pytest.mark.parametrize(("n", "h", "w"), [(1, 5, 6), (2, 8, 9), (3, 3, 12)])
def test_symbolic_sizes(same_meaning: Callable[..., None], n: int, h: int, w: int) -> None:
    conv = Conv(Var("n"), (Var("h"), Var("w")), (3, 3), (1, 1), (1, 1), dtype=FLOAT64)
    plain, filtered = transformed(conv, 4)
    assert plain.graph() != filtered.graph()
    same_meaning(plain, filtered, tolerance=1e-9, n=n, h=h, w=w)


def test_equal_weights_are_transformed_once() -> None:
    conv = Conv(1, (8, 8), (3, 3), bias=False)
    module = conv.module()
    (binding,) = module.graph().bindings
    again = replace(binding, vars=(GraphVar("z", binding.var.tensor),))
    main = replace(module.graph(), bindings=(binding, again), results=(binding.var, again.var))
    target = Target("cpu", "any", "any", frozenset(), 256, 16, Caches(32 << 10, 1 << 20, 0), 1)
    module = MinimalFiltering().run(module.with_functions([main]), PassContext(target, rules={"t": Taker(4)}))
    assert len(module.constants) == len(conv.module().constants) + 1
    calls = [item.operation for item in module.graph().bindings]
    assert calls[0] == calls[1]


@pytest.mark.parametrize(
    "conv",
    [
        Conv(1, (9, 9), (3, 3), step=2),
        Conv(1, (9, 9), (3, 3), spread=2),
        Conv(1, (9, 9), (1, 1)),
        Conv(1, (9, 9), (3, 3), start=1.0),
        Conv(1, (9, 9), (3, 3), dtype=INT32),
        Conv(1, (5, 5, 5), (3, 3, 3), (0, 0, 0), (0, 0, 0)),
        Conv(1, (9, 9), (9, 9), (4, 4), (4, 4)),
    ],
    ids=["strides", "dilations", "single taps", "does not start at zero", "integers", "three axes", "no points"],
)
def test_leaves_alone(conv: Conv) -> None:
    assert is_left_alone(conv)


def test_needs_constant_weights() -> None:
    assert not is_left_alone(Conv(1, (9, 9), (3, 3)))
    assert is_left_alone(Conv(1, (9, 9), (3, 3)), constant=False)


def test_can_be_bounded_and_switched_off() -> None:
    conv = Conv(1, (9, 9), (3, 3))
    assert is_left_alone(conv, 4, most=1)
    assert is_left_alone(conv, 4, most=3)
    assert not is_left_alone(conv, 4, most=4)


def test_nothing_happens_without_a_rule_that_knows_the_cost(context: PassContext) -> None:
    module = Conv(1, (9, 9), (3, 3)).module()
    assert MinimalFiltering().run(module, context) is module


@pytest.mark.parametrize(("outputs", "taps", "bound"), [(2, 3, 3e-7), (3, 3, 1e-6), (4, 3, 1e-6), (2, 5, 1e-6)])
def test_rounding_error(outputs: int, taps: int, bound: float) -> None:
    _, filtered = transformed(Conv(1, (24, 24), (taps, taps)), outputs)
    exact = Conv(1, (24, 24), (taps, taps), dtype=FLOAT64)
    x = np.random.default_rng(0).standard_normal((1, CHANNELS, 24, 24)).astype(np.float32)
    module = Conv(1, (24, 24), (taps, taps)).module()
    constants = [data.array.astype(np.float64) for data in (module.constants["w"], module.constants["b"])]
    (expected,) = run_tensor_function(exact.function(), [x.astype(np.float64), *constants])
    (found,) = run_graph(filtered, [x], {})
    error = np.sqrt(np.mean((found - expected) ** 2)) / np.std(expected)
    assert error < bound
