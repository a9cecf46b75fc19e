"""Ensembles of decision trees: TreeEnsemble, TreeEnsembleRegressor, TreeEnsembleClassifier.

All nodes of all trees become arrays, leaves first. ``tree_leaf`` walks; the weights of the leaves that it reaches are
looked up in a matrix ``[leaf, target]`` and aggregated over the trees. Sets of values (BRANCH_MEMBER) become chains of
comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tondo.ir import FLOAT32, FLOAT64, DType, dtype
from tondo_onnx.build.values import Value
from tondo_onnx.converters.ml import scores
from tondo_onnx.nodes.site import Site, Versions, since

_MODES: Final = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
_NAMES: Final = ("le", "lt", "ge", "gt", "eq", "ne")
_EQUAL: Final = 4
_MEMBER: Final = 6
_AGGREGATES: Final = ("AVERAGE", "SUM", "MIN", "MAX")
_TRANSFORMS: Final = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


@dataclass(slots=True)
class _Forest:
    """Inner nodes by number; a successor is ``(is leaf, number)``."""

    feature: list[int] = field(default_factory=list[int])
    split: list[float] = field(default_factory=list[float])
    mode: list[int] = field(default_factory=list[int])
    missing: list[bool] = field(default_factory=list[bool])
    yes: list[tuple[bool, int]] = field(default_factory=list["tuple[bool, int]"])
    no: list[tuple[bool, int]] = field(default_factory=list["tuple[bool, int]"])
    roots: list[tuple[bool, int]] = field(default_factory=list["tuple[bool, int]"])

    def add(self, feature: int, split: float, mode: int, missing: bool) -> int:
        """Add a node whose successors come later."""
        self.feature.append(feature)
        self.split.append(split)
        self.mode.append(mode)
        self.missing.append(missing)
        self.yes.append((True, 0))
        self.no.append((True, 0))
        return len(self.feature) - 1

    def depth(self, site: Site) -> int:
        """Return how many comparisons the longest walk makes; refuses cycles and successors that are not there."""
        known: dict[int, int] = {}
        for is_leaf, root in self.roots:
            pending = [] if is_leaf else [root]
            while pending:
                node = pending[-1]
                below = [self._checked(site, item) for item in (self.yes[node], self.no[node])]
                inner = [number for leaf, number in below if not leaf]
                todo = [number for number in inner if number not in known]
                if not todo:
                    known[node] = 1 + max((known[number] for number in inner), default=0)
                    pending.pop()
                elif len(pending) > len(self.feature):
                    site.invalid("the nodes of a tree form a cycle")
                else:
                    pending.append(todo[0])
        return max((known[number] for leaf, number in self.roots if not leaf), default=0)

    def _checked(self, site: Site, item: tuple[bool, int]) -> tuple[bool, int]:
        leaf, number = item
        if not leaf and not 0 <= number < len(self.feature):
            site.invalid(f"a tree has no node {number}")
        return item


def _leaves(site: Site, x: Value, forest: _Forest, leaves: int) -> Value:
    """Return the leaf that each row of ``x`` reaches in each tree, int64 ``[rows, trees]``."""
    inner = len(forest.feature)
    depth = forest.depth(site)

    def place(item: tuple[bool, int]) -> int:
        leaf, number = item
        if leaf and not 0 <= number < leaves:
            site.invalid(f"a tree has no leaf {number}")
        return number if leaf else leaves + number

    def numbers(values: Sequence[int], fill: Sequence[int]) -> Value:
        return site.builder.constant(np.array([*fill, *values], np.int32), "nodes")

    zeros, own = [0] * leaves, range(leaves)
    split = np.array([*zeros, *forest.split], x.dtype.numpy)
    found = set(forest.mode)
    mode = _NAMES[forest.mode[0]] if len(found) == 1 else "mixed"
    roots = site.builder.constant(np.array([place(item) for item in forest.roots], np.int32), "roots")
    assert inner == len(forest.split)
    return site.call(
        "tree_leaf", x, site.builder.constant(split, "splits"), numbers(forest.feature, zeros),
        numbers(forest.mode, zeros), numbers([place(item) for item in forest.yes], own),
        numbers([place(item) for item in forest.no], own), numbers([int(item) for item in forest.missing], zeros),
        roots, depth=depth, mode=mode, missing=any(forest.missing),
    )  # fmt: skip


def _aggregated(site: Site, leaf: Value, weights: np.ndarray, there: np.ndarray, how: str) -> Value:
    """Return ``[rows, targets]`` of the ``weights [leaf, target]`` of the leaves that were reached."""
    if how not in _AGGREGATES:
        site.invalid(f"aggregate_function is '{how}'")
    limits = np.finfo(weights.dtype)
    filled = np.where(there, weights, {"MIN": limits.max, "MAX": limits.min}.get(how, 0)).astype(weights.dtype)
    parts = site.call("gather", site.builder.constant(filled, "weights"), leaf, axis=0)
    name = {"MIN": "reduce_min", "MAX": "reduce_max", "AVERAGE": "reduce_mean"}.get(how, "reduce_sum")
    return site.call(name, parts, axes=(1,), keepdims=False)


def _features(site: Site, kind: DType | None = None) -> Value:
    """Return the input as a matrix of floats."""
    x = site.arg(0)
    if x.rank == 1:
        x = site.reshape(x, (1, *x.dims))
    return site.cast(x, kind or (FLOAT64 if x.dtype == FLOAT64 else FLOAT32))


# -- TreeEnsemble


def _ensemble(site: Site) -> Value:
    attributes = site.attributes
    splits, weights = attributes.tensor("nodes_splits"), attributes.tensor("leaf_weights")
    modes = attributes.tensor("nodes_modes")
    if splits is None or weights is None or modes is None:
        site.invalid("nodes_splits, nodes_modes or leaf_weights is missing")
    lists = {
        name: attributes.ints(name) or ()
        for name in (
            "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids", "nodes_trueleafs", "nodes_falseleafs",
            "leaf_targetids", "tree_roots",
        )
    }  # fmt: skip
    missing = attributes.ints("nodes_missing_value_tracks_true") or (0,) * len(splits)
    features = lists["nodes_featureids"]
    forest, sets = _Forest(), _sets(attributes.tensor("membership_values"))
    members = _in_order(site, lists, modes)
    for node, split in enumerate(splits.tolist()):
        if int(modes[node]) == _MEMBER:
            forest.add(features[node], 0.0, _EQUAL, bool(missing[node]))
        else:
            forest.add(features[node], split, int(modes[node]), bool(missing[node]))
        forest.yes[node] = (bool(lists["nodes_trueleafs"][node]), lists["nodes_truenodeids"][node])
        forest.no[node] = (bool(lists["nodes_falseleafs"][node]), lists["nodes_falsenodeids"][node])
    if len(sets) < len(members):
        site.invalid("membership_values has fewer sets than there are nodes with one")
    for node, values in zip(members, sets, strict=False):
        _chain(forest, node, values)
    for root in lists["tree_roots"]:
        alone = forest.yes[root][0] and forest.yes[root] == forest.no[root]
        forest.roots.append(forest.yes[root] if alone else (False, root))
    targets = np.array(lists["leaf_targetids"], np.int64)
    count = attributes.integer("n_targets")
    x = _features(site)
    if len(targets) != len(weights) or any(not 0 <= target < count for target in targets.tolist()):
        site.invalid(f"leaf_targetids must name one of {count} targets for each of {len(weights)} leaves")
    table, there = _tables(site, (len(weights), count), x.dtype)
    table[np.arange(len(weights)), targets], there[np.arange(len(weights)), targets] = weights, True
    how = _AGGREGATES[attributes.integer("aggregate_function", 1)]
    result = _aggregated(site, _leaves(site, x, forest, len(weights)), table, there, how)
    return scores.transformed(site, result, _TRANSFORMS[attributes.integer("post_transform", 0)])


def _in_order(site: Site, lists: dict[str, tuple[int, ...]], modes: np.ndarray) -> list[int]:
    """Return the nodes with sets in the order in which the trees are walked, that of the sets."""
    found: list[int] = []
    seen: set[int] = set()
    for root in lists["tree_roots"]:
        pending = [root]
        while pending:
            node = pending.pop()
            if not 0 <= node < len(modes) or node in seen:
                continue
            seen.add(node)
            if int(modes[node]) == _MEMBER:
                found.append(node)
            for way in ("false", "true"):
                if not lists[f"nodes_{way}leafs"][node]:
                    pending.append(lists[f"nodes_{way}nodeids"][node])
    return found


def _sets(values: np.ndarray | None) -> list[list[float]]:
    """Return the sets, each of which ends with a NaN."""
    sets: list[list[float]] = []
    current: list[float] = []
    listed: list[float] = [] if values is None else values.tolist()
    for value in listed:
        if value != value:
            sets.append(current)
            current = []
        else:
            current.append(value)
    return sets


def _chain(forest: _Forest, node: int, values: Sequence[float]) -> None:
    """Make a chain of comparisons with ``values`` of a node; a set without values never holds."""
    end, target = forest.no[node], forest.yes[node]
    forest.split[node] = values[0] if values else np.inf
    if not values:
        forest.mode[node], forest.yes[node] = 3, end
    last = node
    for value in values[1:]:
        further = forest.add(forest.feature[node], value, _EQUAL, forest.missing[node])
        forest.no[last] = (False, further)
        forest.yes[further], forest.no[further] = target, end
        last = further


# -- the operators before it


def _numbers(site: Site, name: str) -> np.ndarray | None:
    """Return an attribute that is a list of floats or, of a double model, a tensor."""
    as_tensor = site.attributes.tensor(f"{name}_as_tensor")
    if as_tensor is not None:
        return as_tensor
    found = site.attributes.numbers(name)
    return None if found is None else np.array(found, np.float32)


@dataclass(frozen=True, slots=True)
class _Old:
    """The trees of the older operators: the forest, and the number of the leaf by tree and node."""

    forest: _Forest
    leaves: dict[tuple[int, int], int]


def _old_forest(site: Site) -> _Old:
    attributes = site.attributes
    trees, nodes = attributes.ints("nodes_treeids") or (), attributes.ints("nodes_nodeids") or ()
    modes, features = attributes.texts("nodes_modes") or (), attributes.ints("nodes_featureids") or ()
    yes, no = attributes.ints("nodes_truenodeids") or (), attributes.ints("nodes_falsenodeids") or ()
    missing = attributes.ints("nodes_missing_value_tracks_true") or (0,) * len(trees)
    splits = _numbers(site, "nodes_values")
    if splits is None or len({len(trees), len(nodes), len(modes), len(features), len(yes), len(no), len(splits)}) > 1:
        site.invalid("the attributes of its nodes have different lengths")
    forest = _Forest()
    leaves: dict[tuple[int, int], int] = {}
    inner: dict[tuple[int, int], int] = {}
    for i, key in enumerate(zip(trees, nodes, strict=True)):
        if modes[i] == "LEAF":
            leaves[key] = len(leaves)
        elif modes[i] in _MODES:
            inner[key] = forest.add(features[i], float(splits[i]), _MODES.index(modes[i]), bool(missing[i]))
        else:
            site.invalid(f"a node has the mode '{modes[i]}'")

    def place(key: tuple[int, int]) -> tuple[bool, int]:
        if key in leaves:
            return (True, leaves[key])
        return (False, inner[key]) if key in inner else site.invalid(f"tree {key[0]} has no node {key[1]}")

    for i, key in enumerate(zip(trees, nodes, strict=True)):
        if key in inner:
            forest.yes[inner[key]], forest.no[inner[key]] = place((trees[i], yes[i])), place((trees[i], no[i]))
    below = {item for items in (forest.yes, forest.no) for item in items}
    first: dict[int, tuple[int, int]] = {}
    for key in zip(trees, nodes, strict=True):
        if key[0] not in first and place(key) not in below:
            first[key[0]] = key
    forest.roots = [place(key) for key in first.values()]
    return _Old(forest, leaves)


def _tables(site: Site, shape: tuple[int, int], kind: DType) -> tuple[np.ndarray, np.ndarray]:
    """Return weights ``[leaf, target]`` and where there are any, none yet."""
    if shape[1] < 1:
        site.invalid(f"{shape[1]} targets")
    return site.builder.zeros(shape, kind.numpy), site.builder.zeros(shape, np.dtype(bool))


def _table(site: Site, old: _Old, prefix: str, count: int, kind: DType) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights ``[leaf, target]`` and where there are any."""
    attributes = site.attributes
    ids = attributes.ints(f"{prefix}_ids") or ()
    keys = zip(attributes.ints(f"{prefix}_treeids") or (), attributes.ints(f"{prefix}_nodeids") or (), strict=True)
    weights = _numbers(site, f"{prefix}_weights")
    if weights is None or len(weights) != len(ids):
        site.invalid("the attributes of its weights have different lengths")
    table, there = _tables(site, (max(len(old.leaves), 1), count), kind)
    for key, target, weight in zip(keys, ids, weights.tolist(), strict=True):
        if key not in old.leaves or not 0 <= target < count:
            site.invalid(f"a weight belongs to node {key[1]} of tree {key[0]} and target {target}")
        table[old.leaves[key], target] += weight
        there[old.leaves[key], target] = True
    return table, there


def _regressor(site: Site) -> Value:
    old, x = _old_forest(site), _features(site)
    count = site.attributes.integer("n_targets", 1)
    table, there = _table(site, old, "target", count, x.dtype)
    how = site.attributes.text("aggregate_function", "SUM")
    result = _aggregated(site, _leaves(site, x, old.forest, len(old.leaves)), table, there, how)
    base = _numbers(site, "base_values")
    if base is not None and len(base):
        result = site.call("add", result, scores.row(site, base, result))
    return site.cast(scores.transformed(site, result), dtype("float32"))


def _classifier(site: Site) -> tuple[Value, Value]:
    """Labels ``[rows]`` and scores ``[rows, classes]``; weights of one class only decide between two.

    Where that is the second class, its scores stand beside zeros and a base value does not count.
    """
    old, x = _old_forest(site), _features(site)
    ids: tuple[int, ...] = site.attributes.ints("class_ids") or ()
    labels = scores.label_count(site)
    base = _numbers(site, "base_values")
    only = min(ids) if labels <= 2 and len(set(ids)) == 1 else None
    table, there = _table(site, old, "class", max(labels, max(ids, default=0) + 1), x.dtype)
    leaf = _leaves(site, x, old.forest, len(old.leaves))
    if only is None:
        result = _aggregated(site, leaf, table, there, "SUM")
        if base is not None and len(base):
            result = site.call("add", result, scores.row(site, base, result))
        places = scores.best(site, result)
        return scores.labelled(site, places), site.cast(scores.transformed(site, result), FLOAT32)
    result = _aggregated(site, leaf, table[:, only : only + 1], there[:, only : only + 1], "SUM")
    base = np.zeros(0, np.float32) if base is None else base
    positive = bool((table >= 0).all())
    if base.size > 1:
        site.refuse("several base values where one class has all weights")
    if only == 0:
        result = site.call("add", result, scores.row(site, base[-1:], result)) if base.size else result
        pair = scores.second_class(site, result, positive)
    else:
        first = site.call("mul", result, scores.real(site, 0.0, result))
        pair = scores.transformed(site, scores.both(site, first, result))
    places = scores.above(site, result, 0.5 if positive else 0.0)
    return scores.labelled(site, places), site.cast(pair, FLOAT32)


CONVERTERS: Final[dict[str, Versions]] = {
    "TreeEnsemble": since(_ensemble),
    "TreeEnsembleRegressor": since(_regressor),
    "TreeEnsembleClassifier": since(_classifier),
}
