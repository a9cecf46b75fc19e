"""Order of nodes: every value defined before it is used, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush

from onnx import AttributeProto, GraphProto, NodeProto

from tondo.diagnostics import fail


def used_names(node: NodeProto) -> set[str]:
    """Return the names that ``node`` reads, those that its subgraphs take from outside included."""
    names = {name for name in node.input if name}
    pending = [attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH]
    for graph in pending:
        names |= _free_names(graph)
    return names


def _free_names(graph: GraphProto) -> set[str]:
    inside = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    free: set[str] = {value.name for value in graph.output}
    for node in graph.node:
        free |= used_names(node)
        inside.update(node.output)
    return free - inside - {""}


def ordered(nodes: Sequence[NodeProto], defined: Iterable[str], label: Callable[[NodeProto, int], str]) -> list[int]:
    """Return the positions of ``nodes`` in an order in which every value is defined before its use.

    Nodes keep their order wherever it is possible. ``defined`` are the names that exist before.

    Raises:
        TondoError: TND-M004 for a name that is defined twice, or nodes that depend on each other in a circle. Names
            that nobody defines are left to the caller, who knows the scopes around.
    """
    producers: dict[str, int] = {}
    taken = set(defined)
    for position, node in enumerate(nodes):
        for name in node.output:
            if not name:
                continue
            if name in producers or name in taken:
                fail(
                    "TND-M004",
                    f"{label(node, position)} defines '{name}', which is defined already",
                    help="every value of a graph has one definition; the exporter wrote an invalid model",
                )
            producers[name] = position
    needs = [{producers[name] for name in used_names(node) if name in producers} for node in nodes]
    if all(not sources or max(sources) < position for position, sources in enumerate(needs)):
        return list(range(len(nodes)))
    return _sorted(nodes, needs, label)


def _sorted(nodes: Sequence[NodeProto], needs: list[set[int]], label: Callable[[NodeProto, int], str]) -> list[int]:
    users: list[list[int]] = [[] for _ in nodes]
    for position, sources in enumerate(needs):
        for source in sources:
            users[source].append(position)
    missing = [len(sources) for sources in needs]
    ready = [position for position, count in enumerate(missing) if count == 0]
    heapify(ready)
    order: list[int] = []
    while ready:
        position = heappop(ready)
        order.append(position)
        for user in users[position]:
            missing[user] -= 1
            if missing[user] == 0:
                heappush(ready, user)
    if len(order) != len(nodes):
        stuck = next(position for position, count in enumerate(missing) if count)
        fail(
            "TND-M004",
            f"{label(nodes[stuck], stuck)} depends on its own result",
            help="a graph must not have cycles; loops are written with Loop or Scan",
        )
    return order
