"""Rules of graph functions: names, constants, calls with their types, regions, stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tondo.arith import Analyzer, Interval
from tondo.ir import (
    BOOL,
    INT64,
    Atom,
    BindDims,
    Binding,
    Call,
    CallDps,
    CallGraph,
    CallPacked,
    Const,
    ConstantRef,
    Expr,
    GraphFunction,
    GraphRegion,
    GraphVar,
    IfRegion,
    IRModule,
    Join,
    LoopRegion,
    MatchShape,
    Part,
    Reinterpret,
    TensorFunction,
    TensorType,
    Var,
    add,
    mul,
    parts_of,
    substitute,
    walk,
)
from tondo.passes.verify.findings import Finding, GraphRule
from tondo.passes.verify.parts import check_parts


def _check_names(module: IRModule, function: GraphFunction) -> Iterator[Finding]:
    """Values are named once and before they are used; a region's values stay inside."""
    del module
    taken: set[str] = set()
    yield from _region_names(function.params, function.bindings, function.results, {}, taken)


def _region_names(
    params: Sequence[GraphVar],
    bindings: Sequence[Binding],
    results: Sequence[Atom],
    outer: dict[str, GraphVar],
    taken: set[str],
) -> Iterator[Finding]:
    scope = dict(outer)
    for param in params:
        yield from _name(param, scope, taken)
    for binding in bindings:
        for atom in _arguments(binding):
            yield from _use(atom, scope)
        for region in _regions(binding):
            yield from _region_names(region.params, region.bindings, region.results, scope, taken)
        for var in binding.vars:
            yield from _name(var, scope, taken)
    for atom in results:
        yield from _use(atom, scope)


def _name(var: GraphVar, scope: dict[str, GraphVar], taken: set[str]) -> Iterator[Finding]:
    if var.name in taken:
        yield Finding(f"two values are called '{var.name}'")
    taken.add(var.name)
    scope[var.name] = var


def _use(atom: Atom, scope: dict[str, GraphVar]) -> Iterator[Finding]:
    if isinstance(atom, ConstantRef):
        return
    known = scope.get(atom.name)
    if known is None:
        yield Finding(f"the value '{atom.name}' is not defined before its use")
    elif known != atom:
        yield Finding(f"the value '{atom.name}' is used with another type than it is defined with")


def _arguments(binding: Binding) -> tuple[Atom, ...]:
    match binding.operation:
        case Call() | CallDps() | CallPacked() | CallGraph() | Join():
            return binding.operation.args
        case MatchShape() | Reinterpret() | BindDims():
            return (binding.operation.arg,)
        case IfRegion():
            return (binding.operation.condition,)
        case LoopRegion(trips=trips, condition=condition, carried=carried):
            return tuple(atom for atom in (trips, condition, *carried) if atom is not None)
        case _:
            return ()


def _regions(binding: Binding) -> tuple[GraphRegion, ...]:
    match binding.operation:
        case IfRegion(then=then, orelse=orelse):
            return then, orelse
        case LoopRegion(body=body):
            return (body,)
        case _:
            return ()


def _bindings(bindings: Sequence[Binding]) -> Iterator[Binding]:
    for binding in bindings:
        yield binding
        for region in _regions(binding):
            yield from _bindings(region.bindings)


def _check_constants(module: IRModule, function: GraphFunction) -> Iterator[Finding]:
    """Constants exist and have the type they are used with."""
    for item in dict.fromkeys(item for item in walk(function) if isinstance(item, ConstantRef)):
        data = module.constants.get(item.name)
        if data is None:
            yield Finding(f"there is no constant '{item.name}'")
        elif data.type != item.type:
            yield Finding(f"constant '{item.name}' has another type than it is used with")


def _check_calls(module: IRModule, function: GraphFunction) -> Iterator[Finding]:
    """Called functions exist and take arguments and results of these types."""
    parts = parts_of(function.bindings)
    for binding in _bindings(function.bindings):
        match binding.operation:
            case CallDps():
                yield from _placed(_call_dps(module, binding, binding.operation, parts), binding)
            case CallGraph():
                yield from _placed(_call_graph(module, binding, binding.operation), binding)
            case BindDims():
                yield from _placed(_bind_dims(binding, binding.operation), binding)
            case Join():
                yield from _placed(_join(binding, binding.operation), binding)
            case Reinterpret():
                yield from _placed(_reinterpret(binding, binding.operation), binding)
            case _:
                pass


def _placed(messages: Iterator[str], binding: Binding) -> Iterator[Finding]:
    name = binding.vars[0].name if binding.vars else "?"
    source = f" (from {binding.source})" if binding.source else ""
    for message in messages:
        yield Finding(f"'{name}'{source}: {message}", binding.span)


def _call_dps(module: IRModule, binding: Binding, call: CallDps, parts: Mapping[GraphVar, Part]) -> Iterator[str]:
    callee = module.functions.get(call.function)
    if not isinstance(callee, TensorFunction):
        yield f"there is no tensor function '{call.function}'"
        return
    scratch = callee.attrs.get("workspace", 0)
    outputs = callee.outputs - (scratch if isinstance(scratch, int) else 0)
    counts = (
        ("scalars", len(callee.scalars), len(call.scalars)),
        ("inputs", len(callee.input_buffers), len(call.args)),
        ("outputs", outputs, len(binding.vars)),
    )
    wrong = [
        f"'{call.function}' has {takes} {what}, {given} are given" for what, takes, given in counts if takes != given
    ]
    yield from wrong
    if wrong:
        return
    scalars: dict[Var, Expr] = dict(zip(callee.scalars, call.scalars, strict=True))
    for buffer, atom in zip(callee.buffers, (*call.args, *binding.vars), strict=False):
        if not isinstance(atom.type, TensorType):
            yield f"'{atom.name}' is not a tensor"
            continue
        shape = tuple(substitute(dim, scalars) for dim in buffer.shape)
        part = parts.get(atom) if isinstance(atom, GraphVar) else None
        if part is not None and buffer.strides is None and buffer.rank == 1:
            difference = None if _same(shape[0], part.span) else "differ in the span of their elements"
        else:
            difference = _difference(TensorType(shape, buffer.dtype), atom.type)
        if difference:
            yield f"'{buffer.name}' of '{call.function}' and '{atom.name}' {difference}"


def _call_graph(module: IRModule, binding: Binding, call: CallGraph) -> Iterator[str]:
    callee = module.functions.get(call.function)
    if not isinstance(callee, GraphFunction):
        yield f"there is no graph function '{call.function}'"
        return
    if len(callee.params) != len(call.args) or len(callee.results) != len(binding.vars):
        yield f"'{call.function}' has {len(callee.params)} parameters and {len(callee.results)} results"
        return
    for param, atom in zip((*callee.params, *callee.results), (*call.args, *binding.vars), strict=True):
        if isinstance(param.type, TensorType) and isinstance(atom.type, TensorType):
            if param.type.dtype != atom.type.dtype:
                yield f"'{param.name}' of '{call.function}' and '{atom.name}' differ in dtype"
        elif param.type != atom.type:
            yield f"'{param.name}' of '{call.function}' and '{atom.name}' differ in type"


def _bind_dims(binding: Binding, operation: BindDims) -> Iterator[str]:
    kind = operation.arg.type
    if binding.vars:
        yield f"dimensions are bound, not {len(binding.vars)} values"
    if not isinstance(kind, TensorType) or kind.dtype != INT64:
        yield f"'{operation.arg.name}', which gives dimensions, is no int64 tensor"
    elif kind.shape is not None and kind.shape not in {(), (Const(len(operation.dims)),)}:
        yield f"'{operation.arg.name}' does not have {len(operation.dims)} elements"


def _reinterpret(binding: Binding, operation: Reinterpret) -> Iterator[str]:
    if len(binding.vars) != 1:
        yield f"a view has one name, not {len(binding.vars)}"
        return
    wanted, given = binding.var.type, operation.arg.type
    if not isinstance(wanted, TensorType) or not isinstance(given, TensorType):
        yield "a view of what is no tensor"
    elif wanted.dtype != given.dtype:
        yield f"the view has dtype {wanted.dtype}, '{operation.arg.name}' {given.dtype}"
    elif wanted.shape is None or given.shape is None:
        yield "a view of unknown rank"
    elif operation.offset is not None:
        end = Analyzer().simplify(add(operation.offset, _elements(wanted.shape)))
        count = _elements(given.shape)
        if isinstance(end, Const) and isinstance(count, Const) and end.value > count.value:
            yield f"the view ends behind '{operation.arg.name}'"
    elif not _same(_elements(wanted.shape), _elements(given.shape)):
        yield f"the view and '{operation.arg.name}' differ in their number of elements"


def _join(binding: Binding, operation: Join) -> Iterator[str]:
    if len(binding.vars) != 1:
        yield f"a join has one name, not {len(binding.vars)}"
        return
    types = [binding.var.type, *(arg.type for arg in operation.args)]
    tensors = [kind for kind in types if isinstance(kind, TensorType) and kind.shape is not None]
    if len(tensors) != len(types) or not operation.args:
        yield "a join of what are no tensors of known rank"
        return
    whole, *given = tensors
    axis = operation.axis
    if any(kind.dtype != whole.dtype or kind.rank != whole.rank for kind in given) or not 0 <= axis < whole.rank:
        yield "the arguments of a join differ in dtype or rank, or have no such axis"
        return
    total: Expr = Const(0)
    for kind in given:
        total = add(total, kind.dims[axis])
        for i, (extent, wanted) in enumerate(zip(kind.dims, whole.dims, strict=True)):
            if i != axis and not _same(extent, wanted):
                yield f"the arguments of a join differ in dimension {i}"
    if not _same(total, whole.dims[axis]):
        yield f"the arguments of a join do not fill dimension {axis}"


def _difference(wanted: TensorType, given: TensorType) -> str | None:
    """Return how two types differ; shapes are compared up to simplification, unknown ranks not at all.

    A function that sees its buffers flat (one dimension) is compared by the number of elements.
    """
    if wanted.dtype != given.dtype:
        return f"differ in dtype: {wanted.dtype} and {given.dtype}"
    if wanted.shape is None or given.shape is None:
        return None
    if len(wanted.shape) == 1 != len(given.shape):
        return None if _same(wanted.shape[0], _elements(given.shape)) else "differ in their number of elements"
    if len(wanted.shape) != len(given.shape):
        return f"differ in rank: {len(wanted.shape)} and {len(given.shape)}"
    for axis, (a, b) in enumerate(zip(wanted.shape, given.shape, strict=True)):
        if not _same(a, b):
            return f"differ in dimension {axis}"
    return None


def _elements(shape: tuple[Expr, ...]) -> Expr:
    count: Expr = Const(1)
    for extent in shape:
        count = mul(count, extent)
    return count


def _same(a: Expr, b: Expr) -> bool:
    if a == b:
        return True
    variables = {item for dim in (a, b) for item in walk(dim) if isinstance(item, Var)}
    analyzer = Analyzer({var: Interval(1, None) for var in variables})
    return analyzer.simplify(a) == analyzer.simplify(b)


def _check_regions(module: IRModule, function: GraphFunction) -> Iterator[Finding]:
    """Branches and loop bodies have as many parameters and results as their binding needs."""
    del module
    for binding in _bindings(function.bindings):
        match binding.operation:
            case IfRegion(condition=condition, then=then, orelse=orelse):
                yield from _placed(_branches(binding, condition, (then, orelse)), binding)
            case LoopRegion(carried=carried, body=body):
                yield from _placed(_loop(binding, carried, body), binding)
            case MatchShape(arg=arg, dims=dims):
                if isinstance(arg.type, TensorType) and arg.type.shape is not None and arg.type.rank != len(dims):
                    yield from _placed(iter([f"'{arg.name}' has another rank"]), binding)
            case _:
                pass


def _branches(binding: Binding, condition: Atom, branches: Sequence[GraphRegion]) -> Iterator[str]:
    if isinstance(condition.type, TensorType) and condition.type.dtype != BOOL:
        yield f"the condition has dtype {condition.type.dtype}"
    for region in branches:
        if region.params:
            yield "a branch has parameters"
        if len(region.results) != len(binding.vars):
            yield f"a branch has {len(region.results)} results for {len(binding.vars)} names"


def _loop(binding: Binding, carried: Sequence[Atom], body: GraphRegion) -> Iterator[str]:
    if len(body.params) != 2 + len(carried):
        yield f"the loop body has {len(body.params)} parameters for {len(carried)} carried values"
    if len(body.results) != 1 + len(binding.vars) or len(binding.vars) < len(carried):
        yield f"the loop body has {len(body.results)} results for {len(binding.vars)} names"


def _check_defined(module: IRModule, function: GraphFunction) -> Iterator[Finding]:
    """No operators are left."""
    del module
    for binding in _bindings(function.bindings):
        if isinstance(binding.operation, Call):
            yield from _placed(iter([f"operator '{binding.operation.op}' is not defined as a function"]), binding)


GRAPH_RULES: tuple[GraphRule, ...] = (
    GraphRule("parts", check_parts),
    GraphRule("names", _check_names),
    GraphRule("constants", _check_constants),
    GraphRule("calls", _check_calls),
    GraphRule("regions", _check_regions),
    GraphRule("defined", _check_defined, "defined"),
)
