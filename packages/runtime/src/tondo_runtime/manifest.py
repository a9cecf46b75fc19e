"""The manifest of an artifact as typed, frozen values. It is the contract between compiler and runtime.

Form before: ``manifest.json``. Form after: :class:`Manifest`. Nothing in the file is trusted: every field is checked
for type, range and count before anything is allocated. The parser is in :mod:`tondo_runtime.manifest_json`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tondo_runtime.dims import dim_to_json
from tondo_runtime.dtypes import DType, dtype_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tondo_runtime.dims import Dim

FORMAT_VERSION = 1
"""Newest artifact format that this package reads."""

Plain = str | int | float
"""A value of a report."""
NATIVE = frozenset({"object", "shared"})
"""Kinds of machine code that the runtime loads itself; whoever brings another kind brings a loader for it."""


@dataclass(frozen=True, slots=True)
class SymbolSpec:
    """A symbolic dimension: bound from input shapes, at least ``minimum`` and at most ``maximum`` (None: any size)."""

    name: str
    minimum: int = 1
    maximum: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        found: dict[str, object] = {"name": self.name, "min": self.minimum}
        return found if self.maximum is None else {**found, "max": self.maximum}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output: name, element type name, shape.

    An output whose shape depends on contents is no argument of the entry function: it is what ``slot`` of the call
    holds afterwards, and its shape names numbers of the call. ``object`` tells what an int64 handle without dimensions
    stands for, see :mod:`tondo_runtime.objects`.
    """

    name: str
    dtype: str
    shape: tuple[Dim, ...]
    slot: int | None = None
    object: str | None = None

    @property
    def type(self) -> DType:
        """The element type."""
        return dtype_of(self.dtype)

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        shape = [dim_to_json(dim) for dim in self.shape]
        found: dict[str, object] = {"name": self.name, "dtype": self.dtype, "shape": shape}
        if self.slot is not None:
            found["slot"] = self.slot
        return found if self.object is None else {**found, "object": self.object}


@dataclass(frozen=True, slots=True)
class ConstantSpec:
    """A constant tensor, stored in ``weights.safetensors`` under ``name``."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def type(self) -> DType:
        """The element type."""
        return dtype_of(self.dtype)

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """The machine that the code was made for; ``features`` are LLVM feature names that it must have."""

    kind: str = "cpu"
    triple: str = ""
    cpu: str = ""
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeSpec:
    """One member with code: ``object``, ``shared``, or a kind that has a loader (:mod:`tondo_runtime.loaders`)."""

    member: str
    kind: str
    sha256: str


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """Digest and size in bytes of one member; of a large one also the digest of each block, see ``digest``."""

    sha256: str
    size: int
    blocks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {"sha256": self.sha256, "size": self.size, **({"blocks": list(self.blocks)} if self.blocks else {})}


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that the runtime knows of a compiled model.

    The entry function is the symbol ``__tondo_<entry>``; its arguments are, in order: symbols (Int), inputs,
    constants, outputs (DLTensor*), workspace (one uint8 DLTensor* of ``workspace`` bytes, 64-byte aligned). If there
    are ``numbers``, an int64 DLTensor* stands before the workspace: the call writes them there. ``slots`` is how many
    slots of memory a call may ask for. ``placement`` tells people which functions libraries run and which not, and why.
    """

    name: str
    entry: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    symbols: tuple[SymbolSpec, ...] = ()
    constants: tuple[ConstantSpec, ...] = ()
    workspace: Dim = 0
    numbers: tuple[str, ...] = ()
    slots: int = 0
    kernels: tuple[str, ...] = ()
    packed: tuple[str, ...] = ()
    target: TargetSpec = TargetSpec()
    code: tuple[CodeSpec, ...] = ()
    members: Mapping[str, MemberSpec] = field(default_factory=dict[str, MemberSpec])
    producer: Mapping[str, str] = field(default_factory=dict[str, str])
    plugins: Mapping[str, str] = field(default_factory=dict[str, str])
    pipeline: Mapping[str, object] = field(default_factory=dict[str, object])
    placement: tuple[Mapping[str, Plain], ...] = ()

    @property
    def entry_symbol(self) -> str:
        """Symbol of the entry function in the code."""
        return f"__tondo_{self.entry}"

    def to_json(self) -> dict[str, object]:
        """Return the JSON form; the parser accepts exactly this."""
        return {
            "format": FORMAT_VERSION,
            "abi": 1,
            "name": self.name,
            "entry": self.entry,
            "producer": dict(self.producer),
            "plugins": dict(self.plugins),
            "target": {
                "kind": self.target.kind,
                "triple": self.target.triple,
                "cpu": self.target.cpu,
                "features": list(self.target.features),
            },
            "symbols": [symbol.to_json() for symbol in self.symbols],
            "inputs": [spec.to_json() for spec in self.inputs],
            "outputs": [spec.to_json() for spec in self.outputs],
            "constants": [spec.to_json() for spec in self.constants],
            "workspace": dim_to_json(self.workspace),
            **({"numbers": list(self.numbers), "slots": self.slots} if self.numbers else {}),
            "kernels": list(self.kernels),
            "packed": list(self.packed),
            "code": [{"member": code.member, "kind": code.kind, "sha256": code.sha256} for code in self.code],
            "members": {path: member.to_json() for path, member in sorted(self.members.items())},
            "pipeline": dict(self.pipeline),
            **({"placement": [dict(row) for row in self.placement]} if self.placement else {}),
        }
