"""What all nodes of the intermediate representation share.

A node is a frozen, slotted dataclass. Two nodes are equal when their structure is equal (names count, source
spans do not); the hash follows the structure and is computed once. Nodes never change: a rewrite makes new ones
and shares what stayed the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class Node:
    """Base of every node: structural equality, cached hash, access to child nodes."""

    __slots__ = ("_hash",)
    _compared: ClassVar[tuple[str, ...]] = ()
    _arguments: ClassVar[tuple[str, ...]] = ()

    _hash: int

    def key(self) -> tuple[object, ...]:
        """Return the values that take part in equality."""
        return tuple([getattr(self, name) for name in self._compared])

    def __eq__(self, other: object) -> bool:
        """Compare by structure."""
        if self is other:
            return True
        if type(self) is not type(other) or hash(self) != hash(other):
            return False
        return self.key() == other.key()  # type: ignore[attr-defined]  # same type as self

    def __hash__(self) -> int:
        """Return the structural hash, computed once."""
        try:
            return self._hash
        except AttributeError:
            value = hash((type(self).__name__, *self.key()))
            object.__setattr__(self, "_hash", value)
            return value

    def children(self) -> Iterator[Node]:
        """Yield the direct child nodes in field order."""
        for name in self._compared:
            value = getattr(self, name)
            if isinstance(value, Node):
                yield value
            elif type(value) is tuple:
                for item in value:
                    if isinstance(item, Node):
                        yield item

    def __getstate__(self) -> tuple[object, ...]:
        """Return the field values (the cached hash is local to a process)."""
        return tuple([getattr(self, entry.name) for entry in fields(self)])  # type: ignore[arg-type]

    def __setstate__(self, state: tuple[object, ...]) -> None:
        """Restore the field values."""
        for entry, value in zip(fields(self), state, strict=True):  # type: ignore[arg-type]
            object.__setattr__(self, entry.name, value)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def node(cls: type[T]) -> type[T]:
    """Make ``cls`` a node class: a frozen slotted dataclass with structural equality."""
    made = dataclass(frozen=True, slots=True, eq=False)(cls)
    made._compared = tuple(entry.name for entry in fields(made) if entry.compare)  # type: ignore[attr-defined,arg-type]  # noqa: SLF001
    made._arguments = tuple(entry.name for entry in fields(made) if entry.init)  # type: ignore[attr-defined,arg-type]  # noqa: SLF001
    made.__getstate__ = Node.__getstate__  # type: ignore[attr-defined]  # the dataclass would pickle through lists
    made.__setstate__ = Node.__setstate__  # type: ignore[attr-defined]
    return made


def rebuild(value: Node, change: Callable[[Node], Node]) -> Node:
    """Return ``value`` with every direct child replaced by ``change(child)``; the same object if none changed."""
    updates: dict[str, object] = {}
    for name in value._compared:  # noqa: SLF001
        old = getattr(value, name)
        if isinstance(old, Node):
            new: object = change(old)
            if new is not old:
                updates[name] = new
        elif type(old) is tuple and old:
            items = [change(item) if isinstance(item, Node) else item for item in old]
            if any(a is not b for a, b in zip(items, old, strict=True)):
                updates[name] = tuple(items)
    if not updates:
        return value
    values = {name: updates[name] if name in updates else getattr(value, name) for name in value._arguments}  # noqa: SLF001
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
        stack.extend(reversed(list(value.children())))
