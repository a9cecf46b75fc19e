"""Control flow: If, Loop, Scan.

A condition that is known at import decides at import. Otherwise the graphs of a node become regions. Where the results
of two branches differ in a size, or a value changes its shape from trip to trip of a loop, that size becomes a
dimension that the call finds out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from onnx import ValueInfoProto

from tondo.ir import BOOL, INT64, DType, Expr, GraphRegion, IfRegion, TensorType
from tondo_onnx.build.dims import plain
from tondo_onnx.build.kinds import Tensors, joined
from tondo_onnx.build.values import Value
from tondo_onnx.nodes.loop import Trip, loop, names_in, new_size
from tondo_onnx.nodes.site import Site, Versions, since


def _if(site: Site) -> tuple[Value, ...]:
    condition = site.arg(0)
    _check_kind(site, condition, BOOL, "condition")
    known = condition.numbers
    if known is not None and known.size == 1:
        return site.inline(site.attributes.graph("then_branch" if known.reshape(-1)[0] else "else_branch"), ())
    before = len(site.dims.unknowns)
    (then, first), (orelse, second) = _side(site, "then_branch"), _side(site, "else_branch")
    if len(first) != len(second):
        site.invalid("the branches have different numbers of results")
    inner = set(site.dims.unknowns[before:])
    types = [_merged(site, a.type, b.type, inner) for a, b in zip(first, second, strict=True)]
    results = site.builder.control(IfRegion(site.builder.atom(condition), then, orelse), types, "branch")
    for result, a, b in zip(results, first, second, strict=True):
        kind = joined(a.object, b.object)
        if isinstance(kind, Tensors) or (a.object is None) != (b.object is None) or (kind is None and a.object):
            site.invalid("a result is of one kind in one branch and of another in the other")
        result.object = kind
    return results


def _side(site: Site, name: str) -> tuple[GraphRegion, tuple[Value, ...]]:
    with site.builder.region() as bindings:
        results = site.inline(site.attributes.graph(name), ())
        atoms = tuple(site.builder.atom(result) for result in results)
        return GraphRegion((), tuple(bindings), atoms), results


def _merged(site: Site, a: TensorType, b: TensorType, inner: set[str]) -> TensorType:
    if a.dtype != b.dtype:
        site.invalid(f"a result is {a.dtype} in one branch and {b.dtype} in the other")
    if a.rank != b.rank:
        site.refuse(f"a result has rank {a.rank} in one branch and {b.rank} in the other")

    def size(x: Expr, y: Expr) -> Expr:
        return x if site.dims.same(x, y) and not names_in(x) & inner else new_size(site, "branch")

    return TensorType(tuple(size(x, y) for x, y in zip(a.dims, b.dims, strict=True)), a.dtype)


def _loop(site: Site) -> tuple[Value, ...]:
    graph, first = site.attributes.graph("body"), [site.arg(i) for i in range(2, len(site.inputs))]
    _check_kind(site, site.optional(0), INT64, "number of trips")
    _check_kind(site, site.optional(1), BOOL, "condition")

    def body(turn: Value, alive: Value, state: Sequence[Value]) -> Trip:
        goes_on, *results = site.inline(graph, (turn, alive, *state))
        declared = [_declared(value) for value in graph.output[1 + len(first) :]]
        return Trip(site.cast(goes_on, BOOL), results[: len(first)], results[len(first) :], declared)

    finals, stacks = loop(site, site.optional(0), site.optional(1), first, body)
    return (*finals, *stacks)


def _check_kind(site: Site, value: Value | None, kind: DType, what: str) -> None:
    if value is not None and (value.dtype != kind or value.object is not None):
        site.invalid(f"the {what} is {value.object or value.dtype}, not {kind}")


def _declared(value: ValueInfoProto) -> list[int | None]:
    """Return the sizes that a graph declares for a result."""
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim]


def _scan(site: Site) -> tuple[Value, ...]:
    graph, count = site.attributes.graph("body"), site.attributes.integer("num_scan_inputs")
    args = list(site.args)
    _check_count(site, count, len(args))
    first, scanned = args[: len(args) - count], args[len(args) - count :]
    axes = site.attributes.ints_or("scan_input_axes", (0,) * count)
    backward = site.attributes.ints_or("scan_input_directions", (0,) * count)
    axes = tuple(site.axis(axis, value.rank) for axis, value in zip(axes, scanned, strict=True))
    length = scanned[0].dims[axes[0]]

    def body(turn: Value, alive: Value, state: Sequence[Value]) -> Trip:
        del alive
        items = zip(scanned, axes, backward, strict=True)
        elements = [row(site, value, axis, turn, length if back else None) for value, axis, back in items]
        results = site.inline(graph, (*state, *elements))
        return Trip(None, results[: len(first)], results[len(first) :])

    finals, stacks = loop(site, site.builder.sizes([length], "trips"), None, first, body)
    return (*finals, *_arranged(site, stacks))


def _check_count(site: Site, count: int, given: int) -> None:
    if not 0 < count <= given:
        site.invalid(f"{count} of {given} inputs are scanned")


def row(site: Site, value: Value, axis: int, turn: Value, length: Expr | None) -> Value:
    """Return the slice ``turn`` of ``value`` along ``axis`` without that axis; counted from the end of ``length``."""
    assert turn.elements is not None
    (index,) = turn.elements.reshape(-1)
    begin = index if length is None else site.dims.simplify(length - 1 - index)
    cut = site.call("slice", value, axes=(axis,), starts=(plain(begin),), sizes=(1,), steps=(1,))
    return site.call("squeeze", cut, axes=(axis,))


def _arranged(site: Site, stacks: Sequence[Value]) -> list[Value]:
    """Return stacked values with their first axis where the node wants it, in the order that it wants."""
    axes = site.attributes.ints_or("scan_output_axes", (0,) * len(stacks))
    backward = site.attributes.ints_or("scan_output_directions", (0,) * len(stacks))
    results: list[Value] = []
    for stack, wanted, back in zip(stacks, axes, backward, strict=True):
        value, axis = stack, site.axis(wanted, stack.rank)
        if back:
            value = site.call("slice", value, axes=(0,), starts=(None,), ends=(None,), steps=(-1,))
        if axis:
            order = list(range(1, value.rank))
            order.insert(axis, 0)
            value = site.call("transpose", value, perm=tuple(order))
        results.append(value)
    return results


def _scan_batches(site: Site) -> tuple[Value, ...]:
    """The first version scans each entry of a batch by itself."""
    if site.optional(0) is not None:
        site.refuse("lengths of sequences")
    graph, count = site.attributes.graph("body"), site.attributes.integer("num_scan_inputs")
    args = [site.arg(i) for i in range(1, len(site.inputs))]
    _check_count(site, count, len(args))
    first, scanned = args[: len(args) - count], args[len(args) - count :]
    backward = site.attributes.ints_or("directions", (0,) * count)
    if any(value.rank < 2 for value in scanned):
        site.invalid("a scanned input has no axes for batch and sequence")
    entries, length = scanned[0].dims[0], scanned[0].dims[1]

    def entry(number: Value, alive: Value, state: Sequence[Value]) -> Trip:
        del alive, state
        start = [row(site, value, 0, number, None) for value in first]
        inputs = [row(site, value, 0, number, None) for value in scanned]

        def body(turn: Value, alive: Value, state: Sequence[Value]) -> Trip:
            del alive
            items = zip(inputs, backward, strict=True)
            elements = [row(site, value, 0, turn, length if back else None) for value, back in items]
            results = site.inline(graph, (*state, *elements))
            return Trip(None, results[: len(first)], results[len(first) :])

        finals, stacks = loop(site, site.builder.sizes([length], "trips"), None, start, body)
        return Trip(None, (), (*finals, *stacks))

    return loop(site, site.builder.sizes([entries], "batch"), None, (), entry)[1]


CONVERTERS: Final[dict[str, Versions]] = {
    "If": since(_if),
    "Loop": since(_loop),
    "Scan": since(8, _scan_batches, 9, _scan),
}
