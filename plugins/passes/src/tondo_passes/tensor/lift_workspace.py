"""``tensor.lift_workspace``: allocations too large for the stack become parameters that the caller provides.

Before::

    f(A, B):  allocate T[n, 64]; ...

After::

    f(A, B, T):  ...        attrs: workspace = 1

so that memory planning can give kernels of one inference the same scratch memory. Lifted buffers follow the
outputs and count as outputs; the attribute ``workspace`` says how many of them there are. Refuses (TND-B004) an
allocation inside a parallel loop whose size is not constant: each thread would need its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from tondo.diagnostics import fail
from tondo.ir import GLOBAL, Allocate, Buffer, Const, For, Node, Stmt, TensorFunction, rebuild
from tondo_passes.tensor.each import TensorPass


@dataclass(frozen=True)
class LiftWorkspace(TensorPass):
    """Turn global allocations into parameters."""

    name: ClassVar[str] = "tensor.lift_workspace"

    def apply(self, function: TensorFunction) -> TensorFunction:
        """Return ``function`` with its large allocations as trailing parameters."""
        lifted: list[Buffer] = []
        body = _lift(function.body, lifted, function.name, parallel=False)
        if not lifted:
            return function
        known = function.attrs.get("workspace", 0)
        assert isinstance(known, int)
        return replace(
            function,
            params=(*function.params, *lifted),
            body=body,
            outputs=function.outputs + len(lifted),
            attrs=function.attrs.with_(workspace=known + len(lifted)),
        )


def _lift(stmt: Stmt, lifted: list[Buffer], name: str, *, parallel: bool) -> Stmt:
    def visit(value: Node) -> Node:
        return _lift(value, lifted, name, parallel=inside) if isinstance(value, Stmt) else value

    inside = parallel or (isinstance(stmt, For) and stmt.kind == "parallel")
    if isinstance(stmt, Allocate) and stmt.buffer.scope == GLOBAL:
        if parallel:
            fail(
                "TND-B004",
                f"'{name}' allocates '{stmt.buffer.name}' inside a parallel loop",
                notes=[f"its size {tuple(_text(extent) for extent in stmt.buffer.shape)} is too large or not constant"],
                help="compute it at an outer loop, or make its size constant",
            )
        lifted.append(stmt.buffer)
        return _lift(stmt.body, lifted, name, parallel=parallel)
    result = rebuild(stmt, visit)
    assert isinstance(result, Stmt)
    return result


def _text(extent: object) -> str:
    return str(extent.value) if isinstance(extent, Const) else "?"
