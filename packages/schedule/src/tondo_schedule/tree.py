"""Places in a tensor function: find a loop or a block, see what is around it, put something else there.

A place is the path of statements from the body of the function down to the statement itself. Block bodies are not
searched: to a schedule a block is a leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tondo.arith import Analyzer, size_analyzer
from tondo.ir import (
    Allocate,
    Binary,
    Block,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Let,
    Load,
    Node,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    Var,
    View,
    While,
    definitions,
    logical_and,
    point_regions,
    seq,
    walk,
)
from tondo_schedule.refusal import refuse

ASSUME = "assume"
"""Attribute of a function: conditions on its scalars that a schedule may take for granted (a tuple)."""
INTRINSIC = "intrinsic"
"""Attribute of a block: the name of the declared instruction that its body is."""


@dataclass(frozen=True, slots=True)
class Place:
    """A statement and what it lies in: ``path[0]`` is the body of the function, ``path[-1]`` the statement."""

    path: tuple[Stmt, ...]

    @property
    def node(self) -> Stmt:
        """The statement itself."""
        return self.path[-1]

    @property
    def around(self) -> tuple[Stmt, ...]:
        """The statements around it, outermost first."""
        return self.path[:-1]

    @property
    def loops(self) -> tuple[For, ...]:
        """The loops around it, outermost first."""
        return tuple(item for item in self.path[:-1] if isinstance(item, For))

    def below(self, loop: For) -> tuple[For, ...]:
        """The loops around it that lie inside ``loop``."""
        loops = self.loops
        return loops[loops.index(loop) + 1 :]


def children(stmt: Stmt) -> tuple[Stmt, ...]:
    """Return the statements directly inside ``stmt`` (none for a block)."""
    match stmt:
        case For() | Allocate() | Let() | View() | While():
            return (stmt.body,)
        case Seq():
            return stmt.stmts
        case If():
            return (stmt.then,) if stmt.orelse is None else (stmt.then, stmt.orelse)
        case _:
            return ()


def places(root: Stmt) -> Iterator[Place]:
    """Yield every statement below ``root`` with its path, parents first."""
    stack: list[tuple[Stmt, ...]] = [(root,)]
    while stack:
        path = stack.pop()
        yield Place(path)
        stack.extend((*path, child) for child in reversed(children(path[-1])))


def block_place(function: TensorFunction, name: str, primitive: str = "use") -> Place:
    """Return the place of the block ``name``."""
    found = [place for place in places(function.body) if isinstance(place.node, Block) and place.node.name == name]
    if not found:
        known = ", ".join(block.name for block in blocks_of(function.body))
        refuse(primitive, f"block '{name}'", "there is no such block", help=f"the blocks are: {known}")
    return found[0]


def loop_place(function: TensorFunction, var: Var, primitive: str = "use") -> Place:
    """Return the place of the loop over ``var``."""
    found = [place for place in places(function.body) if isinstance(place.node, For) and place.node.var == var]
    if not found:
        refuse(primitive, f"loop '{var.name}'", "there is no such loop")
    return found[0]


def block_at(place: Place) -> Block:
    """Return the block of a place that was found by a block's name."""
    assert isinstance(place.node, Block)
    return place.node


def loop_at(place: Place) -> For:
    """Return the loop of a place that was found by a loop's variable."""
    assert isinstance(place.node, For)
    return place.node


def blocks_of(root: Stmt) -> tuple[Block, ...]:
    """Return the blocks below ``root`` in order."""
    return tuple(place.node for place in places(root) if isinstance(place.node, Block))


def nest_of(place: Place) -> Place:
    """Return the outermost loop around ``place`` that contains nothing else (the place itself if there is none)."""
    path = place.path
    while len(path) > 1 and isinstance(path[-2], For):
        path = path[:-1]
    return Place(path)


def put(place: Place, new: Stmt | None) -> Stmt:
    """Return the body of the function with ``new`` in place of the statement; None removes it and what gets empty.

    Raises:
        ValueError: if nothing would remain.
    """
    current, result = place.node, new
    for parent in reversed(place.around):
        result = _with_child(parent, current, result)
        current = parent
    if result is None:
        msg = "a function cannot be empty"
        raise ValueError(msg)
    return result


def _with_child(parent: Stmt, old: Stmt, new: Stmt | None) -> Stmt | None:
    match parent:
        case Seq():
            items = [new if item is old else item for item in parent.stmts]
            kept = [item for item in items if item is not None]
            return seq(*kept) if kept else None
        case If():
            if parent.then is old:
                return None if new is None else replace(parent, then=new)
            return replace(parent, orelse=new)
        case For() | Allocate() | Let() | View() | While():
            return None if new is None else replace(parent, body=new)
        case _:
            msg = f"{type(parent).__name__} has no statements inside"
            raise TypeError(msg)


def with_body(function: TensorFunction, body: Stmt) -> TensorFunction:
    """Return ``function`` with another body."""
    return replace(function, body=body)


def analyzer_for(function: TensorFunction, place: Place | None = None) -> Analyzer:
    """Return what is known at ``place``: dimensions have their bounds, assumptions hold, loops have their ranges."""
    analyzer = size_analyzer(function)
    for condition in assumptions(function):
        analyzer = analyzer.assume(condition)
    if place is None:
        return analyzer
    for item, inside in zip(place.path, place.path[1:], strict=False):
        if isinstance(item, For):
            analyzer = analyzer.with_range(item.var, item.begin, item.extent)
        elif isinstance(item, If) and inside is item.then:
            analyzer = analyzer.assume(item.condition)
    return analyzer


def domain(block: Block) -> Analyzer:
    """Return what is known inside a block: the domains of its iteration variables."""
    analyzer = Analyzer()
    for it in block.iters:
        analyzer = analyzer.with_range(it.var, Const(0), it.extent)
    return analyzer


def assumptions(function: TensorFunction) -> tuple[Expr, ...]:
    """Return the conditions that the schedule takes for granted."""
    stated = function.attrs.get(ASSUME, ())
    return tuple(item for item in stated if isinstance(item, Expr)) if isinstance(stated, tuple) else ()


class Names:
    """Makes names that are free in a function."""

    def __init__(self, function: TensorFunction) -> None:
        """Avoid every name in ``function``."""
        variables, buffers, blocks = definitions(function.body)
        self._taken = {item.name for item in (*variables, *buffers, *function.params)} | set(blocks)

    def __call__(self, base: str) -> str:
        """Return ``base``, with a number if it is taken."""
        name, number = base, 1
        while name in self._taken:
            name, number = f"{base}_{number}", number + 1
        self._taken.add(name)
        return name


def touches(node: Node, buffer: Buffer) -> bool:
    """Whether ``node`` loads or stores ``buffer``."""
    return any(isinstance(item, (Load, Store)) and item.buffer == buffer for item in walk(node))


def loads_of(node: Node, buffer: Buffer) -> tuple[Load, ...]:
    """Return the distinct loads of ``buffer`` in ``node``."""
    return tuple(dict.fromkeys(item for item in walk(node) if isinstance(item, Load) and item.buffer == buffer))


def stores_of(node: Node) -> tuple[Store, ...]:
    """Return the stores in ``node``."""
    return tuple(item for item in walk(node) if isinstance(item, Store))


def single_store(block: Block, primitive: str) -> Store:
    """Return the store that is the whole body of ``block``."""
    if not isinstance(block.body, Store) or block.body.predicate is not None:
        refuse(primitive, f"block '{block.name}'", "its body is not a single unconditional store")
    return block.body


def uses(expr: Node, var: Var) -> bool:
    """Whether ``var`` occurs in ``expr``."""
    return any(item == var for item in walk(expr))


def both(a: Expr | None, b: Expr | None) -> Expr | None:
    """Return the conjunction of two conditions, either of which may be absent."""
    if a is None or b is None:
        return a if b is None else b
    return logical_and(a, b)


def conjuncts(condition: Expr | None) -> list[Expr]:
    """Return the parts of a conjunction; none if there is no condition."""
    if condition is None:
        return []
    if isinstance(condition, Binary) and condition.op == "and":
        return [*conjuncts(condition.a), *conjuncts(condition.b)]
    return [condition]


def update_blocks(root: Stmt, change: Callable[[Block], Block]) -> Stmt:
    """Return ``root`` with every block replaced by ``change(block)``."""
    if isinstance(root, Block):
        return change(root)
    match root:
        case For() | Allocate() | Let() | View() | While():
            return replace(root, body=update_blocks(root.body, change))
        case Seq():
            return replace(root, stmts=tuple(update_blocks(item, change) for item in root.stmts))
        case If():
            orelse = None if root.orelse is None else update_blocks(root.orelse, change)
            return replace(root, then=update_blocks(root.then, change), orelse=orelse)
        case _:
            return root


def is_nest(block: Block) -> bool:
    """Whether the body of ``block`` is a nest or an instruction: its accesses are seen by its regions only."""
    return INTRINSIC in block.attrs or any(isinstance(item, (For, Block)) for item in walk(block.body))


def with_regions(block: Block, body: Node) -> Block:
    """Return ``block`` with another body, its regions read off the body and the init.

    Raises:
        TondoError: TND-B003 if the body is a nest of its own: blocks and instructions are made last.
    """
    assert isinstance(body, Stmt)
    if is_nest(block):
        refuse("a change", f"block '{block.name}'", "its body is a nest or an instruction, whose accesses are fixed")
    reads, writes = point_regions(body)
    return Block(block.name, block.iters, reads, writes, body, block.init, block.predicate, block.attrs, block.span)
