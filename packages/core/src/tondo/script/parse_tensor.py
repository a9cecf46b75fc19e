"""Tensor functions from Python syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Final

from tondo.ir import (
    EMPTY,
    INT64,
    LOOP_KINDS,
    Allocate,
    Assert,
    Attrs,
    Block,
    Buffer,
    Const,
    Evaluate,
    Expr,
    For,
    If,
    Invoke,
    IterVar,
    Let,
    Region,
    Reserve,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    Var,
    View,
    While,
    seq,
)
from tondo.script.parse_types import DeclarationReader
from tondo.script.reader import Name

_HEADS: Final = frozenset({"reads", "writes", "where", "attributes"})
_ITERS: Final = frozenset({"spatial", "reduction"})
_DEFINITIONS: Final = ("let", "allocate", "reserve", "view")
_EFFECTS: Final = ("store", "evaluate", "invoke", "invoke_packed")

Wrap = Callable[[Stmt], Stmt]


class TensorReader(DeclarationReader):
    """Reads tensor functions."""

    def tensor_function(self, tree: ast.FunctionDef, outputs: int, attrs: Attrs) -> TensorFunction:
        """Return the function that ``tree`` writes."""
        args = self.parameters(tree)
        with self.scope():
            given = {arg.arg: self._scalar(arg) for arg in args if self._buffer_call(arg) is None}
            params = tuple(given[arg.arg] if arg.arg in given else self._buffer(arg) for arg in args)
            body = self.suite(_without_docstring(tree.body))
        buffers = sum(isinstance(param, Buffer) for param in params)
        if not 0 <= outputs <= buffers:
            self.fail(tree, f"{outputs} outputs are announced, the function has {buffers} buffers", code="TND-S003")
        return TensorFunction(tree.name, params, body, outputs, attrs, self.source.span(tree))

    def parameters(self, tree: ast.FunctionDef) -> list[ast.arg]:
        """Return the parameters; refuse all kinds but plain ones, and a name that occurs twice."""
        args = tree.args
        for other in (*args.posonlyargs, *args.kwonlyargs, args.vararg, args.kwarg, *args.defaults, *args.kw_defaults):
            if other is not None:
                self.fail(other, "only plain parameters without defaults are part of the language")
        seen: set[str] = set()
        for arg in args.args:
            if arg.arg in seen:
                self.fail(arg, f"parameter '{arg.arg}' is given twice")
            seen.add(arg.arg)
            if arg.annotation is None:
                self.fail(arg, f"parameter '{arg.arg}' needs a type", help='Buffer((n, 64), "float32") or "int64"')
        return args.args

    def _buffer_call(self, arg: ast.arg) -> ast.Call | None:
        return None if arg.annotation is None else self.call(arg.annotation, "Buffer")

    def _scalar(self, arg: ast.arg) -> Var:
        assert arg.annotation is not None
        var = Var(arg.arg, self.dtype(arg.annotation))
        self.define(arg.arg, var)
        return var

    def _buffer(self, arg: ast.arg) -> Buffer:
        call = self._buffer_call(arg)
        assert call is not None
        self.declaring = True
        buffer = self.buffer_declaration(arg.arg, call, call.args)
        self.declaring = False
        self.define(arg.arg, buffer)
        return buffer

    # -- suites and definitions

    def suite(self, trees: Sequence[ast.stmt]) -> Stmt:
        """Return the statements of a suite; a definition takes the rest of the suite as its body."""
        done: list[tuple[list[Stmt], Wrap]] = []
        stmts: list[Stmt] = []
        with self.scope():
            for tree in trees:
                if isinstance(tree, ast.Pass):
                    continue
                wrap = self._definition(tree)
                if wrap is None:
                    stmts.append(self._stmt(tree))
                else:
                    done.append((stmts, wrap))
                    stmts = []
        body = stmts[0] if len(stmts) == 1 else Seq(tuple(stmts))
        for before, wrap in reversed(done):
            body = seq(*before, wrap(body))
        return body

    def _definition(self, tree: ast.stmt) -> Wrap | None:
        if not (isinstance(tree, ast.Assign) and len(tree.targets) == 1 and isinstance(tree.targets[0], ast.Name)):
            return None
        call = self.call(tree.value, *_DEFINITIONS)
        if call is None:
            self.fail(
                tree, "expected 'let', 'allocate', 'reserve' or 'view'", help="to store, name an element: A[i] = ..."
            )
        return self._defined(tree.targets[0].id, call)

    def _defined(self, name: str, call: ast.Call) -> Wrap:
        """Define ``name`` in the scope that is open and return what wraps the statements that see it."""
        assert isinstance(call.func, ast.Name)
        span = self.source.span(call)
        if call.func.id == "let":
            value = self.expr(self.positional(call, 1)[0])
            wanted = self.keywords(call, "dtype").get("dtype")
            var = Var(name, value.dtype if wanted is None else self.dtype(wanted))
            self.define(name, var)
            return lambda body: Let(var, value, body, span)
        if call.func.id == "allocate":
            buffer = self.buffer_declaration(name, call, call.args)
            self.define(name, buffer)
            return lambda body: Allocate(buffer, body, span)
        if call.func.id == "reserve":
            if len(call.args) < 2:
                self.fail(call, "expected the number of a slot and a shape")
            slot = self.expr(call.args[0], INT64)
            made = self.buffer_declaration(name, call, call.args[1:])
            self.define(name, made)
            return lambda body: Reserve(made, slot, body, span)
        if len(call.args) < 3:
            self.fail(call, "expected a base buffer, an offset in bytes and a shape")
        base, offset = self.buffer(call.args[0]), self.expr(call.args[1], INT64)
        view = self.buffer_declaration(name, call, call.args[2:])
        self.define(name, view)
        return lambda body: View(view, base, offset, body, span)

    # -- statements

    def _stmt(self, tree: ast.stmt) -> Stmt:
        span = self.source.span(tree)
        match tree:
            case ast.For():
                return self._for(tree)
            case ast.With():
                return self._with(tree)
            case ast.Assign():
                if len(tree.targets) != 1:
                    self.fail(tree, "expected one target")
                return self._store(tree.targets[0], tree.value, None, tree)
            case ast.AugAssign():
                operation = ast.BinOp(left=_loaded(tree.target), op=tree.op, right=tree.value)
                return self._store(
                    tree.target, ast.fix_missing_locations(ast.copy_location(operation, tree)), None, tree
                )
            case ast.If():
                then = self.suite(tree.body)
                return If(self._condition(tree.test), then, self.suite(tree.orelse) if tree.orelse else None, span)
            case ast.While(orelse=[]):
                return While(self._condition(tree.test), self.suite(tree.body), span)
            case ast.Assert():
                message = "" if tree.msg is None else self.text(tree.msg)
                return Assert(self._condition(tree.test), message, span)
            case ast.Expr():
                return self._effect(tree)
            case _:
                return self.fail(tree, "this statement is not part of the language")

    def _condition(self, tree: ast.expr) -> Expr:
        value = self.expr(tree)
        if not value.dtype.is_bool:
            self.fail(tree, f"a condition is a bool, not {value.dtype}", code="TND-S003")
        return value

    def _store(self, target: ast.expr, value: ast.expr, where: ast.expr | None, tree: ast.AST) -> Store:
        buffer, indices = self.access(target)
        element = self.expr(value, buffer.dtype)
        if element.dtype.element != buffer.dtype.element:
            self.fail(tree, f"'{buffer.name}' holds {buffer.dtype}, the value is {element.dtype}", code="TND-S003")
        predicate = None if where is None else self._condition(where)
        return Store(buffer, indices, element, predicate, self.source.span(tree))

    def _for(self, tree: ast.For) -> For:
        call = self.call(tree.iter, *LOOP_KINDS, "bind", "range")
        if call is None or not isinstance(tree.target, ast.Name):
            self.fail(
                tree, "expected 'for i in serial(begin, extent)'", help="kinds: serial, parallel, vectorized, unrolled"
            )
        if tree.orelse:
            self.fail(tree, "a loop has no 'else'")
        assert isinstance(call.func, ast.Name)
        kind, args = call.func.id, list(call.args)
        if kind == "bind":
            kind = f"bind:{self.text(args.pop(0))}" if args else self.fail(call, "expected the name of a thread axis")
        if len(args) not in {1, 2}:
            self.fail(call, "expected the extent, or begin and extent")
        options = self.keywords(call, "dtype", "attrs")
        kind_of = self.dtype(options["dtype"]) if "dtype" in options else INT64
        bounds = [self.expr(arg, kind_of) for arg in args]
        begin, extent = (Const(0, kind_of), bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])
        var = Var(tree.target.id, kind_of)
        with self.scope({var.name: var}):
            body = self.suite(tree.body)
        kind = "serial" if kind == "range" else kind
        return For(var, begin, extent, body, kind, self.attrs(options.get("attrs")), self.source.span(tree))

    def _with(self, tree: ast.With) -> Stmt:
        first = tree.items[0].context_expr
        if len(tree.items) == 1 and self.call(first, "seq") is not None:
            body = self.suite(tree.body)
            return Seq(body.stmts if isinstance(body, Seq) else (body,))
        if len(tree.items) == 1 and (block := self.call(first, "block")) is not None:
            return self._block(block, tree)
        wraps: list[Wrap] = []
        with self.scope():
            for item in tree.items:
                call = self.call(item.context_expr, *_DEFINITIONS)
                if call is None or not isinstance(item.optional_vars, ast.Name):
                    self.fail(item.context_expr, "expected 'block(name)', 'seq()' or 'allocate(...) as name'")
                wraps.append(self._defined(item.optional_vars.id, call))
            body = self.suite(tree.body)
        for wrap in reversed(wraps):
            body = wrap(body)
        return body

    def _effect(self, tree: ast.Expr) -> Stmt:
        call = self.call(tree.value, *_EFFECTS)
        span = self.source.span(tree)
        if call is None:
            self.fail(tree, "this statement has no effect")
        assert isinstance(call.func, ast.Name)
        if call.func.id == "store":
            target, value = self.positional(call, 2)
            return self._store(target, value, self.keywords(call, "where").get("where"), tree)
        if call.func.id == "evaluate":
            return Evaluate(self.expr(self.positional(call, 1)[0]), span)
        if not call.args:
            self.fail(call, "expected the name of a function")
        args = tuple(self._argument(arg) for arg in call.args[1:])
        attrs = self.attrs(self.keywords(call, "attrs").get("attrs"))
        return Invoke(self.text(call.args[0]), args, call.func.id == "invoke_packed", span, attrs)

    def _argument(self, tree: ast.expr) -> Buffer | Expr:
        if isinstance(tree, ast.Name) and isinstance(found := self.lookup(tree), Buffer):
            return found
        return self.expr(tree)

    # -- blocks

    def _block(self, call: ast.Call, tree: ast.With) -> Block:
        name = self.text(self.positional(call, 1)[0])
        iters: list[IterVar] = []
        regions: dict[str, tuple[Region, ...]] = {}
        predicate: Expr | None = None
        attrs: Attrs = EMPTY
        init: Stmt | None = None
        outside = list(self.scopes)
        count = 0
        with self.scope():
            for stmt in tree.body:
                head = _head(stmt)
                if head is None:
                    break
                count += 1
                match head.func.id if isinstance(head.func, ast.Name) else "":
                    case "spatial" | "reduction":
                        iters.append(self._iter(stmt, head, outside))
                    case "where":
                        predicate = self._condition(self.positional(head, 1)[0])
                    case "attributes":
                        attrs = self.attrs(self.positional(head, 1)[0])
                    case "init":
                        assert isinstance(stmt, ast.With)
                        init = self.suite(stmt.body)
                    case kind:
                        regions[kind] = tuple([self.region(arg) for arg in head.args])
            body = self.suite(tree.body[count:])
        reads, writes = regions.get("reads", ()), regions.get("writes", ())
        return Block(name, tuple(iters), reads, writes, body, init, predicate, attrs, self.source.span(tree))

    def _iter(self, stmt: ast.stmt, call: ast.Call, outside: list[dict[str, Name]]) -> IterVar:
        assert isinstance(stmt, ast.Assign)
        assert isinstance(stmt.targets[0], ast.Name)
        assert isinstance(call.func, ast.Name)
        extent, binding = self.positional(call, 2)
        wanted = self.keywords(call, "dtype").get("dtype")
        kind = INT64 if wanted is None else self.dtype(wanted)
        inside, self.scopes = self.scopes, outside  # the binding sees the loops around, not the block
        bound = self.expr(binding, kind)
        self.scopes = inside
        size = self.expr(extent, kind)
        var = Var(stmt.targets[0].id, kind)
        self.define(var.name, var)
        return IterVar(var, size, bound, "spatial" if call.func.id == "spatial" else "reduction")


def _head(stmt: ast.stmt) -> ast.Call | None:
    """Return the call of a statement that belongs to the head of a block."""
    if isinstance(stmt, ast.With) and len(stmt.items) == 1:
        value: ast.expr = stmt.items[0].context_expr
        names = frozenset({"init"})
    elif isinstance(stmt, ast.Assign) and len(stmt.targets) == 1 and isinstance(stmt.targets[0], ast.Name):
        value, names = stmt.value, _ITERS
    elif isinstance(stmt, ast.Expr):
        value, names = stmt.value, _HEADS
    else:
        return None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in names:
        return value
    return None


def _loaded(target: ast.expr) -> ast.expr:
    """Return the target of an assignment as an expression to read, at the same place."""
    loaded = ast.parse(ast.unparse(target), mode="eval").body
    for item in ast.walk(loaded):
        ast.copy_location(item, target)
    return loaded


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    is_text = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return body[1:] if is_text else body
