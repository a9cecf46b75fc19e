"""A writer of LLVM text: functions with named values and blocks, modules with declarations and metadata.

Pure instructions are written once per scope: asking again for the same text in a place that the first one dominates
returns the first name. Scopes follow the structured control flow (a loop body, a branch), so dominance is a matter of
a stack. The scope's depth of every value is remembered; address arithmetic adds outer values first.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

from tondo_llvm.emit.types import Operand

_UNSAFE = re.compile(r"[^A-Za-z0-9_.]")
_PLAIN = re.compile(r"[A-Za-z_$.-][A-Za-z0-9_$.-]*")


def symbol(name: str) -> str:
    """Return ``@name``, quoted where LLVM needs it."""
    if _PLAIN.fullmatch(name):
        return f"@{name}"
    quoted = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else _escaped(c) for c in name)
    return f'@"{quoted}"'


def function_symbol(name: str) -> str:
    """Return the symbol name of the tensor function ``name``, which no function of the C library has."""
    return f"tondo_fn.{name}"


def c_string(text: str) -> tuple[str, int]:
    """Return the LLVM literal of a zero-terminated string and its size in bytes."""
    data = text.encode() + b"\0"
    body = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:02X}" for b in data)
    return f'c"{body}"', len(data)


def _escaped(char: str) -> str:
    return "".join(f"\\{b:02X}" for b in char.encode())


class ModuleBuilder:
    """One LLVM module: functions, declarations, private strings, helper functions, loop metadata."""

    def __init__(self, triple: str, attributes: str) -> None:
        """Start a module for ``triple`` whose functions carry the text ``attributes``."""
        self._triple = triple
        self._attributes = attributes
        self._declarations: dict[str, str] = {}
        self._globals: dict[str, str] = {}
        self._functions: dict[str, str] = {}
        self._included: dict[str, str] = {}
        self._loops = 0
        self._names: dict[str, int] = {}

    def declare(self, name: str, signature: str) -> str:
        """Declare an external function once (``signature`` holds ``{}`` where the name goes); return its symbol."""
        text = symbol(name)
        if name not in self._functions:
            self._declarations.setdefault(name, f"declare {signature.format(text)}")
        return text

    def define(self, name: str, text: str) -> None:
        """Add the text of a function."""
        self._functions[name] = text
        self._declarations.pop(name, None)

    def has(self, name: str) -> bool:
        """Whether a function ``name`` was defined here."""
        return name in self._functions

    def include(self, name: str, text: str) -> None:
        """Add IR text from elsewhere, once per name."""
        self._included.setdefault(name, text)

    def constant(self, kind: str, text: str, align: int = 8) -> str:
        """Add a private constant of type and value ``text``; equal ones are shared. Return its symbol."""
        known = self._globals.get(text)
        if known is None:
            known = f"@.{kind}.{len(self._globals)}"
            self._globals[text] = known
            self._declarations[known] = f"{known} = private unnamed_addr constant {text}, align {align}"
        return known

    def string(self, text: str) -> str:
        """Add a zero-terminated string and return its symbol."""
        value, size = c_string(text)
        return self.constant("text", f"[{size} x i8] {value}", 1)

    def fresh(self, name: str) -> str:
        """Return a name for a further function of this module."""
        number = self._names.get(name, 0)
        self._names[name] = number + 1
        return f"{name}.{number}"

    def loop(self, *, unroll: bool) -> str:
        """Return the metadata suffix of a loop's back edge, empty when LLVM may unroll it."""
        if unroll:
            return ""
        self._loops += 1
        return f", !llvm.loop !{self._loops}"

    def text(self) -> str:
        """Return the whole module."""
        loops = [f"!{number} = distinct !{{!{number}, !0}}" for number in range(1, self._loops + 1)]
        if loops:
            loops.insert(0, '!0 = !{!"llvm.loop.unroll.disable"}')
        return "\n".join(
            [
                f'target triple = "{self._triple}"\n',
                *self._declarations.values(),
                "",
                *self._functions.values(),
                *self._included.values(),
                f"attributes #0 = {{ {self._attributes} }}",
                *loops,
                "",
            ]
        )


class FunctionBuilder:
    """The text of one function, block by block."""

    def __init__(self) -> None:
        """Start in the block ``entry``."""
        self._prologue: list[str] = []
        self._lines: list[str] = []
        self._cold: list[str] = []
        self._count = 0
        self._scopes: list[dict[str, str]] = [{}]
        self._depths: dict[str, int] = {}
        self.block = "entry"
        self.terminated = False

    @property
    def depth(self) -> int:
        """Number of scopes around the current place."""
        return len(self._scopes)

    def depth_of(self, value: Operand) -> int:
        """Return the depth at which ``value`` was made; 0 for parameters and literals."""
        return self._depths.get(value, 0) if isinstance(value, str) else 0

    def name(self, hint: str) -> str:
        """Return a fresh value name."""
        self._count += 1
        return f"%{_UNSAFE.sub('_', hint)}.{self._count}"

    def label(self, hint: str) -> str:
        """Return a fresh block label (without the percent sign)."""
        return self.name(hint)[1:]

    def pure(self, text: str, hint: str = "t") -> str:
        """Return the value of a pure instruction, computed once per scope."""
        for scope in reversed(self._scopes):
            known = scope.get(text)
            if known is not None:
                return known
        value = self.value(text, hint)
        self._scopes[-1][text] = value
        return value

    def value(self, text: str, hint: str = "t") -> str:
        """Write an instruction with a result and return its name."""
        name = self.name(hint)
        self._lines.append(f"  {name} = {text}")
        self._depths[name] = len(self._scopes)
        return name

    def do(self, text: str) -> None:
        """Write an instruction without a result."""
        self._lines.append(f"  {text}")

    def reserve(self, name: str) -> int:
        """Keep a line for the value ``name`` (a phi) at the current place; fill it with :meth:`fill`."""
        self._depths[name] = len(self._scopes)
        self._lines.append("")
        return len(self._lines) - 1

    def fill(self, line: int, text: str) -> None:
        """Write a reserved line."""
        self._lines[line] = f"  {text}"

    def prologue(self, text: str, hint: str) -> str:
        """Write an instruction into the entry block, before everything else; return its name."""
        name = self.name(hint)
        self._prologue.append(f"  {name} = {text}")
        return name

    def start(self, label: str) -> None:
        """Begin the block ``label``."""
        self._lines.append(f"{label}:")
        self.block = label
        self.terminated = False

    def branch(self, label: str) -> None:
        """End the block with a jump, unless it has ended already."""
        if not self.terminated:
            self.do(f"br label %{label}")
        self.terminated = True

    def branch_if(self, condition: Operand, then: str, orelse: str, suffix: str = "") -> None:
        """End the block with a conditional jump."""
        self.do(f"br i1 {condition}, label %{then}, label %{orelse}{suffix}")
        self.terminated = True

    def ret(self, text: str) -> None:
        """End the block with a return."""
        if not self.terminated:
            self.do(f"ret {text}")
        self.terminated = True

    def cold(self, label: str, *instructions: str) -> None:
        """Write a whole block that is placed at the end of the function."""
        self._cold.append(f"{label}:")
        self._cold.extend(f"  {text}" for text in instructions)

    @contextmanager
    def scope(self) -> Generator[None]:
        """A part of the function whose values do not dominate what follows."""
        self._scopes.append({})
        try:
            yield
        finally:
            self._scopes.pop()

    def text(self, header: str) -> str:
        """Return the function's text; ``header`` is everything before the opening brace."""
        return "\n".join([f"{header} {{", "entry:", *self._prologue, *self._lines, *self._cold, "}", ""])
