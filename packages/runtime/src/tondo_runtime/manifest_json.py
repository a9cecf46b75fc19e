"""Parse and check ``manifest.json``.

Refuses, naming the field: a newer format or ABI (TND-A003) and everything that is not exactly a manifest (TND-A001):
wrong types, unknown element types, undeclared symbols, duplicate names, counts, ranks and lengths above the caps,
symbols that no input dimension binds, code members that are not listed as members. Unknown extra keys are ignored,
so that a newer compiler may add information within one format version.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, TypeVar, cast

from tondo_runtime.abi import ABI_VERSION
from tondo_runtime.dims import INT64_MAX, names_of, parse_dim
from tondo_runtime.dtypes import NAMES
from tondo_runtime.errors import fail
from tondo_runtime.manifest import (
    FORMAT_VERSION,
    CodeSpec,
    ConstantSpec,
    Manifest,
    MemberSpec,
    Plain,
    SymbolSpec,
    TargetSpec,
    TensorSpec,
)
from tondo_runtime.objects import is_kind
from tondo_runtime.tensors import MAX_RANK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tondo_runtime.dims import Dim

T = TypeVar("T")

MAX_BYTES = 64 << 20
MAX_NAME = 4096
MAX_TENSORS = 4096
MAX_CONSTANTS = 1 << 20
MAX_NAMES = 1 << 20
MAX_MEMBERS = 65536
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.$]*\Z")
_MEMBER = re.compile(r"(?:module\.tondo|weights\.safetensors|code/[A-Za-z0-9_][A-Za-z0-9_.\-]*)\Z")
_CODE_KIND = re.compile(r"[a-z][a-z0-9_\-]{0,31}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def is_member_path(path: str) -> bool:
    """Tell whether an artifact may hold a member of this path besides the manifest itself."""
    return len(path) <= MAX_NAME and _MEMBER.match(path) is not None


def is_code_kind(kind: str) -> bool:
    """Tell whether ``kind`` may name a kind of code: up to 32 lower-case letters, digits, dashes, underscores."""
    return _CODE_KIND.match(kind) is not None


def parse_manifest(text: bytes | str, place: str = "manifest.json") -> Manifest:
    """Return the manifest in JSON ``text``.

    Args:
        text: JSON, UTF-8.
        place: how to call the file in messages.

    Raises:
        RuntimeFailure: TND-A001 for anything malformed, TND-A003 for a newer format or ABI.
    """
    try:
        root = _Record("manifest", _load(text))
        _check_version(root, "format", FORMAT_VERSION, place)
        _check_version(root, "abi", ABI_VERSION, place)
        return _manifest(root)
    except (ValueError, RecursionError) as error:
        fail(
            "TND-A001",
            f"{place} is not a valid manifest: {error}",
            help="copy or build the artifact again",
        )


class _FormatError(ValueError):
    """Something in the file is not what a manifest may hold."""


class _Record:
    """A JSON object with checked access; ``where`` names it in messages."""

    __slots__ = ("_items", "where")

    def __init__(self, where: str, value: object) -> None:
        if not isinstance(value, dict):
            raise _FormatError(f"{where} is not an object")
        self.where = where
        self._items = cast("dict[str, object]", value)

    def items(self, limit: int) -> list[tuple[str, object]]:
        if len(self._items) > limit:
            raise _FormatError(f"{self.where} has more than {limit} entries")
        return list(self._items.items())

    def value(self, key: str) -> object:
        if key not in self._items:
            raise _FormatError(f"{self.where} lacks '{key}'")
        return self._items[key]

    def __contains__(self, key: str) -> bool:
        return key in self._items

    def text(self, key: str, *, empty: bool = False) -> str:
        return _text(f"{self.where}.{key}", self.value(key), empty=empty)

    def integer(self, key: str, low: int = 0, high: int = INT64_MAX) -> int:
        return _integer(f"{self.where}.{key}", self.value(key), low, high)

    def list(self, key: str, limit: int, parse: Callable[[str, object], T]) -> tuple[T, ...]:
        where = f"{self.where}.{key}"
        value = self.value(key)
        if not isinstance(value, list):
            raise _FormatError(f"{where} is not a list")
        items = cast("list[object]", value)
        if len(items) > limit:
            raise _FormatError(f"{where} has more than {limit} items")
        return tuple(parse(f"{where}[{index}]", item) for index, item in enumerate(items))

    def record(self, key: str) -> _Record:
        return _Record(f"{self.where}.{key}", self.value(key))

    def texts(self, key: str) -> dict[str, str]:
        record = self.record(key)
        return {
            _text(f"key of {record.where}", name): _text(f"{record.where}.{name}", value, empty=True)
            for name, value in record.items(MAX_MEMBERS)
        }


def _load(text: bytes | str) -> object:
    if len(text) > MAX_BYTES:
        raise _FormatError(f"it is larger than {MAX_BYTES} bytes")
    return json.loads(text)


def _check_version(root: _Record, key: str, known: int, place: str) -> None:
    version = root.integer(key, 1)
    if version > known:
        fail(
            "TND-A003",
            f"{place} has {key} version {version}, this tondo-runtime reads up to {known}",
            help="upgrade tondo-runtime, or build the artifact with an older tondo",
        )


def _manifest(root: _Record) -> Manifest:
    symbols = root.list("symbols", MAX_TENSORS, _symbol)
    known = frozenset(_unique("symbol", [symbol.name for symbol in symbols]))
    entry = root.text("entry")
    if not _IDENTIFIER.match(entry):
        raise _FormatError(f"manifest.entry {entry[:64]!r} is not an identifier")
    numbers = root.list("numbers", MAX_NAMES, _text) if "numbers" in root else ()
    slots = root.integer("slots", 0, MAX_NAMES) if "slots" in root else 0
    found = frozenset(_unique("symbol or number", [*known, *numbers]))
    tensor, result = _tensor_parser(known), _tensor_parser(found, slots)
    manifest = Manifest(
        name=root.text("name", empty=True),
        entry=entry,
        inputs=root.list("inputs", MAX_TENSORS, tensor),
        outputs=root.list("outputs", MAX_TENSORS, result),
        symbols=symbols,
        constants=root.list("constants", MAX_CONSTANTS, _constant),
        workspace=parse_dim(root.value("workspace"), known),
        numbers=numbers,
        slots=slots,
        kernels=root.list("kernels", MAX_NAMES, _text),
        packed=root.list("packed", MAX_NAMES, _text),
        target=_target(root.record("target")),
        code=root.list("code", MAX_MEMBERS, _code),
        members=_members(root.record("members")),
        producer=root.texts("producer"),
        plugins=root.texts("plugins"),
        pipeline=dict(root.record("pipeline").items(MAX_NAMES)),
        placement=root.list("placement", MAX_NAMES, _row) if "placement" in root else (),
    )
    _check_whole(manifest)
    return manifest


def _check_whole(manifest: Manifest) -> None:
    _unique("input", [spec.name for spec in manifest.inputs])
    _unique("output", [spec.name for spec in manifest.outputs])
    _unique("constant", [spec.name for spec in manifest.constants])
    _unique("code member", [code.member for code in manifest.code])
    bound = {dim for spec in manifest.inputs for dim in spec.shape if isinstance(dim, str)}
    for symbol in manifest.symbols:
        if symbol.name not in bound:
            raise _FormatError(f"no input has the symbol {symbol.name!r} as a dimension of its own")
    given = frozenset(manifest.numbers)
    for spec in manifest.outputs:
        if spec.slot is None and any(given & names_of(dim) for dim in spec.shape):
            raise _FormatError(f"the output {spec.name!r} depends on numbers of the call and has no slot")
    for code in manifest.code:
        member = manifest.members.get(code.member)
        if manifest.members and (member is None or member.sha256 != code.sha256):
            raise _FormatError(f"code member {code.member!r} disagrees with manifest.members")


def _symbol(where: str, value: object) -> SymbolSpec:
    record = _Record(where, value)
    low = record.integer("min")
    return SymbolSpec(record.text("name"), low, record.integer("max", low) if "max" in record else None)


def _tensor_parser(symbols: frozenset[str], slots: int = 0) -> Callable[[str, object], TensorSpec]:
    def dim(where: str, value: object) -> Dim:
        parsed = parse_dim(value, symbols)
        if isinstance(parsed, int) and parsed < 0:
            raise _FormatError(f"{where} is negative")
        return parsed

    def tensor(where: str, value: object) -> TensorSpec:
        record = _Record(where, value)
        slot = record.integer("slot", 0, slots - 1) if slots and "slot" in record else None
        shape, kind = record.list("shape", MAX_RANK, dim), None
        if "object" in record:
            kind = record.text("object")
            if not is_kind(kind) or shape or record.text("dtype") != "int64":
                raise _FormatError(f"{where} is no handle of a value, {kind[:64]!r}")
        return TensorSpec(record.text("name"), _dtype(record), shape, slot, kind)

    return tensor


def _constant(where: str, value: object) -> ConstantSpec:
    record = _Record(where, value)
    return ConstantSpec(record.text("name"), _dtype(record), record.list("shape", MAX_RANK, _integer))


def _dtype(record: _Record) -> str:
    name = record.text("dtype")
    if name not in NAMES:
        raise _FormatError(f"{record.where} has the unsupported element type {name[:64]!r}")
    return name


def _target(record: _Record) -> TargetSpec:
    return TargetSpec(
        kind=record.text("kind"),
        triple=record.text("triple", empty=True),
        cpu=record.text("cpu", empty=True),
        features=record.list("features", 4096, _text),
    )


def _code(where: str, value: object) -> CodeSpec:
    record = _Record(where, value)
    member, kind = record.text("member"), record.text("kind")
    if not is_member_path(member) or not member.startswith("code/"):
        raise _FormatError(f"{where}.member {member[:64]!r} is not a path like 'code/name.o'")
    if not is_code_kind(kind):
        raise _FormatError(f"{where}.kind is {kind[:64]!r}, which is no kind of code")
    return CodeSpec(member, kind, _sha256(record))


def _row(where: str, value: object) -> dict[str, Plain]:
    """Return a row of a report; it is for people, and nothing depends on its keys."""
    row: dict[str, Plain] = {}
    for key, item in _Record(where, value).items(64):
        if not isinstance(item, str | int | float) or len(str(item)) > MAX_NAME:
            raise _FormatError(f"{where}.{key[:64]} is neither a text nor a number")
        row[_text(f"key of {where}", key)] = item
    return row


def _members(record: _Record) -> dict[str, MemberSpec]:
    members: dict[str, MemberSpec] = {}
    for path, value in record.items(MAX_MEMBERS):
        if not is_member_path(path):
            raise _FormatError(f"{record.where} names the unexpected path {path[:64]!r}")
        entry = _Record(f"{record.where}[{path!r}]", value)
        members[path] = MemberSpec(_sha256(entry), entry.integer("size"), _blocks(entry))
    return members


def _blocks(record: _Record) -> tuple[str, ...]:
    """Digests of the blocks of a member; older artifacts have none."""
    return record.list("blocks", MAX_NAMES, _hexadecimal) if "blocks" in record else ()


def _sha256(record: _Record) -> str:
    return _hexadecimal(f"{record.where}.sha256", record.text("sha256"))


def _hexadecimal(where: str, value: object) -> str:
    if not isinstance(value, str) or not _SHA256.match(value):
        raise _FormatError(f"{where} is not 64 hexadecimal digits")
    return value


def _text(where: str, value: object, *, empty: bool = False) -> str:
    if not isinstance(value, str):
        raise _FormatError(f"{where} is not a string")
    if not value and not empty:
        raise _FormatError(f"{where} is empty")
    if len(value) > MAX_NAME:
        raise _FormatError(f"{where} is longer than {MAX_NAME} characters")
    if "\0" in value:
        raise _FormatError(f"{where} holds a null character")
    return value


def _integer(where: str, value: object, low: int = 0, high: int = INT64_MAX) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _FormatError(f"{where} is not an integer")
    if not low <= value <= high:
        raise _FormatError(f"{where} is {value}, outside {low}..{high}")
    return value


def _unique(what: str, names: Iterable[str]) -> list[str]:
    seen: list[str] = []
    known: set[str] = set()
    for name in names:
        if name in known:
            raise _FormatError(f"the {what} name {name[:64]!r} occurs twice")
        known.add(name)
        seen.append(name)
    return seen
