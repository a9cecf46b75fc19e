"""One tensor function in place of several calls: their bodies one after the other, what is between them local."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tondo.ir import (
    Allocate,
    Atom,
    Binding,
    Buffer,
    CallDps,
    GraphVar,
    Stmt,
    TensorFunction,
    Var,
    free_vars,
    rename,
    seq,
    substitute,
    walk,
)
from tondo_passes.graph.names import NameSupply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def title_of(members: Sequence[Binding]) -> str:
    """Return a name for the function that ``members`` become."""
    names = [member.operation.function for member in members if isinstance(member.operation, CallDps)]
    stems = [name.rstrip("0123456789").rstrip("_") for name in names]
    short = stems if len(stems) <= 4 else [*stems[:3], f"and_{len(stems) - 3}_more"]
    return "_".join(short)


def merged(members: Sequence[Binding], function: Callable[[str], TensorFunction]) -> tuple[TensorFunction, list[Atom]]:
    """Return the function that does what ``members`` do in turn, and the arguments to call it with.

    Args:
        members: calls of functions with one result, in order; the last one yields the result.
        function: returns a function by its name.
    """
    merger = _Merger(NameSupply(_dimensions(members)))
    for member in members:
        assert isinstance(member.operation, CallDps)
        merger.add(member, member.operation, function(member.operation.function))
    return merger.function(members[-1].var), merger.args


def _dimensions(members: Sequence[Binding]) -> set[str]:
    """Return the names of the caller's dimensions, which no name inside the fused function may take."""
    return {item.name for member in members for item in walk(member) if isinstance(item, Var)}


@dataclass
class _Merger:
    """Appends the bodies of calls; every atom of the graph becomes one buffer."""

    fresh: NameSupply
    buffers: dict[Atom, Buffer] = field(default_factory=dict[Atom, Buffer])
    inputs: list[Buffer] = field(default_factory=list[Buffer])
    args: list[Atom] = field(default_factory=list[Atom])
    local: list[Buffer] = field(default_factory=list[Buffer])
    bodies: list[Stmt] = field(default_factory=list[Stmt])

    def add(self, member: Binding, call: CallDps, function: TensorFunction) -> None:
        callee = self._renamed(function)
        for atom, parameter in zip(call.args, callee.input_buffers, strict=True):
            if atom not in self.buffers:
                self.buffers[atom] = Buffer(parameter.name, atom.tensor.dims, parameter.dtype)
                self.inputs.append(self.buffers[atom])
                self.args.append(atom)
        output = callee.output_buffers[0]
        self.buffers[member.var] = Buffer(output.name, member.var.tensor.dims, output.dtype)
        atoms = (*call.args, member.var)
        places = dict(zip(callee.buffers, (self.buffers[atom] for atom in atoms), strict=True))
        # Both at once: the scalars occur in the shapes by which the buffers are known.
        body = substitute(callee.body, dict(zip(callee.scalars, call.scalars, strict=True)), places)
        while isinstance(body, Allocate):
            self.local.append(body.buffer)
            body = body.body
        self.bodies.append(body)
        self.local.append(self.buffers[member.var])

    def _renamed(self, function: TensorFunction) -> TensorFunction:
        """Return ``function`` with names that neither the others, nor the caller's dimensions, nor its scalars have."""
        supply = NameSupply(var.name for var in function.scalars)

        def fresh(name: str) -> str:
            while (made := self.fresh(name)) != supply(made):
                pass
            return made

        return rename(function, fresh)

    def function(self, result: GraphVar) -> TensorFunction:
        body = seq(*self.bodies)
        output = self.buffers[result]
        for buffer in reversed(self.local):
            if buffer != output:
                body = Allocate(buffer, body)
        scalars = free_vars(body, (*self.inputs, output))
        return TensorFunction("fused", (*scalars, *self.inputs, output), body, 1)
