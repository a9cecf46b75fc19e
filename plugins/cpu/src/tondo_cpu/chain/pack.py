"""The keys of a row chain in panels: ``[..][j // NR][k..][j % NR]``, so that columns lie along vectors.

Axes of the rows take part as the keys know them: heads that share keys (``h // 3``) are packed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tondo.arith import Analyzer
from tondo.ir import (
    Allocate,
    Binary,
    Buffer,
    Compute,
    Const,
    Expr,
    IterVar,
    Load,
    Node,
    Stmt,
    TensorFunction,
    TensorType,
    Var,
    add,
    ceildiv,
    mul,
    rename,
    rewrite,
    select,
    substitute,
    walk,
)
from tondo.passes import RuleContext
from tondo_cpu.rest import schedule_rest
from tondo_schedule import Schedule
from tondo_schedule.facts import COLUMN, RowChain
from tondo_schedule.tree import Names


@dataclass(frozen=True, slots=True)
class Packed:
    """Keys in panels.

    Attributes:
        buffer: the panels.
        shared: what the keys know of the row axes, over the variables of the first contraction.
        depth: the reduction variables of the first contraction, in the order of the panels.
        panel: columns of a panel.
        body: the statements that fill the panels.
        local: what these statements need besides.
    """

    buffer: Buffer
    shared: tuple[Expr, ...]
    depth: tuple[Var, ...]
    panel: int
    body: Stmt
    local: tuple[Buffer, ...]

    def load(self, point: Mapping[Var, Expr], panel: Expr, column: Expr) -> Load:
        """Return the key at ``column`` of ``panel`` for the values ``point`` of the first contraction's variables."""
        outer = [substitute(item, point) for item in self.shared]
        return Load(self.buffer, (*outer, panel, *(point[var] for var in self.depth), column))


def pack(chain: RowChain, panel: int, context: RuleContext, names: Names, known: Analyzer) -> Packed:
    """Return the packed keys of ``chain`` and the scheduled statements that pack them."""
    iters = {it.var: it for it in chain.first.block.iters}
    axes = chain.variables(chain.first)
    column = next(iters[var] for var, place in axes.items() if place == COLUMN)
    shared = _shared([iters[var] for var, place in axes.items() if place >= 0], chain.keys)
    depth = _in_order(chain.keys, chain.first.reduction)
    marks = {item: Var(f"{number}") for number, (item, _) in enumerate(shared)}
    marked = [_marked(index, marks) for index in chain.keys.indices]
    builder = Compute("pack")
    source = builder.input(chain.keys.buffer.name, TensorType(chain.keys.buffer.shape, chain.keys.buffer.dtype))
    count = known.simplify(column.extent)
    shape = [extent for _, extent in shared]
    shape += [known.simplify(ceildiv(count, panel)), *(it.extent for it in depth), Const(panel)]

    def value(*at: Expr) -> Expr:
        spot = add(mul(at[len(shared)], panel), at[-1])
        point: dict[Var, Expr] = dict(zip(marks.values(), at, strict=False))
        point |= {it.var: index for it, index in zip(depth, at[len(shared) + 1 :], strict=False)}
        point[column.var] = spot
        load = source[tuple(substitute(index, point) for index in marked)]
        whole = isinstance(count, Const) and int(count.value) % panel == 0
        return load if whole else select(spot < count, load, Const(0, source.dtype))

    name = names(f"{source.name}_panels")
    function = builder.build(builder.compute(name, shape, value))
    schedule = Schedule(function)
    schedule_rest(schedule, context)
    body, local = _taken_apart(schedule.result, names)
    items = tuple(item for item, _ in shared)
    return Packed(function.output_buffers[0], items, tuple(it.var for it in depth), panel, body, local)


def _taken_apart(function: TensorFunction, names: Names) -> tuple[Stmt, tuple[Buffer, ...]]:
    """Return the body of ``function``, whose parameters keep their names, and what it allocates around its loops."""
    kept = {buffer.name for buffer in function.buffers}
    body, local = rename(function, lambda name: name if name in kept else names(name)).body, list[Buffer]()
    while isinstance(body, Allocate):
        local.append(body.buffer)
        body = body.body
    return body, tuple(local)


def _shared(rows: Sequence[IterVar], keys: Load) -> list[tuple[Expr, Expr]]:
    """Return what ``keys`` has of the row axes, with its extent: ``h // 3`` if it has nothing else of ``h``."""
    found: list[tuple[Expr, Expr]] = []
    for it in rows:
        if not any(item == it.var for index in keys.indices for item in walk(index)):
            continue
        quotients = {
            item
            for index in keys.indices
            for item in walk(index)
            if isinstance(item, Binary) and item.op == "floordiv" and item.a == it.var and isinstance(item.b, Const)
        }
        rest = [_marked(index, dict.fromkeys(quotients, Var("0"))) for index in keys.indices]
        whole = any(item == it.var for index in rest for item in walk(index))
        if len(quotients) == 1 and not whole:
            (quotient,) = quotients
            found.append((quotient, ceildiv(it.extent, quotient.b)))
        else:
            found.append((it.var, it.extent))
    return found


def _marked(index: Expr, marks: Mapping[Expr, Var]) -> Expr:
    def change(item: Node) -> Node:
        return marks.get(item, item) if isinstance(item, Expr) else item

    made = rewrite(index, change)
    assert isinstance(made, Expr)
    return made


def _in_order(keys: Load, depth: Sequence[IterVar]) -> list[IterVar]:
    """Return the reduction axes in the order in which the keys have them."""

    def place(it: IterVar) -> int:
        return max(
            (i for i, index in enumerate(keys.indices) if any(item == it.var for item in walk(index))), default=0
        )

    return sorted(depth, key=place)
