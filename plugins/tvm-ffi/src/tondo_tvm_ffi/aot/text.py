"""LLVM text, piece by piece: constants of a module and the body of one function."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_PLAIN: Final = frozenset(b for b in range(32, 127) if chr(b) not in '"\\')


class Constants:
    """Private constants of a module."""

    def __init__(self) -> None:
        """Begin without any."""
        self.lines: list[str] = []
        self._known: dict[str, str] = {}

    def string(self, text: str) -> str:
        """Return the name of a text that ends with a zero."""
        data = text.encode() + b"\0"
        body = "".join(chr(byte) if byte in _PLAIN else f"\\{byte:02X}" for byte in data)
        return self.value(f'[{len(data)} x i8] c"{body}"')

    def value(self, definition: str, align: int = 0) -> str:
        """Return the name of a constant with its type and value."""
        name = self._known.get(definition)
        if name is None:
            name = f"@c.{len(self._known)}"
            self._known[definition] = name
            suffix = f", align {align}" if align else ""
            self.lines.append(f"{name} = private unnamed_addr constant {definition}{suffix}")
        return name

    def numbers(self, values: Iterable[int]) -> str:
        """Return the name of an array of int64."""
        items = list(values) or [0]
        return self.value(f"[{len(items)} x i64] [{', '.join(f'i64 {item}' for item in items)}]", 8)


class Body:
    """The instructions of one function."""

    def __init__(self) -> None:
        """Begin in the block ``entry``."""
        self.head: list[str] = []
        self.lines: list[str] = []
        self.cold: list[str] = []
        self._count = 0

    def name(self) -> str:
        """Return a fresh number for a value or a label."""
        self._count += 1
        return str(self._count)

    def alloca(self, what: str) -> str:
        """Return memory of the function's frame."""
        name = f"%m{self.name()}"
        self.head.append(f"  {name} = alloca {what}, align 16")
        return name

    def value(self, text: str) -> str:
        """Return the result of an instruction."""
        name = f"%v{self.name()}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Write an instruction without a result."""
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name}:")

    def fail_if(self, condition: str, *cold: str, leave: str = "leave") -> None:
        """Go on unless ``condition``; otherwise run ``cold`` and jump to the block ``leave``."""
        number = self.name()
        self.do(f"br i1 {condition}, label %bad{number}, label %ok{number}")
        self.cold.append(f"bad{number}:")
        self.cold.extend(f"  {line}" for line in cold)
        self.cold.append(f"  br label %{leave}")
        self.label(f"ok{number}")

    def at(self, base: str, offset: int) -> str:
        """Return an address so many bytes after ``base``."""
        return self.value(f"getelementptr i8, ptr {base}, i64 {offset}") if offset else base

    def text(self, header: str) -> str:
        """Return the whole function."""
        return "\n".join([f"{header} {{", "entry:", *self.head, *self.lines, *self.cold, "}", ""])
