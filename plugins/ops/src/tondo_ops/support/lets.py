"""Names for intermediate values of a statement."""

from __future__ import annotations

from tondo.ir import Expr, Let, Stmt, Var


class Lets:
    """Bindings in order around a statement."""

    __slots__ = ("_bound",)

    def __init__(self) -> None:
        """Begin without bindings."""
        self._bound: list[tuple[Var, Expr]] = []

    def let(self, value: Expr, name: str | None = None) -> Var:
        """Return a variable that holds ``value``; without ``name`` it is numbered."""
        var = Var(name or f"value{len(self._bound)}", value.dtype)
        self._bound.append((var, value))
        return var

    def around(self, body: Stmt) -> Stmt:
        """Return ``body`` inside the bindings."""
        for var, value in reversed(self._bound):
            body = Let(var, value, body)
        return body
