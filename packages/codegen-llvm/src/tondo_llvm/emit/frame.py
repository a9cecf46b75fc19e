"""What is known while the body of one LLVM function is written: names, buffers, masks, captured values."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tondo.diagnostics import fail
from tondo.ir import Buffer, Const, Expr, Load, Stmt, TensorFunction, Var, walk
from tondo.target import Target
from tondo_llvm.emit.builder import FunctionBuilder, ModuleBuilder
from tondo_llvm.emit.form import Linear
from tondo_llvm.emit.types import Operand, register_type

_ALWAYS_FUSED: Final = frozenset({"aarch64", "arm64", "riscv64"})
_FUSED_FEATURES: Final = frozenset({"fma", "fma4", "avx512f"})


@dataclass(slots=True)
class Slot:
    """Where a buffer lies: pointer, provable alignment in bytes, whether no other pointer reaches its memory."""

    buffer: Buffer
    pointer: str
    align: int
    noalias: bool


@dataclass(frozen=True, slots=True)
class Capture:
    """A value of the function around that an outlined body needs: LLVM type, outer and inner name, attributes."""

    type: str
    outer: str
    inner: str
    attributes: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """What all functions of one module share."""

    function: TensorFunction
    target: Target
    module: ModuleBuilder
    callees: Mapping[str, TensorFunction]
    kernels: Mapping[str, int]
    packed: Mapping[str, int]
    has_load: dict[int, tuple[Expr, bool]] = field(default_factory=dict[int, "tuple[Expr, bool]"])
    stack: list[int] = field(default_factory=lambda: [0])
    strides: dict[str, tuple[Buffer, tuple[Expr | int, ...]]] = field(
        default_factory=dict[str, "tuple[Buffer, tuple[Expr | int, ...]]"]
    )

    def strides_of(self, buffer: Buffer) -> tuple[Expr | int, ...]:
        """Return the strides of ``buffer`` in elements, those that are known as numbers."""
        known = self.strides.get(buffer.name)
        if known is None or known[0] is not buffer:
            steps = tuple(int(step.value) if isinstance(step, Const) else step for step in buffer.row_major_strides())
            known = self.strides[buffer.name] = (buffer, steps)
        return known[1]

    @property
    def fused(self) -> bool:
        """Whether the target has fused multiply-add instructions for vectors."""
        return self.target.arch in _ALWAYS_FUSED or bool(_FUSED_FEATURES & self.target.features)


class Frame:
    """The state of writing one LLVM function; ``value`` and ``execute`` are the dispatchers of the two languages."""

    def __init__(
        self,
        unit: Unit,
        value: Callable[[Frame, Expr], Operand],
        execute: Callable[[Frame, Stmt], None],
        parent: Frame | None = None,
    ) -> None:
        """Start with no names; a frame with a ``parent`` captures from it what it lacks."""
        self.unit = unit
        self.module = unit.module
        self.out = FunctionBuilder()
        self.parent = parent
        self.evaluator = value
        self.executor = execute
        self.mask: Operand | None = None
        self.mask_lanes = 1
        self.captures: list[Capture] = []
        self.forms: dict[str, Linear] = {}
        self._vars: dict[str, Operand] = {}
        self._slots: dict[str, Slot] = {}
        self._outer_vars: dict[str, Operand] = {}
        self._outer_slots: dict[str, Slot] = {}

    @property
    def name(self) -> str:
        """Name of the tensor function that is written, for messages."""
        return self.unit.function.name

    def value(self, expr: Expr) -> Operand:
        """Write ``expr`` and return its value."""
        return self.evaluator(self, expr)

    def execute(self, stmt: Stmt) -> None:
        """Write ``stmt``."""
        self.executor(self, stmt)

    def var(self, var: Var) -> Operand:
        """Return the value of a variable.

        Raises:
            TondoError: TND-B004 for a variable that nothing defines.
        """
        found = self.find_var(var)
        if found is None:
            fail(
                "TND-B004",
                f"'{self.name}' uses variable '{var.name}' that is neither a parameter nor defined around it",
                span=var.span,
                notes=("dimensions of buffers are scalar parameters of the tensor function",),
            )
        return found

    def slot(self, buffer: Buffer) -> Slot:
        """Return where ``buffer`` lies.

        Raises:
            TondoError: TND-B004 for a buffer that is neither a parameter nor allocated.
        """
        found = self.find_slot(buffer.name)
        if found is None:
            fail(
                "TND-B004",
                f"'{self.unit.function.name}' uses buffer '{buffer.name}' that is neither a parameter nor allocated",
            )
        return found

    @contextmanager
    def bound(self, var: Var, value: Operand) -> Generator[None]:
        """``var`` has ``value`` inside."""
        old = self._vars.get(var.name)
        self._vars[var.name] = value
        try:
            yield
        finally:
            if old is None:
                del self._vars[var.name]
            else:
                self._vars[var.name] = old

    def define_var(self, var: Var, value: Operand) -> None:
        """``var`` has ``value`` in the whole function."""
        self._vars[var.name] = value

    def has_slot(self, buffer: Buffer) -> bool:
        """Whether this function itself has placed ``buffer`` (an unrolled loop allocates it again and again)."""
        return buffer.name in self._slots

    def define_slot(self, slot: Slot) -> None:
        """The buffer of ``slot`` exists from here on."""
        self._slots[slot.buffer.name] = slot

    @contextmanager
    def masked(self, mask: Operand | None, lanes: int = 1) -> Generator[None]:
        """Loads inside touch only the ``lanes`` of ``mask`` (scalar ones: if any lane is set); None lifts the mask."""
        old = (self.mask, self.mask_lanes)
        self.mask, self.mask_lanes = mask, lanes
        try:
            yield
        finally:
            self.mask, self.mask_lanes = old

    def loads(self, expr: Expr) -> bool:
        """Whether evaluating ``expr`` reads memory."""
        known = self.unit.has_load.get(id(expr))
        if known is None:
            known = (expr, any(isinstance(item, Load) for item in walk(expr)))
            self.unit.has_load[id(expr)] = known  # with the expression, so that nothing else takes its id
        return known[1]

    def capture_value(self, outer: Operand, hint: str) -> Operand:
        """Return an ``i64`` of the function around as it is called in this one; literals stay literals."""
        return self._capture(outer, hint, "i64") if isinstance(outer, str) else outer

    def find_var(self, var: Var) -> Operand | None:
        """Return the value of a variable, captured if it must be; None if nothing defines it."""
        found = self._vars.get(var.name)
        if found is None:
            found = self._outer_vars.get(var.name)
        if found is None and self.parent is not None:
            outer = self.parent.find_var(var)
            if isinstance(outer, str) and outer.startswith("%"):
                outer = self._capture(outer, var.name, register_type(var.dtype))
            if outer is not None:
                self._outer_vars[var.name] = outer
            found = outer
        return found

    def find_slot(self, name: str) -> Slot | None:
        """Return where a buffer lies, captured if it must be; None if nothing defines it."""
        found = self._slots.get(name) or self._outer_slots.get(name)
        if found is None and self.parent is not None:
            outer = self.parent.find_slot(name)
            if outer is None:
                return None
            attributes = f"noalias align {outer.align}" if outer.noalias else f"align {outer.align}"
            inner = self._capture(outer.pointer, name, "ptr", attributes)
            found = Slot(outer.buffer, inner, outer.align, outer.noalias)
            self._outer_slots[name] = found
        return found

    def _capture(self, outer: str, hint: str, type: str, attributes: str = "") -> str:
        for capture in self.captures:
            if capture.outer == outer:
                return capture.inner
        inner = self.out.name(hint)
        self.captures.append(Capture(type, outer, inner, attributes))
        return inner
