"""Tensor functions from Python syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Final

from tondo.ir import (
    EMPTY, INT64, LOOP_KINDS, Allocate, Assert, Attrs, Block, Buffer, DType, Evaluate, Expr, For, If, Invoke, IterVar, Let, Region, Seq, Stmt, Store,
    TensorFunction, Var, View, While, seq,
)
from tondo.script.parse_expr import ExprReader

_HEADS: Final = frozenset({"spatial", "reduction", "reads", "writes", "where", "attributes"})
_DEFINITIONS: Final = ("let", "allocate", "view")


class TensorReader(ExprReader):
    """Reads tensor functions."""

    def tensor_function(self, tree: ast.FunctionDef, outputs: int, attrs: Attrs) -> TensorFunction:
        """Return the function that ``tree`` writes."""
        with self.scope():
            params = tuple(self._param(arg) for arg in tree.args.args)
            for param in params:
                self.define(param.name, param)
            body = self.suite(_without_docstring(tree.body))
        return TensorFunction(tree.name, params, body, outputs, attrs, self.source.span(tree))

    def _param(self, arg: ast.arg) -> Var | Buffer:
        if arg.annotation is None:
            self.fail(arg, f"parameter '{arg.arg}' needs a type", help='Buffer((n, 64), "float32") or "int64"')
        call = self.call(arg.annotation, "Buffer")
        if call is not None:
            return self.buffer_declaration(arg.arg, call, call.args)
        var = Var(arg.arg, self.dtype(arg.annotation))
        self.define(arg.arg, var)
        return var

    def suite(self, trees: Sequence[ast.stmt]) -> Stmt:
        """Return the statements of a suite; a definition takes the rest of the suite as its body."""
        stmts: list[Stmt] = []
        for position, tree in enumerate(trees):
            if isinstance(tree, ast.Pass):
                continue
            made = self._definition(tree, trees[position + 1 :])
            if made is not None:
                stmts.append(made)
                break
            stmts.append(self._stmt(tree))
        return seq(*stmts) if stmts else Seq(())

    def _definition(self, tree: ast.stmt, rest: Sequence[ast.stmt]) -> Stmt | None:
        if not (isinstance(tree, ast.Assign) and len(tree.targets) == 1 and isinstance(tree.targets[0], ast.Name)):
            return None
        call = self.call(tree.value, *_DEFINITIONS)
        if call is None:
            self.fail(tree, "expected 'let', 'allocate' or 'view'", help="to store, name an element: A[i] = ...")
        return self._scoped(tree.targets[0].id, call, lambda: self.suite(rest))

    def _scoped(self, name: str, call: ast.Call, body: Callable[[], Stmt]) -> Stmt:
        assert isinstance(call.func, ast.Name)  # noqa: S101  guaranteed by self.call
        span = self.source.span(call)
        if call.func.id == "let":
            value = self.expr(self.positional(call, 1)[0])
            wanted = self.keywords(call, "dtype").get("dtype")
            var = Var(name, value.dtype if wanted is None else self.dtype(wanted))
            with self.scope({name: var}):
                return Let(var, value, body(), span)
        if call.func.id == "allocate":
            buffer = self.buffer_declaration(name, call, call.args)
            with self.scope({name: buffer}):
                return Allocate(buffer, body(), span)
        if len(call.args) < 3:  # noqa: PLR2004  base, offset, shape
            self.fail(call, "expected a base buffer, an offset in bytes and a shape")
        base, offset = self.buffer(call.args[0]), self.expr(call.args[1], INT64)
        buffer = self.buffer_declaration(name, call, call.args[2:])
        with self.scope({name: buffer}):
            return View(buffer, base, offset, body(), span)

    def _stmt(self, tree: ast.stmt) -> Stmt:  # noqa: PLR0911  one case per syntax class
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
                return self._store(tree.target, ast.fix_missing_locations(ast.copy_location(operation, tree)), None, tree)
            case ast.If():
                then = self._nested(tree.body)
                return If(self.expr(tree.test), then, self._nested(tree.orelse) if tree.orelse else None, span)
            case ast.While():
                return While(self.expr(tree.test), self._nested(tree.body), span)
            case ast.Assert():
                message = "" if tree.msg is None else self.text(tree.msg)
                return Assert(self.expr(tree.test), message, span)
            case ast.Expr():
                return self._expression(tree)
            case _:
                return self.fail(tree, "this statement is not part of the language")

    def _nested(self, trees: Sequence[ast.stmt]) -> Stmt:
        with self.scope():
            return self.suite(trees)

    def _store(self, target: ast.expr, value: ast.expr, where: ast.expr | None, tree: ast.AST) -> Store:
        buffer, indices = self.access(target)
        element = self.expr(value, buffer.dtype)
        if element.dtype.element != buffer.dtype:
            self.fail(tree, f"'{buffer.name}' holds {buffer.dtype}, the value is {element.dtype}", code="TND-S003")
        predicate = None if where is None else self.expr(where)
        return Store(buffer, indices, element, predicate, self.source.span(tree))

    def _for(self, tree: ast.For) -> For:
        call = self.call(tree.iter, *LOOP_KINDS, "bind", "range")
        if call is None or not isinstance(tree.target, ast.Name):
            self.fail(tree, "expected 'for i in serial(begin, extent)'", help="kinds: serial, parallel, vectorized, unrolled")
        assert isinstance(call.func, ast.Name)  # noqa: S101  guaranteed by self.call
        kind, args = call.func.id, list(call.args)
        if kind == "bind":
            kind = f"bind:{self.text(args.pop(0))}" if args else self.fail(call, "expected the name of a thread axis")
        if len(args) not in {1, 2}:
            self.fail(call, "expected the extent, or begin and extent")
        options = self.keywords(call, "dtype", "attrs")
        kind_of = self.dtype(options["dtype"]) if "dtype" in options else INT64
        bounds = [self.expr(arg, kind_of) for arg in args]
        begin, extent = (self._zero(kind_of), bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])
        var = Var(tree.target.id, kind_of)
        with self.scope({var.name: var}):
            body = self.suite(tree.body)
        kind = "serial" if kind == "range" else kind
        return For(var, begin, extent, body, kind, self.attrs(options.get("attrs")), self.source.span(tree))

    def _zero(self, kind: DType) -> Expr:
        return self.expr(ast.Constant(value=0, lineno=1, col_offset=0, end_lineno=1, end_col_offset=0), kind)

    def _with(self, tree: ast.With) -> Stmt:
        if len(tree.items) != 1:
            self.fail(tree, "expected one item")
        item = tree.items[0]
        if self.call(item.context_expr, "seq") is not None:
            return Seq(tuple(self._parts(tree.body)))
        block = self.call(item.context_expr, "block")
        if block is not None:
            return self._block(block, tree)
        call = self.call(item.context_expr, *_DEFINITIONS)
        if call is None or not isinstance(item.optional_vars, ast.Name):
            self.fail(tree, "expected 'with block(name)', 'with allocate(...) as name'")
        return self._scoped(item.optional_vars.id, call, lambda: self.suite(tree.body))

    def _parts(self, trees: Sequence[ast.stmt]) -> list[Stmt]:
        body = self._nested(trees)
        return list(body.stmts) if isinstance(body, Seq) else [body]

    def _expression(self, tree: ast.Expr) -> Stmt:
        call = self.call(tree.value, "store", "evaluate", "invoke", "invoke_packed")
        span = self.source.span(tree)
        if call is None:
            self.fail(tree, "this statement has no effect")
        assert isinstance(call.func, ast.Name)  # noqa: S101  guaranteed by self.call
        if call.func.id == "store":
            target, value = self.positional(call, 2)
            return self._store(target, value, self.keywords(call, "where").get("where"), tree)
        if call.func.id == "evaluate":
            return Evaluate(self.expr(self.positional(call, 1)[0]), span)
        if not call.args:
            self.fail(call, "expected the name of a function")
        args = tuple(self._argument(arg) for arg in call.args[1:])
        return Invoke(self.text(call.args[0]), args, call.func.id == "invoke_packed", span)

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
        outside = [dict(scope) for scope in self.scopes]
        with self.scope():
            position = 0
            for position, stmt in enumerate([*tree.body, ast.Pass()]):
                head = _head(stmt)
                if head is None:
                    break
                match head.func.id if isinstance(head.func, ast.Name) else "":
                    case "spatial" | "reduction":
                        iters.append(self._iter(stmt, head, outside))
                    case "where":
                        predicate = self.expr(self.positional(head, 1)[0])
                    case "attributes":
                        attrs = self.attrs(self.positional(head, 1)[0])
                    case "init":
                        assert isinstance(stmt, ast.With)  # noqa: S101  guaranteed by _head
                        init = self._nested(stmt.body)
                    case kind:
                        regions[kind] = tuple(self.region(arg) for arg in head.args)
            body = self.suite(tree.body[position:])
        return Block(
            name, tuple(iters), regions.get("reads", ()), regions.get("writes", ()), body, init, predicate, attrs,
            self.source.span(tree),
        )

    def _iter(self, stmt: ast.stmt, call: ast.Call, outside: list[dict[str, Var | Buffer]]) -> IterVar:  # type: ignore[type-arg]
        assert isinstance(stmt, ast.Assign)  # noqa: S101  guaranteed by _head
        assert isinstance(stmt.targets[0], ast.Name)  # noqa: S101
        assert isinstance(call.func, ast.Name)  # noqa: S101
        extent, binding = self.positional(call, 2)
        wanted = self.keywords(call, "dtype").get("dtype")
        kind = INT64 if wanted is None else self.dtype(wanted)
        inner, self.scopes = self.scopes, outside  # type: ignore[assignment]
        bound = self.expr(binding, kind)
        self.scopes = inner
        var = Var(stmt.targets[0].id, kind)
        result = IterVar(var, self.expr(extent, kind), bound, "spatial" if call.func.id == "spatial" else "reduction")
        self.define(var.name, var)
        return result


def _head(stmt: ast.stmt) -> ast.Call | None:
    """Return the call of a statement that belongs to the head of a block."""
    if isinstance(stmt, ast.With) and len(stmt.items) == 1:
        value: ast.expr = stmt.items[0].context_expr
        names = frozenset({"init"})
    elif isinstance(stmt, ast.Assign) and len(stmt.targets) == 1 and isinstance(stmt.targets[0], ast.Name):
        value, names = stmt.value, frozenset({"spatial", "reduction"})
    elif isinstance(stmt, ast.Expr):
        value, names = stmt.value, _HEADS - {"spatial", "reduction"}
    else:
        return None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in names:
        return value
    return None


def _loaded(target: ast.expr) -> ast.expr:
    loaded = ast.parse(ast.unparse(target), mode="eval").body
    for item in ast.walk(loaded):
        ast.copy_location(item, target)
    return loaded


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return body[1:] if is_text else body
