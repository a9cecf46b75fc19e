"""Reads ``*.chain`` files.

A line for the input, and a line for each step::

    input x float32 batch 4
    mul 2.0
    add 1.0
    relu

Every step is an operator of the operator library, applied to the value of the line before and, if there is one, to
the number behind its name. A dimension is a number or a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from tondo.diagnostics import Span, fail
from tondo.ir import (
    Atom,
    Binding,
    Call,
    ConstantData,
    ConstantRef,
    GraphFunction,
    GraphVar,
    IRModule,
    OpCall,
    TensorType,
    Var,
    dims,
    dtype,
)
from tondo.plugin import LoadOptions

_LARGEST_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class ChainFrontend:
    """The reader: see the module for the format."""

    name: str = "sample_plugin"
    suffixes: tuple[str, ...] = (".chain",)

    def claims(self, source: object) -> bool:
        """Return whether ``source`` is the path of a ``.chain`` file."""
        return isinstance(source, (str, Path)) and Path(source).suffix in self.suffixes

    def load(self, source: object, options: LoadOptions) -> IRModule:
        """Return the module of a ``.chain`` file.

        Raises:
            TondoError: TND-M001 for a file that cannot be read, TND-M003 for an unknown step, TND-M004 for a line
                that is none.
        """
        path = Path(str(source))
        if path.stat().st_size > _LARGEST_FILE:
            fail("TND-M001", f"{path} is too large for a chain")
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            fail("TND-M001", f"{path} is no text")
        return _Reading(path, options).module(lines)


class _Reading:
    """The module while it is read."""

    def __init__(self, path: Path, options: LoadOptions) -> None:
        self._path = path
        self._operators = options.operators
        self._bindings: list[Binding] = []
        self._constants: dict[str, ConstantData] = {}
        self._line = 0

    def module(self, lines: list[str]) -> IRModule:
        """Return the module of ``lines``."""
        first: GraphVar | None = None
        last: GraphVar | None = None
        for number, line in enumerate(lines, 1):
            self._line = number
            words = line.split("#")[0].split()
            if not words:
                continue
            if last is None:
                first = last = self._input(words)
            else:
                last = self._step(words, last)
        if first is None or last is None:
            self._refuse("the file names no input")
        function = GraphFunction("main", (first,), tuple(self._bindings), (last,))
        return IRModule.of(function, constants=self._constants)

    def _input(self, words: list[str]) -> GraphVar:
        if len(words) < 3 or words[0] != "input":
            self._refuse("the first line is like 'input x float32 batch 4'")
        try:
            kind = dtype(words[2])
        except (TypeError, ValueError):
            self._refuse(f"'{words[2]}' is no element type")
        shape = dims([int(word) if word.isdecimal() else Var(word) for word in words[3:]])
        return GraphVar(words[1], TensorType(shape, kind))

    def _step(self, words: list[str], value: GraphVar) -> GraphVar:
        operator = self._operators.get(words[0])
        if operator is None:
            fail("TND-M003", f"no operator is called '{words[0]}'", span=self._span())
        args: list[Atom] = [value, *(self._constant(word, value) for word in words[1:])]
        (result,) = operator.infer(OpCall(words[0], tuple(_type_of(arg) for arg in args)))
        made = GraphVar(f"v{self._line}", result)
        self._bindings.append(Binding((made,), Call(words[0], tuple(args)), f"line {self._line}", self._span()))
        return made

    def _constant(self, word: str, like: GraphVar) -> ConstantRef:
        kind = like.tensor.dtype
        try:
            array = np.array(float(word), kind.numpy)
        except ValueError:
            self._refuse(f"'{word}' is no number")
        name = f"c{len(self._constants)}"
        self._constants[name] = ConstantData(array)
        return ConstantRef(name, TensorType((), kind))

    def _span(self) -> Span:
        return Span(str(self._path), self._line)

    def _refuse(self, reason: str) -> NoReturn:
        fail("TND-M004", reason, span=self._span())


def _type_of(atom: Atom) -> TensorType:
    return atom.tensor if isinstance(atom, GraphVar) else atom.type
