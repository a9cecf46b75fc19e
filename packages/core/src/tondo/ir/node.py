"""What all nodes of the intermediate representation share.

A node is a frozen, slotted dataclass. Two nodes are equal when their structure is equal (names count, source
spans do not); the hash follows the structure and is computed once. Nodes never change: a rewrite makes new ones
and shares what stayed the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast, dataclass_transform

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

N = TypeVar("N", bound="Node")


class Node:
    """Base of every node: structural equality, cached hash, access to child nodes."""

    __slots__ = ("_below", "_hash")
    compared: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that take part in equality."""
    arguments: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that the constructor takes."""

    _hash: int
    _below: tuple[Node, ...]

    def key(self) -> tuple[object, ...]:
        """Return the values that take part in equality."""
        return tuple([getattr(self, name) for name in self.compared])

    def __eq__(self, other: object) -> bool:
        """Compare by structure."""
        if self is other:
            return True
        if type(self) is not type(other) or hash(self) != hash(other) or not isinstance(other, Node):
            return False
        return self.key() == other.key()

    def __hash__(self) -> int:
        """Return the structural hash, computed once."""
        try:
            return self._hash
        except AttributeError:
            value = hash((type(self).__name__, *self.key()))
            object.__setattr__(self, "_hash", value)
            return value

    def children(self) -> tuple[Node, ...]:
        """Return the direct child nodes in field order, collected once: passes walk the same nodes many times."""
        try:
            return self._below
        except AttributeError:
            found: list[Node] = []
            for name in self.compared:
                value = getattr(self, name)
                if isinstance(value, Node):
                    found.append(value)
                elif type(value) is tuple:
                    found.extend(item for item in cast("tuple[object, ...]", value) if isinstance(item, Node))
            object.__setattr__(self, "_below", tuple(found))
            return self._below

    def __reduce__(self) -> tuple[type[Node], tuple[object, ...]]:
        """Pickle as a call of the constructor: the cached hash is local to a process."""
        return type(self), tuple([getattr(self, name) for name in self.arguments])


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def node(cls: type[N]) -> type[N]:
    """Make ``cls`` a node class: a frozen slotted dataclass with structural equality."""
    made = dataclass(frozen=True, slots=True, eq=False)(cls)
    entries = fields(cast("type[DataclassInstance]", made))
    made.compared = tuple(entry.name for entry in entries if entry.compare)
    made.arguments = tuple(entry.name for entry in entries if entry.init)
    return made


def rebuild(value: N, change: Callable[[Node], Node]) -> N:
    """Return ``value`` with every direct child replaced by ``change(child)``; the same object if none changed."""
    updates: dict[str, object] = {}
    for name in value.compared:
        old = getattr(value, name)
        if isinstance(old, Node):
            new = change(old)
            if new is not old:
                updates[name] = new
        elif type(old) is tuple and old:
            parts = cast("tuple[object, ...]", old)
            items = [change(item) if isinstance(item, Node) else item for item in parts]
            if any(a is not b for a, b in zip(items, parts, strict=True)):
                updates[name] = tuple(items)
    if not updates:
        return value
    values = {name: updates[name] if name in updates else getattr(value, name) for name in value.arguments}
    return type(value)(**values)


def rewrite(root: Node, change: Callable[[Node], Node]) -> Node:
    """Rewrite bottom-up: children first, then ``change`` on the rebuilt node. Shared nodes are visited once."""
    done: dict[int, Node] = {}

    def visit(value: Node) -> Node:
        result = done.get(id(value))
        if result is None:
            result = change(rebuild(value, visit))
            done[id(value)] = result
        return result

    return visit(root)


def walk(root: Node) -> Iterator[Node]:
    """Yield ``root`` and all nodes below it, parents first, once per occurrence."""
    stack = [root]
    while stack:
        value = stack.pop()
        yield value
        stack.extend(value.children()[::-1])
