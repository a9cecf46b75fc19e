"""``tensor.vectorize``: vectorised loops become vector expressions.

Before::

    for i in vectorized(16):
        B[o + i] = A[o + i] * s

After::

    B[Ramp(o, 1, 16)] = A[Ramp(o, 1, 16)] * Broadcast(s, 16)

A reduction over the vectorised variable (``acc = acc + f(i)`` at an address without ``i``) becomes
``acc = acc + reduce_add(f(Ramp))``. A condition on the variable becomes a predicate of the stores and loads below
it. A scalar loop inside a vectorised one stays a loop of vector statements as long as its bounds do not depend on
the vector variable; where something cannot be expressed, the loop becomes unrolled instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

from tondo.ir import (
    INTRINSICS,
    Allocate,
    Assert,
    Binary,
    Broadcast,
    Cast,
    Compare,
    Const,
    Evaluate,
    Expr,
    For,
    If,
    Intrin,
    Invoke,
    Let,
    Load,
    Node,
    Ramp,
    Select,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    Unary,
    Var,
    View,
    While,
    add,
    all_of,
    mul,
    rebuild,
    seq,
    sub,
    walk,
)
from tondo_passes.tensor.each import TensorPass

_REDUCERS: Final = {"add": "reduce_add", "mul": "reduce_mul", "max": "reduce_max", "min": "reduce_min"}


class _CannotVectorizeError(Exception):
    """Raised inside this file when a statement has no vector form."""


@dataclass(frozen=True)
class Vectorize(TensorPass):
    """Turn loops of kind ``vectorized`` into vector statements."""

    name: ClassVar[str] = "tensor.vectorize"

    def apply(self, function: TensorFunction) -> TensorFunction:
        """Return ``function`` without vectorised loops."""
        body = _visit(function.body)
        return TensorFunction(function.name, function.params, body, function.outputs, function.attrs, function.span)


def _visit(stmt: Stmt) -> Stmt:
    def change(value: Node) -> Node:
        return _visit(value) if isinstance(value, Stmt) else value

    if not (isinstance(stmt, For) and stmt.kind == "vectorized"):
        result = rebuild(stmt, change)
        assert isinstance(result, Stmt)
        return result
    body = _visit(stmt.body)
    if not isinstance(stmt.extent, Const):
        return For(stmt.var, stmt.begin, stmt.extent, body, "serial", stmt.attrs, stmt.span)
    lanes = int(stmt.extent.value)
    if lanes == 1:
        return For(stmt.var, stmt.begin, stmt.extent, body, "unrolled", stmt.attrs, stmt.span)
    try:
        return _Vectorizer(stmt.var, stmt.begin, lanes).stmt(body, None)
    except _CannotVectorizeError:
        return For(stmt.var, stmt.begin, stmt.extent, body, "unrolled", stmt.attrs, stmt.span)


class _Vectorizer:
    """Rewrites one loop body for one vector variable."""

    def __init__(self, var: Var, begin: Expr, lanes: int) -> None:
        self._values: dict[Var, Expr] = {var: Ramp(begin, Const(1, var.dtype), lanes)}
        self._lanes = lanes

    def stmt(self, stmt: Stmt, mask: Expr | None) -> Stmt:
        """Return the vector form of ``stmt``; lanes with a false ``mask`` do nothing."""
        match stmt:
            case Seq():
                return seq(*(self.stmt(item, mask) for item in stmt.stmts))
            case Store():
                return self._store(stmt, mask)
            case If():
                return self._if(stmt, mask)
            case Let():
                return self._let(stmt, mask)
            case For():
                return self._for(stmt, mask)
            case Evaluate() if not self._depends(stmt):
                return stmt
            case Allocate() | View() | While() | Invoke() | Assert() | Evaluate():
                raise _CannotVectorizeError
            case _:
                raise _CannotVectorizeError

    def _depends(self, node: Node) -> bool:
        return any(isinstance(item, Var) and item in self._values for item in walk(node))

    def _for(self, stmt: For, mask: Expr | None) -> Stmt:
        if self._depends(stmt.begin) or self._depends(stmt.extent):
            raise _CannotVectorizeError
        if mask is not None and mask.dtype.lanes > 1 and stmt.kind == "parallel":
            raise _CannotVectorizeError
        return replace(stmt, body=self.stmt(stmt.body, mask))

    def _let(self, stmt: Let, mask: Expr | None) -> Stmt:
        value = self.expr(stmt.value, mask)
        if value.dtype.lanes == 1:
            return replace(stmt, value=value, body=self.stmt(stmt.body, mask))
        wide = Var(stmt.var.name, value.dtype)
        self._values[stmt.var] = wide
        return Let(wide, value, self.stmt(stmt.body, mask), stmt.span)

    def _if(self, stmt: If, mask: Expr | None) -> Stmt:
        condition = self.expr(stmt.condition, mask)
        if condition.dtype.lanes == 1:
            orelse = None if stmt.orelse is None else self.stmt(stmt.orelse, mask)
            return If(condition, self.stmt(stmt.then, mask), orelse, stmt.span)
        then = self.stmt(stmt.then, _both(mask, condition, self._lanes))
        if stmt.orelse is None:
            return then
        return seq(then, self.stmt(stmt.orelse, _both(mask, Unary("not", condition), self._lanes)))

    def _store(self, stmt: Store, mask: Expr | None) -> Stmt:
        predicate = mask if stmt.predicate is None else _both(mask, self.expr(stmt.predicate, mask), self._lanes)
        indices = tuple(self.expr(index, None) for index in stmt.indices)
        if any(index.dtype.lanes > 1 for index in indices):
            value = self._wide(self.expr(stmt.value, predicate))
            return Store(stmt.buffer, indices, value, self._wide_mask(predicate), stmt.span)
        return self._scalar_store(stmt, indices, predicate)

    def _scalar_store(self, stmt: Store, indices: tuple[Expr, ...], predicate: Expr | None) -> Stmt:
        """Store to an address without the vector variable: a plain scalar store, or a reduction over the lanes."""
        value = stmt.value
        if not self._depends(value) and (predicate is None or predicate.dtype.lanes == 1):
            return Store(stmt.buffer, indices, value, predicate, stmt.span)
        own = Load(stmt.buffer, stmt.indices)
        if not (isinstance(value, Binary) and value.op in _REDUCERS and value.a == own) or self._depends(own):
            raise _CannotVectorizeError
        if any(isinstance(item, Load) and item.buffer == stmt.buffer for item in walk(value.b)):
            raise _CannotVectorizeError
        lanes = self._wide(self.expr(value.b, predicate))
        if predicate is not None:
            wide = self._wide_mask(predicate)
            assert wide is not None
            lanes = Select(wide, lanes, Broadcast(_neutral(value.op, lanes), self._lanes))
        reduced = Intrin(_REDUCERS[value.op], (lanes,), lanes.dtype.element)
        return Store(stmt.buffer, indices, Binary(value.op, Load(stmt.buffer, indices), reduced), None, stmt.span)

    def _wide(self, value: Expr) -> Expr:
        return value if value.dtype.lanes > 1 else Broadcast(value, self._lanes)

    def _wide_mask(self, mask: Expr | None) -> Expr | None:
        return None if mask is None else self._wide(mask)

    def expr(self, value: Expr, mask: Expr | None) -> Expr:
        """Return the vector form of ``value``, or ``value`` itself when it does not depend on the variable."""
        if not self._depends(value):
            return value
        match value:
            case Var():
                return self._values[value]
            case Load():
                indices = tuple(self.expr(index, None) for index in value.indices)
                if all(index.dtype.lanes == 1 for index in indices):
                    return Load(value.buffer, indices, value.predicate)
                own = value.predicate
                predicate = mask if own is None else _both(mask, self.expr(own, mask), self._lanes)
                return Load(value.buffer, indices, self._wide_mask(predicate))
            case Binary():
                return self._binary(value, mask)
            case Compare():
                a, b = self.expr(value.a, mask), self.expr(value.b, mask)
                return Compare(value.op, self._wide(a), self._wide(b))
            case Unary():
                return Unary(value.op, self.expr(value.a, mask))
            case Select():
                return self._select(value, mask)
            case Cast():
                inner = self.expr(value.a, mask)
                return Cast(value.dtype.with_lanes(inner.dtype.lanes), inner)
            case Intrin():
                return self._intrin(value, mask)
            case _:
                raise _CannotVectorizeError

    def _binary(self, value: Binary, mask: Expr | None) -> Expr:
        a, b = self.expr(value.a, mask), self.expr(value.b, mask)
        if isinstance(a, Ramp) and b.dtype.lanes == 1 and not self._depends(b):
            if value.op in {"add", "sub"}:
                return Ramp(add(a.base, b) if value.op == "add" else sub(a.base, b), a.stride, a.lanes)
            if value.op == "mul":
                return Ramp(mul(a.base, b), mul(a.stride, b), a.lanes)
        if isinstance(b, Ramp) and a.dtype.lanes == 1 and not self._depends(a):
            if value.op == "add":
                return Ramp(add(a, b.base), b.stride, b.lanes)
            if value.op == "mul":
                return Ramp(mul(a, b.base), mul(a, b.stride), b.lanes)
        if isinstance(a, Ramp) and isinstance(b, Ramp) and value.op == "add":
            return Ramp(add(a.base, b.base), add(a.stride, b.stride), a.lanes)
        return Binary(value.op, self._wide(a), self._wide(b))

    def _select(self, value: Select, mask: Expr | None) -> Expr:
        condition = self.expr(value.condition, mask)
        condition = self._wide(condition)
        yes = _both(mask, condition, self._lanes)
        no = _both(mask, Unary("not", condition), self._lanes)
        a = self.expr(value.a, yes if _loads(value.a) else mask)
        b = self.expr(value.b, no if _loads(value.b) else mask)
        return Select(condition, self._wide(a), self._wide(b))

    def _intrin(self, value: Intrin, mask: Expr | None) -> Expr:
        info = INTRINSICS.get(value.name)
        if info is None or not info.elementwise:
            raise _CannotVectorizeError
        args = tuple(self._wide(self.expr(arg, mask)) for arg in value.args)
        return Intrin(value.name, args, value.dtype.with_lanes(self._lanes))


def _loads(value: Expr) -> bool:
    return any(isinstance(item, Load) for item in walk(value))


def _both(mask: Expr | None, condition: Expr, lanes: int) -> Expr:
    if mask is None:
        return condition
    if mask.dtype.lanes != condition.dtype.lanes:
        mask = mask if mask.dtype.lanes > 1 else Broadcast(mask, lanes)
        condition = condition if condition.dtype.lanes > 1 else Broadcast(condition, lanes)
    both = all_of([mask, condition])
    assert both is not None
    return both


def _neutral(op: str, like: Expr) -> Expr:
    element = like.dtype.element
    if op in {"add", "mul"}:
        return Const(0 if op == "add" else 1, element)
    if element.is_float:
        return Const(float("-inf") if op == "max" else float("inf"), element)
    low = -(1 << (element.bits - 1)) if element.kind == "int" else 0
    high = (1 << (element.bits - 1)) - 1 if element.kind == "int" else (1 << element.bits) - 1
    return Const(low if op == "max" else high, element)
