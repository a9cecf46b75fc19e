"""Random parts of the IR for hypothesis: expressions, statements, graph functions, attributes; to print, not to run."""

from __future__ import annotations

from functools import partial

from hypothesis import strategies as st

from tondo.ir import (
    BOOL,
    FLOAT32,
    FLOAT64,
    INT8,
    INT32,
    INT64,
    UINT8,
    Allocate,
    Assert,
    Attrs,
    Binary,
    BindDims,
    Binding,
    Block,
    Broadcast,
    Buffer,
    Call,
    CallDps,
    CallGraph,
    CallPacked,
    Cast,
    Compare,
    Const,
    ConstantRef,
    DType,
    Evaluate,
    Expr,
    For,
    FunctionType,
    GraphRegion,
    GraphVar,
    If,
    IfRegion,
    Intrin,
    Invoke,
    IterVar,
    Join,
    Let,
    Load,
    LoopRegion,
    MatchShape,
    ObjectType,
    Operation,
    Ramp,
    Range,
    Region,
    Reinterpret,
    Reserve,
    ScalarType,
    Select,
    Seq,
    ShapeType,
    ShapeValue,
    Stmt,
    Store,
    TensorFunction,
    TensorType,
    TupleType,
    Type,
    Unary,
    Var,
    View,
    While,
    dims,
    dtype,
)
from tondo.ir.expr import BINARY_OPS, COMPARE_OPS

FLOAT16, BFLOAT16, FP8 = dtype("float16"), dtype("bfloat16"), dtype("float8_e4m3fn")
FLOATS = [FLOAT32, FLOAT64, FLOAT16, BFLOAT16, FP8]
INTS = [INT64, INT32, INT8, UINT8, dtype("uint64")]
ELEMENTS = [*FLOATS, *INTS, BOOL]

# One buffer and one scalar of every type are parameters of the function that the random parts stand in.
BUFFERS = {kind: Buffer(f"b_{kind}", (Var("n"), Const(4)), kind) for kind in ELEMENTS}
SCALARS = {kind: Var(f"s_{kind}", kind) for kind in ELEMENTS}
RANK0 = Buffer("r0", (), FLOAT32)
PARAMS = (Var("n"), *SCALARS.values(), RANK0, *BUFFERS.values())


def constants(kind: DType) -> st.SearchStrategy[Const]:
    if kind.is_bool:
        return st.booleans().map(lambda value: Const(value, kind))
    if kind.is_float:
        return st.floats(width=64).map(lambda value: Const(value, kind))
    low, high = (
        (0, (1 << kind.bits) - 1) if kind.kind == "uint" else (-(1 << (kind.bits - 1)), (1 << (kind.bits - 1)) - 1)
    )
    return st.integers(low, high).map(lambda value: Const(value, kind))


def wide(value: Expr, lanes: int) -> Expr:
    return value if lanes == 1 else Broadcast(value, lanes)


@st.composite
def expressions(draw: st.DrawFn, kind: DType, depth: int = 3) -> Expr:
    """An expression of dtype ``kind``, lanes included."""
    element, lanes = kind.element, kind.lanes
    if depth == 0:
        leaf = draw(st.sampled_from(["const", "var", "load"]))
        if leaf == "const":
            return wide(draw(constants(element)), lanes)
        return wide(SCALARS[element] if leaf == "var" else Load(BUFFERS[element], (SCALARS[INT64], Const(1))), lanes)
    form = draw(
        st.sampled_from(["leaf", "binary", "unary", "select", "cast", "load", "intrin", "other", "compare", "ramp"])
    )
    part = partial(expressions, depth=depth - 1)
    match form:
        case "binary":
            return Binary(draw(st.sampled_from(sorted(BINARY_OPS))), draw(part(kind)), draw(part(kind)))
        case "unary":
            return Unary(draw(st.sampled_from(["neg", "not"])), draw(part(kind)))
        case "select":
            return Select(draw(part(BOOL.with_lanes(lanes))), draw(part(kind)), draw(part(kind)))
        case "cast":
            return Cast(kind, draw(part(draw(st.sampled_from(ELEMENTS)).with_lanes(lanes))))
        case "load":
            return draw(loads(kind, depth))
        case "intrin":
            name = draw(st.sampled_from(["exp", "pow", "fma", "abs"]))
            return Intrin(name, tuple(draw(part(kind)) for _ in range({"pow": 2, "fma": 3}.get(name, 1))), kind)
        case "other":
            kinds = draw(st.lists(st.sampled_from(ELEMENTS), max_size=3))
            name = draw(st.sampled_from(["vendor.op", "isnan", "reinterpret"]))
            return Intrin(name, tuple(draw(part(item)) for item in kinds), kind)
        case "compare" if element == BOOL:
            side = draw(st.sampled_from(ELEMENTS)).with_lanes(lanes)
            return Compare(draw(st.sampled_from(sorted(COMPARE_OPS))), draw(part(side)), draw(part(side)))
        case "ramp" if lanes > 1 and element.is_integer:
            return Ramp(draw(part(element)), draw(part(element)), lanes)
        case _:
            return draw(expressions(kind, depth=0))


@st.composite
def loads(draw: st.DrawFn, kind: DType, depth: int) -> Load:
    index = draw(expressions(INT64.with_lanes(kind.lanes), depth=depth - 1))
    predicate = draw(st.none() | expressions(BOOL.with_lanes(kind.lanes), depth=depth - 1))
    return Load(BUFFERS[kind.element], (draw(expressions(INT64, depth=depth - 1)), index), predicate)


def function_of(body: Stmt) -> TensorFunction:
    return TensorFunction("f", PARAMS, body, 1)


def attributes() -> st.SearchStrategy[Attrs]:
    names = st.text(max_size=6)
    plain = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.sampled_from(ELEMENTS)
        | st.sampled_from([Var("n"), Var("n") * 2 + 1, Const(3), Var("flag", BOOL), Const(1.5, FLOAT64)])
    )
    values = st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(names, inner, max_size=3),
        max_leaves=6,
    )
    return st.dictionaries(names, values, max_size=3).map(Attrs)


class Fresh:
    """Names that no other part uses."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"


@st.composite
def regions(draw: st.DrawFn) -> Region:
    buffer = draw(st.sampled_from([*BUFFERS.values(), RANK0]))
    part = st.builds(Range, expressions(INT64, depth=1), st.just(Const(1)) | expressions(INT64, depth=1))
    return Region(buffer, tuple(draw(part) for _ in buffer.shape))


@st.composite
def statements(draw: st.DrawFn, fresh: Fresh, depth: int = 3) -> Stmt:
    kinds = ["store", "evaluate", "invoke", "assert", "empty"]
    if depth:
        kinds += ["for", "if", "let", "allocate", "reserve", "view", "seq", "while", "block", "single"]
    expr = partial(expressions, depth=1)
    part = partial(statements, fresh, depth - 1)
    match draw(st.sampled_from(kinds)):
        case "store":
            kind = draw(st.sampled_from(ELEMENTS))
            return Store(BUFFERS[kind], (Const(0), SCALARS[INT64]), draw(expr(kind)), draw(st.none() | expr(BOOL)))
        case "evaluate":
            return Evaluate(draw(expr(FLOAT32)))
        case "invoke":
            args = [BUFFERS[FLOAT32], RANK0, draw(expr(INT64)), Const(2.0, FLOAT64)]
            return Invoke("vendor.call", tuple(args[: draw(st.integers(0, 4))]), draw(st.booleans()))
        case "assert":
            return Assert(draw(expr(BOOL)), draw(st.text(max_size=9)))
        case "for":
            var = Var(fresh("i"), draw(st.sampled_from([INT64, INT32])))
            kind = draw(st.sampled_from(["serial", "parallel", "vectorized", "unrolled", "bind:threadIdx.x"]))
            return For(
                var,
                draw(expr(var.dtype)),
                draw(expr(var.dtype)),
                draw(part()),
                kind,
                draw(st.just(Attrs()) | st.just(Attrs(step=2))),
            )
        case "if":
            return If(draw(expr(BOOL)), draw(part()), draw(st.none() | part()))
        case "let":
            value = draw(expr(draw(st.sampled_from(ELEMENTS))))
            return Let(Var(fresh("v"), value.dtype), value, draw(part()))
        case "allocate":
            strides = draw(st.none() | st.just((Const(9), Const(1))))
            made = Buffer(
                fresh("t"),
                (Var("n"), Const(8)),
                draw(st.sampled_from(ELEMENTS)),
                draw(st.sampled_from(["global", "amx.tile"])),
                strides,
                64,
            )
            return Allocate(made, draw(part()))
        case "reserve":
            return Reserve(Buffer(fresh("w"), (Const(2),), UINT8), draw(expr(INT64)), draw(part()))
        case "view":
            return View(Buffer(fresh("w"), (Const(2),), UINT8), RANK0, draw(expr(INT64)), draw(part()))

        case "seq":
            return Seq(tuple(draw(st.lists(part(), max_size=4))))
        case "single":
            return Seq((draw(part()),))
        case "while":
            return While(draw(expr(BOOL)), draw(part()))
        case "block":
            return draw(blocks(fresh, depth))
        case _:
            return Seq(())


@st.composite
def blocks(draw: st.DrawFn, fresh: Fresh, depth: int) -> Block:
    kinds = draw(st.lists(st.sampled_from(["spatial", "reduction"]), max_size=3))
    iters = tuple(IterVar(Var(fresh("k")), Var("n") + 1, draw(expressions(INT64, depth=1)), kind) for kind in kinds)
    many = st.lists(regions(), max_size=2).map(tuple)
    part = statements(fresh, depth - 1)
    return Block(
        draw(st.sampled_from(["a", "with space", "quote'd"])),
        iters,
        draw(many),
        draw(many),
        draw(part),
        draw(st.none() | part),
        draw(st.none() | expressions(BOOL, depth=1)),
        draw(st.just(Attrs()) | st.just(Attrs(note="x"))),
    )


N, M = Var("n"), Var("m")
SHAPES = [(), (N,), (N, Const(4)), (N * 2 + 1, M), (Const(0),)]
KINDS: list[Type] = [
    *(TensorType(dims(shape), kind) for shape in SHAPES for kind in (FLOAT32, BFLOAT16, BOOL)),
    TensorType(None, INT8),
    ScalarType(INT64),
    ShapeType(3),
    ObjectType("sequence"),
    TupleType(()),
    TupleType((ShapeType(1),)),
    FunctionType((ScalarType(BOOL),), (TensorType(None, FLOAT32), ObjectType("x y"))),
]
WEIGHT = ConstantRef("w", TensorType(dims((3,)), FLOAT32))
UNKNOWN = ConstantRef("missing", TensorType(dims((2, 2)), INT8))


@st.composite
def operations(draw: st.DrawFn, known: list[GraphVar], fresh: Fresh, depth: int) -> Operation:
    atom = st.sampled_from([*known, WEIGHT, UNKNOWN])
    atoms = st.lists(atom, max_size=3).map(tuple)
    size = st.sampled_from([Const(3), N, N * M + 1])
    sizes = st.lists(size, max_size=3).map(tuple)
    forms = ["call", "dps", "packed", "graph", "shape", "match", "view", "bind", "join"] + (
        ["if", "loop"] if depth else []
    )
    match draw(st.sampled_from(forms)):
        case "call":
            return Call(draw(st.sampled_from(["relu", "vendor.op"])), draw(atoms), draw(attributes()))
        case "dps":
            return CallDps("f", draw(atoms), draw(sizes))
        case "packed":
            return CallPacked(
                "my.lib", draw(atoms), draw(attributes()), draw(st.sampled_from(["pure", "inplace", "io"]))
            )
        case "graph":
            return CallGraph("other", draw(atoms))
        case "shape":
            return ShapeValue(draw(sizes))
        case "match":
            return MatchShape(draw(atom), draw(sizes))
        case "view":
            return Reinterpret(draw(atom), draw(st.none() | size))
        case "join":
            values = draw(st.lists(atom.filter(lambda item: isinstance(item, GraphVar)), min_size=1, max_size=3))
            return Join(tuple(values), draw(st.integers(0, 3)))
        case "bind":
            return BindDims(draw(atom), tuple(draw(st.lists(st.sampled_from([N, M - 1, Var("fresh")]), max_size=2))))
        case "if":
            return IfRegion(
                draw(atom), draw(graph_regions(known, fresh, depth, 0)), draw(graph_regions(known, fresh, depth, 0))
            )
        case _:
            some = st.none() | atom
            return LoopRegion(draw(some), draw(some), draw(atoms), draw(graph_regions(known, fresh, depth, 2)))


@st.composite
def graph_bindings(draw: st.DrawFn, known: list[GraphVar], fresh: Fresh, depth: int) -> tuple[Binding, ...]:
    made: list[Binding] = []
    for _ in range(draw(st.integers(0, 4))):
        operation = draw(operations(list(known), fresh, depth))
        count = draw(st.sampled_from([1, 1, 1, 0, 2]))
        results = tuple(GraphVar(fresh("v"), draw(st.sampled_from(KINDS))) for _ in range(count))
        known.extend(results)
        made.append(Binding(results, operation, draw(st.none() | st.text(max_size=8))))
    return tuple(made)


@st.composite
def graph_regions(draw: st.DrawFn, known: list[GraphVar], fresh: Fresh, depth: int, params: int) -> GraphRegion:
    inner = tuple(GraphVar(fresh("p"), draw(st.sampled_from(KINDS))) for _ in range(params))
    seen = [*known, *inner]
    body = draw(graph_bindings(seen, fresh, depth - 1))
    return GraphRegion(inner, body, tuple(draw(st.lists(st.sampled_from([*seen, WEIGHT]), max_size=3))))
