"""The module: functions of every level side by side, with their constants."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from tondo.diagnostics import fail, suggest
from tondo.ir.attrs import EMPTY, Attrs
from tondo.ir.buffer import dims
from tondo.ir.dtype import DType, dtype
from tondo.ir.function import Function, GraphFunction, TensorFunction
from tondo.ir.types import TensorType

_SAMPLED: Final = 256


class ConstantData:
    """An immutable array; equality and digest follow dtype, shape and contents (computed when first asked for)."""

    def __init__(self, array: np.ndarray) -> None:
        """Take ``array`` (not copied if it is C-contiguous); nobody may write to it from now on."""
        contiguous = np.ascontiguousarray(array).reshape(array.shape)
        view = contiguous.view()
        view.flags.writeable = False
        self.array = view

    @property
    def dtype(self) -> DType:
        """Element type."""
        return dtype(self.array.dtype)

    @property
    def type(self) -> TensorType:
        """The tensor type of the array."""
        return TensorType(dims(self.array.shape), self.dtype)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of dtype, shape and bytes, in hexadecimal."""
        state = hashlib.sha256(f"{self.array.dtype.name}{self.array.shape}".encode())
        state.update(self.array.reshape(-1).view(np.uint8).data if self.array.size else b"")
        return state.hexdigest()

    @cached_property
    def _sample(self) -> bytes:
        """A few elements, by which most constants differ already: weights of equal layers have equal shapes."""
        flat = self.array.reshape(-1)
        return flat[:: max(1, flat.size // _SAMPLED)].tobytes()

    def __eq__(self, other: object) -> bool:
        """Compare by contents."""
        if not isinstance(other, ConstantData):
            return NotImplemented
        if self is other or self.array is other.array:
            return True
        same_type = self.array.shape == other.array.shape and self.array.dtype == other.array.dtype
        return same_type and self._sample == other._sample and self.digest == other.digest

    def __hash__(self) -> int:
        """Hash by type only, so that it costs nothing."""
        return hash((self.array.shape, self.array.dtype.name))


@dataclass(frozen=True)
class IRModule:
    """Functions by name, constants by name, attributes. Immutable; the ``with_...`` methods return changed copies."""

    functions: Mapping[str, Function] = field(default_factory=dict[str, Function])
    constants: Mapping[str, ConstantData] = field(default_factory=dict[str, ConstantData])
    attrs: Attrs = EMPTY

    def __post_init__(self) -> None:
        """Check that names and keys agree."""
        for name, function in self.functions.items():
            if function.name != name:
                msg = f"function '{function.name}' is stored as '{name}'"
                raise ValueError(msg)

    @staticmethod
    def of(*functions: Function, constants: Mapping[str, ConstantData] | None = None, attrs: Attrs = EMPTY) -> IRModule:
        """Return the module of ``functions``."""
        return IRModule({function.name: function for function in functions}, dict(constants or {}), attrs)

    def graph_functions(self) -> Iterator[GraphFunction]:
        """Iterate over the graph functions."""
        return (function for function in self.functions.values() if isinstance(function, GraphFunction))

    def tensor_functions(self) -> Iterator[TensorFunction]:
        """Iterate over the tensor functions."""
        return (function for function in self.functions.values() if isinstance(function, TensorFunction))

    def graph(self, name: str = "main") -> GraphFunction:
        """Return graph function ``name``.

        Raises:
            TondoError: TND-B001 if there is no function of that name.
        """
        function = self._function(name)
        if not isinstance(function, GraphFunction):
            msg = f"'{name}' is not a graph function"
            raise TypeError(msg)
        return function

    def tensor(self, name: str) -> TensorFunction:
        """Return tensor function ``name``.

        Raises:
            TondoError: TND-B001 if there is no function of that name.
        """
        function = self._function(name)
        if not isinstance(function, TensorFunction):
            msg = f"'{name}' is not a tensor function"
            raise TypeError(msg)
        return function

    def _function(self, name: str) -> Function:
        found = self.functions.get(name)
        if found is None:
            fail("TND-B001", f"the module has no function '{name}'", help=suggest(name, self.functions))
        return found

    def with_functions(self, functions: Iterable[Function]) -> IRModule:
        """Return a copy in which ``functions`` are added or replaced."""
        merged = dict(self.functions)
        merged.update({function.name: function for function in functions})
        return IRModule(merged, self.constants, self.attrs)

    def without_functions(self, names: Iterable[str]) -> IRModule:
        """Return a copy that lacks ``names``."""
        gone = set(names)
        kept = {name: function for name, function in self.functions.items() if name not in gone}
        return IRModule(kept, self.constants, self.attrs)

    def with_constants(self, constants: Mapping[str, ConstantData]) -> IRModule:
        """Return a copy whose constants are exactly ``constants``."""
        return IRModule(self.functions, dict(constants), self.attrs)

    def with_attrs(self, attrs: Attrs) -> IRModule:
        """Return a copy with other attributes."""
        return IRModule(self.functions, self.constants, attrs)
