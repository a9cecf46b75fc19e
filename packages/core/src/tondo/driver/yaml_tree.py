"""YAML as plain values that remember their lines and columns; nothing is ever constructed but plain values.

Refused, each with the place (TND-C005): syntax errors, tags (``!!python/...``), duplicate keys, keys that are not
text, several documents. Refused as too large (TND-X002): long files, deep nesting, and aliases that multiply.

The parser is imported when there is something to parse: most compilations have no file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, Final, NoReturn, Protocol, cast

from tondo.diagnostics import Span, fail

Scalar = str | int | float | bool | None
Plain = Scalar | list["Plain"] | dict[str, "Plain"]
"""What a YAML text may hold here."""

MAX_CHARACTERS: Final = 1 << 20
MAX_DEPTH: Final = 32
MAX_NODES: Final = 20_000

_PREFIX: Final = "tag:yaml.org,2002:"
_BOOLEANS: Final = {"true": True, "false": False}
_INTEGER: Final = re.compile(r"[-+]?(?:0o[0-7]+|0x[0-9a-fA-F]+|[0-9]+)")
_MAX_DIGITS: Final = 30


class _Mark(Protocol):
    line: int
    column: int


class _Marked(Protocol):
    problem: str | None
    context: str | None
    problem_mark: _Mark | None
    context_mark: _Mark | None


class _Node(Protocol):
    id: str
    tag: object
    value: object
    start_mark: _Mark
    end_mark: _Mark


class _Yaml(Protocol):
    """The part of ruamel.yaml's interface that is used; the library itself has no types."""

    default_flow_style: bool
    sort_base_mapping_type_on_output: bool

    def compose(self, stream: str) -> _Node | None: ...
    def parse(self, stream: str) -> Iterable[object]: ...
    def dump(self, data: object, stream: IO[str]) -> None: ...


def _yaml() -> _Yaml:
    from ruamel.yaml import YAML

    return cast("_Yaml", YAML(typ="safe", pure=True))


def write_yaml(value: object) -> str:
    """Return plain values as YAML text, mappings in their own order."""
    writer, stream = _yaml(), io.StringIO()
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False
    writer.dump(value, stream)
    return stream.getvalue()


@dataclass(slots=True)
class Tree:
    """A value with its place; ``keys`` are the places of a mapping's keys, ``parts`` the trees of what it holds."""

    span: Span
    value: Plain
    parts: dict[str | int, Tree] = field(default_factory=dict[str | int, "Tree"])
    keys: dict[str, Span] = field(default_factory=dict[str, Span])


def parse_yaml(text: str, file: str) -> Tree:
    """Return the tree of ``text``; ``file`` is the name for messages.

    Raises:
        TondoError: TND-C005 or TND-X002, see above.
    """
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text) > MAX_CHARACTERS:
        fail("TND-X002", f"{file} is longer than {MAX_CHARACTERS} characters", span=Span(file))
    try:
        _check_events(text, file)
        node = _yaml().compose(text)
    except MarkedYAMLError as error:
        where = cast("_Marked", error)
        mark = where.problem_mark or where.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        problem = (where.problem or where.context or "not YAML").split("\n")[0]
        fail(
            "TND-C005",
            problem,
            span=Span(file, line, column),
            source=line_of(text, line),
            help="check brackets, quotes and indentation there and in the line before",
        )
    except (YAMLError, ValueError) as error:
        fail("TND-C005", f"{file} is not YAML", span=Span(file), notes=[str(error).split("\n")[0]])
    if node is None:
        return Tree(Span(file, 1, 1), {})
    return _Builder(text, file).tree(node, 0)


def _check_events(text: str, file: str) -> None:
    """Count before anything is built, so that a hostile text costs no more than reading it once."""
    from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

    depth = 0
    for event in _yaml().parse(text):
        if isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                mark = cast("_Node", event).start_mark
                span = Span(file, mark.line + 1, mark.column + 1)
                fail("TND-X002", f"nested deeper than {MAX_DEPTH} levels", span=span)
        elif isinstance(event, CollectionEndEvent):
            depth -= 1


class _Builder:
    """Turns nodes into trees; aliases are expanded, so everything that they multiply is counted."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._count = 0

    def tree(self, node: _Node, depth: int) -> Tree:
        span = self._span(node)
        self._count += 1
        if self._count > MAX_NODES or depth > MAX_DEPTH:
            what = f"more than {MAX_NODES} values" if self._count > MAX_NODES else f"more than {MAX_DEPTH} levels"
            fail("TND-X002", f"{what}, counting what aliases repeat", span=span, source=self._source(span))
        tag = str(node.tag).removeprefix(_PREFIX)
        if (node.id, tag) == ("mapping", "map"):
            return self._mapping(node, span, depth)
        if (node.id, tag) == ("sequence", "seq"):
            items = cast("list[_Node]", node.value)
            parts: dict[str | int, Tree] = {index: self.tree(item, depth + 1) for index, item in enumerate(items)}
            return Tree(span, [part.value for part in parts.values()], parts)
        if node.id == "scalar":
            return Tree(span, self._scalar(node, tag, span))
        return self._refuse(f"the tag '{node.tag}' is not allowed", span)

    def _mapping(self, node: _Node, span: Span, depth: int) -> Tree:
        result = Tree(span, {})
        values: dict[str, Plain] = {}
        for key_node, value_node in cast("list[tuple[_Node, _Node]]", node.value):
            key = self.tree(key_node, depth + 1)
            if not isinstance(key.value, str):
                self._refuse(f"the key {key.value!r} is not text", key.span, "put it in quotes")
            if key.value in values:
                first = result.keys[key.value]
                self._refuse(f"the key '{key.value}' appears twice", key.span, f"the first one is in line {first.line}")
            part = self.tree(value_node, depth + 1)
            values[key.value] = part.value
            result.parts[key.value] = part
            result.keys[key.value] = key.span
        result.value = values
        return result

    def _scalar(self, node: _Node, tag: str, span: Span) -> Scalar:
        text = str(node.value)
        match tag:
            case "str" | "timestamp" | "merge" | "value":
                return text
            case "null":
                return None
            case "bool" if text.lower() in _BOOLEANS:
                return _BOOLEANS[text.lower()]
            case "int" if _INTEGER.fullmatch(text) and len(text) <= _MAX_DIGITS:
                return int(text, 10 if text.lstrip("+-").isdecimal() else 0)
            case "float" if len(text) <= _MAX_DIGITS:
                return self._float(text, span)
            case "bool" | "int" | "float":
                return self._refuse(
                    f"'{text[:_MAX_DIGITS]}' is not a {tag} here", span, "put it in quotes if it is text"
                )
            case _:
                return self._refuse(f"the tag '{node.tag}' is not allowed", span)

    def _float(self, text: str, span: Span) -> float:
        plain = text.lower().replace(".inf", "inf").replace(".nan", "nan")
        try:
            return float(plain)
        except ValueError:
            return self._refuse(f"'{text}' is not a number", span, "put it in quotes if it is text")

    def _span(self, node: _Node) -> Span:
        begin, end = node.start_mark, node.end_mark
        return Span(self._file, begin.line + 1, begin.column + 1, end.line + 1, end.column + 1)

    def _source(self, span: Span) -> str | None:
        return line_of(self._text, span.line)

    def _refuse(self, problem: str, span: Span, help_: str | None = None) -> NoReturn:
        fail("TND-C005", problem, span=span, source=self._source(span), help=help_)


def line_of(text: str, number: int) -> str | None:
    """Return line ``number`` of ``text``, counted from 1, or None if there is no such line."""
    lines = text.splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else None
