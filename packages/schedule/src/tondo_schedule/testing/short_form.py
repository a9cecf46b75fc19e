"""The short form in which the docstrings of primitives show tensor functions: read, and written.

``for i in range(8)`` is a loop, ``T[i] = ...`` a block named ``T``, ``C[i] += ...`` a sum that starts itself with zero
(a reduction over the loops that do not index ``C``). Shapes follow from the indices; the last buffer that is written is
the result, the others are allocated. Written, the variables of blocks are replaced by what they are bound to, so what
is compared is what is computed for each iteration of the loops. ``if`` after a statement is the condition of its block.
Buffers that are new, or have changed, are declared at the beginning.
"""

from __future__ import annotations

import ast
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass

from tondo.ir import (
    FLOAT32,
    GLOBAL,
    Allocate,
    Attrs,
    Binary,
    Block,
    Buffer,
    Const,
    Evaluate,
    Expr,
    For,
    If,
    IterVar,
    Load,
    Node,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    Var,
    View,
    as_expr,
    dims,
    maximum,
    minimum,
    point_regions,
    rewrite,
    select,
    seq,
    substitute,
    walk,
)
from tondo.script import script

_FUNCTIONS = {"max": maximum, "min": minimum, "select": select}


@dataclass(frozen=True)
class _Line:
    loops: tuple[tuple[str, str], ...]
    target: ast.Subscript
    value: ast.expr
    update: bool


def read(text: str) -> TensorFunction:
    """Return the function that ``text`` shows."""
    tree = ast.parse(text)
    lines = list(_lines(tree.body, ()))
    extents = {name: extent for line in lines for name, extent in line.loops}
    symbols = {extent: Var(extent) for extent in extents.values() if not extent.isdigit()}
    shapes: dict[str, list[int | str]] = {}
    for line in lines:
        for item in (line.target, *(node for node in ast.walk(line.value) if isinstance(node, ast.Subscript))):
            _extend(shapes, item, {name: extents[name] for name, _ in line.loops})
    buffers = {
        name: Buffer(name, dims([size if isinstance(size, int) else symbols[size] for size in shape]), FLOAT32)
        for name, shape in shapes.items()
    }
    written = list(dict.fromkeys(_name(line.target) for line in lines))
    names: dict[str, object] = {**_FUNCTIONS, **buffers, **symbols}
    blocks = iter([_block(line, names) for line in lines])
    body = seq(*(_nest(node, blocks, symbols) for node in tree.body))
    for name in reversed(written[:-1]):
        body = Allocate(buffers[name], body)
    inputs = [buffer for name, buffer in buffers.items() if name not in written]
    return TensorFunction("example", (*symbols.values(), *inputs, buffers[written[-1]]), body)


def _lines(body: list[ast.stmt], loops: tuple[tuple[str, str], ...]) -> Iterator[_Line]:
    for node in body:
        if isinstance(node, ast.For):
            assert isinstance(node.target, ast.Name)
            assert isinstance(node.iter, ast.Call)
            yield from _lines(node.body, (*loops, (node.target.id, ast.unparse(node.iter.args[0]))))
        elif isinstance(node, ast.Assign):
            (target,) = node.targets
            assert isinstance(target, ast.Subscript)
            yield _Line(loops, target, node.value, update=False)
        else:
            assert isinstance(node, ast.AugAssign)
            assert isinstance(node.target, ast.Subscript)
            yield _Line(loops, node.target, node.value, update=True)


def _name(item: ast.Subscript) -> str:
    assert isinstance(item.value, ast.Name)
    return item.value.id


def _indices(item: ast.Subscript) -> list[ast.expr]:
    return list(item.slice.elts) if isinstance(item.slice, ast.Tuple) else [item.slice]


def _extend(shapes: dict[str, list[int | str]], item: ast.Subscript, extents: dict[str, str]) -> None:
    """Make the buffer of an access as large as its indices over all iterations of the loops."""
    indices = _indices(item)
    shape = shapes.setdefault(_name(item), [0] * len(indices))
    for dim, index in enumerate(indices):
        used = [node.id for node in ast.walk(index) if isinstance(node, ast.Name)]
        if any(not extents[name].isdigit() for name in used):
            shape[dim] = extents[used[0]]
            continue
        code = compile(ast.Expression(index), "index", "eval")
        for point in itertools.product(*(range(int(extents[name])) for name in used)):
            shape[dim] = max(int(shape[dim]), 1 + eval(code, dict(zip(used, point, strict=True))))


def _block(line: _Line, names: dict[str, object]) -> Block:
    loops = {name: Var(name) for name, _ in line.loops}
    known = {**names, **loops}
    target = eval(ast.unparse(line.target), dict(known))
    value = as_expr(eval(ast.unparse(line.value), dict(known)), FLOAT32)
    assert isinstance(target, Load)
    iters: list[IterVar] = []
    values: dict[Expr, Expr] = {}
    for dim, index in enumerate(target.indices):
        var = Var(f"v{index.name}" if isinstance(index, Var) else f"v{target.buffer.name}{dim}")
        iters.append(IterVar(var, target.buffer.shape[dim], index))
        values[index] = var
    used = {item for index in target.indices for item in walk(index) if isinstance(item, Var)}
    for name, extent in line.loops:
        if loops[name] not in used:
            size = known[extent] if not extent.isdigit() else Const(int(extent))
            assert isinstance(size, Expr)
            iters.append(IterVar(Var(f"v{name}"), size, loops[name], "reduction"))
            values[loops[name]] = Var(f"v{name}")

    def bound(item: Node) -> Node:
        return values.get(item, item) if isinstance(item, Expr) else item

    indices = tuple(it.var for it in iters[: len(target.indices)])
    element = rewrite(value, bound)
    assert isinstance(element, Expr)
    if line.update:
        element = Load(target.buffer, indices) + element
    body = Store(target.buffer, indices, element)
    init = Store(target.buffer, indices, Const(0.0, FLOAT32)) if line.update else None
    return Block(target.buffer.name, tuple(iters), *point_regions(body), body, init)


def _nest(node: ast.stmt, blocks: Iterator[Block], symbols: dict[str, Var]) -> Stmt:
    if not isinstance(node, ast.For):
        return next(blocks)
    assert isinstance(node.target, ast.Name)
    assert isinstance(node.iter, ast.Call)
    size = ast.unparse(node.iter.args[0])
    body = seq(*(_nest(item, blocks, symbols) for item in node.body))
    return For(Var(node.target.id), Const(0), symbols[size] if size in symbols else Const(int(size)), body)


def write(function: TensorFunction, before: TensorFunction | None = None) -> str:
    """Return ``function`` in the short form; buffers of ``before`` are not declared again."""
    old = () if before is None else (*before.buffers, *_allocated(before))
    declared = [f"{item.name}: {_declaration(item)}" for item in _allocated(function) if item not in old]
    return "\n".join([*declared, *_statement(function.body, {})]) + "\n"


def _allocated(function: TensorFunction) -> list[Buffer]:
    return [item.buffer for item in walk(function.body) if isinstance(item, (Allocate, View))]


def _declaration(buffer: Buffer) -> str:
    shape = ", ".join(script(extent) for extent in buffer.shape)
    return f"{'memory' if buffer.scope == GLOBAL else buffer.scope}[{shape}]"


def _statement(stmt: Stmt, values: dict[Var, Expr]) -> Iterator[str]:
    match stmt:
        case Allocate() | View():
            yield from _statement(stmt.body, values)
        case Seq():
            for item in stmt.stmts:
                yield from _statement(item, values)
        case For():
            kind = "range" if stmt.kind == "serial" else stmt.kind.replace("bind:", "bind.")
            options = "".join(f", {name}={value}" for name, value in _options(stmt.attrs))
            yield f"for {stmt.var.name} in {kind}({script(stmt.extent)}{options}):"
            yield from _indented(stmt.body, values)
        case If():
            yield f"if {script(stmt.condition)}:"
            yield from _indented(stmt.then, values)
            if stmt.orelse is not None:
                yield "else:"
                yield from _indented(stmt.orelse, values)
        case Block():
            yield from _written(stmt, values)
        case Store():
            yield _store(stmt, values, starts=False)
        case Evaluate():
            yield script(substitute(stmt.value, values))
        case _:
            raise AssertionError(stmt)


def _options(attrs: Attrs) -> Iterator[tuple[str, object]]:
    return ((name, value) for name, value in attrs.items() if name != "overlap")


def _indented(stmt: Stmt, values: dict[Var, Expr]) -> Iterator[str]:
    return (f"    {line}" for line in _statement(stmt, values))


def _written(block: Block, values: dict[Var, Expr]) -> Iterator[str]:
    inner: dict[Var, Expr] = {it.var: substitute(it.binding, values) for it in block.iters}
    attrs = dict(block.attrs)
    if not isinstance(block.body, Store) or attrs:
        iters = ", ".join(f"{it.var.name}={script(it.binding)}" for it in block.iters)
        notes = "".join(f", {name}={json.dumps(value)}" for name, value in attrs.items())
        yield f'with block("{block.name}", {iters}{notes}):'
        yield from _indented(block.body, {})
        return
    condition = "" if block.predicate is None else f" if {script(block.predicate)}"
    yield _store(block.body, inner, starts=block.init is not None) + condition


def _store(store: Store, values: dict[Var, Expr], *, starts: bool) -> str:
    target = script(substitute(Load(store.buffer, store.indices), values))
    value = store.value
    if starts and isinstance(value, Binary) and value.op == "add" and value.a == Load(store.buffer, store.indices):
        return f"{target} += {_value(value.b, values)}"
    return f"{target} = {_value(value, values)}"


def _value(value: Expr, values: dict[Var, Expr]) -> str:
    return script(substitute(value, values)).replace(".0", "")
