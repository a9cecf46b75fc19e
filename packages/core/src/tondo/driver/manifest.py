"""The manifest of a compiled module: what the runtime must know to call it.

The pipeline leaves a module whose attributes describe the entry function (see :func:`signature_of`), or whose graph
function ``main`` still stands for the interpreter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from tondo.arith import USUAL, Interval, dimension_bounds
from tondo.diagnostics import fail
from tondo.ir import Attrs, Binary, Compare, Const, DType, Expr, IRModule, Select, TensorType, Unary, Var
from tondo.ir.expr import CompareOp
from tondo.passes import LibraryCode
from tondo.passes.placement import placements_of
from tondo.plugin import CompiledCode
from tondo.support.version import __version__
from tondo.target import Target
from tondo_runtime import CodeSpec, ConstantSpec, Manifest, SymbolSpec, TargetSpec, TensorSpec
from tondo_runtime.dims import Dim, DimOperator, DimTree

ENTRY: Final = "main"

_OPERATORS: Final = frozenset({"add", "sub", "mul", "floordiv", "floormod", "min", "max"})
_SUFFIXES: Final = {"object": "o", "shared": "so"}


@dataclass(frozen=True, slots=True)
class Signature:
    """What the entry function takes, in the order of its arguments: symbols, inputs, constants, outputs, workspace."""

    symbols: tuple[SymbolSpec, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    constants: tuple[str, ...]
    workspace: Dim
    numbers: tuple[str, ...] = ()
    slots: int = 0


Bounds = Mapping[str, tuple[int, int | None]]
"""Smallest and largest size by the name of a symbol; None: unbounded."""


def signature_of(module: IRModule, bounds: Bounds | None = None) -> Signature:
    """Return the signature that the pipeline's last pass left in the attributes of ``module``.

    The attributes are ``symbols`` (names), ``inputs`` and ``outputs`` (mappings
    ``{name, dtype, shape}``, and ``object`` for a handle of another value), ``constants`` (names of the module's
    constants in the order of the arguments) and ``workspace`` (bytes), and for a model that finds out dimensions in the
    call ``numbers`` (their names) and ``slots`` (how many there are). Shapes and bytes are expressions over the
    symbols. ``bounds`` are those of symbols.

    Raises:
        TondoError: TND-B001 if an attribute is missing or of another form.
    """
    attrs = module.attrs
    for name in ("symbols", "inputs", "outputs", "constants", "workspace"):
        if name not in attrs:
            fail(
                "TND-B001",
                f"the module has no attribute '{name}' after the last pass",
                help="end the pipeline with the passes that make the host function",
            )
    known = dimension_bounds(module, bounds or {})
    return Signature(
        tuple(_symbol(_name(entry), known) for entry in _items(attrs["symbols"])),
        tuple(_tensor(entry) for entry in _items(attrs["inputs"])),
        tuple(_tensor(entry) for entry in _items(attrs["outputs"])),
        tuple(_name(entry) for entry in _items(attrs["constants"])),
        dim_of(attrs["workspace"]),
        tuple(_name(entry) for entry in _items(attrs.get("numbers", ()))),
        _count(attrs.get("slots", 0)),
    )


def graph_signature(module: IRModule, bounds: Bounds | None = None) -> Signature:
    """Return the signature of the graph function ``main``, for the interpreter; ``bounds`` are those of symbols.

    Raises:
        TondoError: TND-B001 if there is none, or if a parameter or result is not a tensor of known rank.
    """
    function = module.functions.get(ENTRY)
    if function is None or not hasattr(function, "bindings"):
        fail("TND-B001", f"the module has no graph function '{ENTRY}'")
    graph = module.graph(ENTRY)
    inputs = _named(graph.attrs.get("input_names"), [(param.name, param.type) for param in graph.params])
    inputs = _with_objects(inputs, graph.attrs.get("input_objects"))
    results = [(getattr(atom, "name", "output"), atom.type) for atom in graph.results]
    outputs = _with_objects(_named(graph.attrs.get("output_names"), results), graph.attrs.get("output_objects"))
    symbols = dict.fromkeys(dim for spec in inputs for dim in spec.shape if isinstance(dim, str))
    known = dimension_bounds(module, bounds or {})
    return Signature(tuple(_symbol(name, known) for name in symbols), inputs, outputs, (), 0)


def make_manifest(
    module: IRModule,
    signature: Signature,
    code: CompiledCode,
    target: Target,
    name: str,
    plugins: Mapping[str, str],
    pipeline: Mapping[str, object],
    foreign: Mapping[str, LibraryCode] | None = None,
) -> Manifest:
    """Return the manifest of ``module`` compiled to ``code``; digests are filled in when it is written.

    ``foreign`` is the code of libraries by member path.
    """
    constants = [(constant, module.constants[constant].array) for constant in signature.constants]
    return Manifest(
        name=name,
        entry=ENTRY,
        inputs=signature.inputs,
        outputs=signature.outputs,
        symbols=signature.symbols,
        constants=tuple(ConstantSpec(key, array.dtype.name, array.shape) for key, array in constants),
        workspace=signature.workspace,
        numbers=signature.numbers,
        slots=signature.slots,
        kernels=code.kernels,
        packed=code.packed,
        target=TargetSpec(target.kind, target.triple, target.cpu, tuple(sorted(code.features or target.features))),
        code=(
            *(CodeSpec(member_of(entry.name, entry.kind), entry.kind, "") for entry in code.objects),
            *(CodeSpec(member, piece.kind, "") for member, piece in (foreign or {}).items()),
        ),
        producer={"tondo": __version__},
        plugins=dict(plugins),
        pipeline=dict(pipeline),
        placement=tuple(row.to_json() for row in placements_of(module)),
    )


def member_of(name: str, kind: str) -> str:
    """Return the path inside an artifact of one piece of machine code."""
    return f"code/{name}.{_SUFFIXES[kind]}"


def dim_of(value: object) -> Dim:
    """Return an expression over symbols as a dimension of the manifest.

    Raises:
        TondoError: TND-B001 for an operation that the runtime cannot evaluate.
    """
    match value:
        case bool():
            pass
        case int() | str():
            return value
        case Const():
            return int(value.value)
        case Var():
            return value.name
        case Binary(op="and"):
            return DimTree("mul", dim_of(value.a), dim_of(value.b))
        case Binary(op="or"):
            return DimTree("max", dim_of(value.a), dim_of(value.b))
        case Binary() if value.op in _OPERATORS:
            return DimTree(cast("DimOperator", value.op), dim_of(value.a), dim_of(value.b))
        case Select():
            # what is not chosen is computed as well, times 0
            chosen, a, b = (dim_of(part) for part in (value.condition, value.a, value.b))
            return DimTree("add", DimTree("mul", chosen, a), DimTree("mul", DimTree("sub", 1, chosen), b))
        case Compare():
            return _comparison(value.op, dim_of(value.a), dim_of(value.b))
        case Unary(op="not"):
            return DimTree("sub", 1, dim_of(value.a))
        case _:
            pass
    return fail("TND-B001", f"the dimension {value!r} cannot be computed at run time")


def _comparison(op: CompareOp, a: Dim, b: Dim) -> Dim:
    """Return a comparison as 1 or 0."""
    match op:
        case "eq":
            return DimTree("eq", a, b)
        case "ne":
            return DimTree("sub", 1, DimTree("eq", a, b))
        case "lt":
            return DimTree("lt", a, b)
        case "gt":
            return DimTree("lt", b, a)
        case "le":
            return DimTree("sub", 1, DimTree("lt", b, a))
        case "ge":
            return DimTree("sub", 1, DimTree("lt", a, b))


def _symbol(name: str, bounds: Mapping[str, Interval]) -> SymbolSpec:
    limits = bounds.get(name, USUAL)
    return SymbolSpec(name, 0 if limits.low is None else limits.low, limits.high)


def _tensor(entry: object) -> TensorSpec:
    if not isinstance(entry, Attrs):
        fail("TND-B001", f"an input or output is described by {entry!r}, not by a mapping")
    shape = tuple(dim_of(dim) for dim in _items(entry["shape"]))
    slot = entry.get("slot")
    kind = entry.get("object")
    return TensorSpec(
        _name(entry["name"]), str(entry["dtype"]), shape, slot if isinstance(slot, int) else None,
        kind if isinstance(kind, str) else None,
    )  # fmt: skip


def _count(value: object) -> int:
    return value if isinstance(value, int) else fail("TND-B001", f"a count is described by {value!r}")


def _named(names: object, values: Sequence[tuple[str, object]]) -> tuple[TensorSpec, ...]:
    """Describe values under the names that the importer gave them, else under their own."""
    given = [str(name) for name in cast("tuple[object, ...]", names)] if isinstance(names, tuple) else []
    labels = given if len(given) == len(values) else [name for name, _ in values]
    return tuple(_typed(label, type_) for label, (_, type_) in zip(labels, values, strict=True))


def _with_objects(specs: tuple[TensorSpec, ...], kinds: object) -> tuple[TensorSpec, ...]:
    """Return the description of values of which some are handles: ``kinds`` says of what, or is empty."""
    if not isinstance(kinds, tuple):
        return specs
    found = zip(specs, cast("tuple[object, ...]", kinds), strict=True)
    return tuple(replace(spec, object=str(kind)) if kind else spec for spec, kind in found)


def _typed(name: str, type_: object) -> TensorSpec:
    if not isinstance(type_, TensorType) or type_.shape is None:
        fail("TND-B001", f"'{name}' is not a tensor of known rank")
    return TensorSpec(name, str(type_.dtype), tuple(dim_of(dim) for dim in type_.shape))


def _items(value: object) -> Iterable[object]:
    if not isinstance(value, tuple):
        fail("TND-B001", f"a list is described by {value!r}")
    return cast("tuple[object, ...]", value)


def _name(value: object) -> str:
    match value:
        case str():
            return value
        case Var():
            return value.name
        case DType() | Expr() | _:
            return fail("TND-B001", f"{value!r} stands where a name belongs")
