"""The bindings of a graph function as statements of the host function.

Every value has a place in memory; a call becomes an :class:`Invoke` inside the views that name the memory of its
arguments. A dimension that depends on contents is a number in memory: it is written where it becomes known, and read
wherever it occurs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from tondo.diagnostics import fail
from tondo.ir import (
    EMPTY,
    FLOAT64,
    INT64,
    Assert,
    Attrs,
    BindDims,
    Binding,
    Buffer,
    CallDps,
    CallPacked,
    Const,
    Expr,
    GraphVar,
    If,
    IfRegion,
    Invoke,
    Join,
    Load,
    LoopRegion,
    MatchShape,
    Reinterpret,
    Stmt,
    TensorType,
    all_of,
    attrs_json,
    compare,
    const,
    logical_or,
    mul,
    parts_of,
    seq,
    substitute,
    unknown_of,
)
from tondo_passes.host.control import branch, loop
from tondo_passes.host.emitter import Emitter
from tondo_passes.host.places import Slot
from tondo_passes.host.plan_memory import introduced, owners, scratch_buffers, scratch_name, shape_name, variables

if TYPE_CHECKING:
    from tondo_passes.host.places import Scope


_LARGEST: Final = float(1 << 47)
"""Bytes of one tensor: what a process can address, and few enough that sums of many still fit 64 bits."""


class Lowering(Emitter):
    """The lowering of an entry function and of the inner functions that it calls."""

    def body(self, scope: Scope) -> list[Stmt]:
        """Return the statements of the function of ``scope``."""
        scope.known |= {var for param in scope.function.params for var in variables(param.type)}
        for result, owner in owners(scope.function).items():
            scope.places[owner] = scope.places[result]
        for part in parts_of(scope.function.bindings).values():
            self.part(scope, part)
        steps: list[Stmt] = []
        sized: set[tuple[Expr, ...]] = set()
        for binding in scope.function.bindings:
            steps.extend(self._sizes(binding, sized))
            steps.extend(self._binding(scope, binding))
            scope.known |= introduced(binding)
        return steps

    def _sizes(self, binding: Binding, sized: set[tuple[Expr, ...]]) -> list[Stmt]:
        """Return checks that results whose sizes contents decide fit the address space; ``sized`` are known to.

        The sizes are multiplied as floats, which cannot wrap around.
        """
        found: list[Stmt] = []
        for var in binding.vars:
            if not isinstance(var.type, TensorType) or isinstance(binding.operation, (IfRegion, LoopRegion)):
                continue
            dims = var.tensor.dims
            if dims in sized or not any(item.name in self.cells for item in variables(var.type)):
                continue
            sized.add(dims)
            size: Expr = const(float(var.tensor.dtype.bytes), FLOAT64)
            for dim in dims:
                size = size * self.here(dim).astype(FLOAT64)
            message = f"'{var.name}' would be too large: its size depends on contents"
            found.append(Assert(size <= _LARGEST, message))
        return found

    def _binding(self, scope: Scope, binding: Binding) -> list[Stmt]:
        operation = binding.operation
        match operation:
            case CallDps():
                return [self._call(scope, binding, operation)]
            case CallPacked():
                return [self._call_packed(scope, binding, operation)]
            case MatchShape():
                return self._match_shape(scope, binding, operation)
            case BindDims():
                return self._bind_dims(scope, operation)
            case Join():
                return []
            case Reinterpret():
                place = self.place(scope, operation.arg)
                if operation.offset is not None:
                    place = place.at(self.here(mul(operation.offset, operation.arg.tensor.dtype.bytes)))
                scope.places[binding.var] = place
                return []
            case IfRegion():
                return branch(self, self.body, scope, binding, operation)
            case LoopRegion():
                return loop(self, self.body, scope, binding, operation)
            case _:
                return _refuse(binding, f"{type(operation).__name__} is a call of a graph function")

    def _call(self, scope: Scope, binding: Binding, call: CallDps) -> Stmt:
        callee = self.module.tensor(call.function)
        given = {var: self.here(value) for var, value in zip(callee.scalars, call.scalars, strict=True)}
        named = [self.named(scope, atom) for atom in (*call.args, *binding.vars)]
        scratch = [
            (
                Buffer(self.fresh(buffer.name), substitute(buffer, given).shape, buffer.dtype),
                self.planned(scope, scratch_name(binding, i)),
            )
            for i, buffer in enumerate(scratch_buffers(callee))
        ]
        args = (*given.values(), *(buffer for buffer, _ in (*named, *scratch)))
        stmt = self.within([*scratch, *named], Invoke(call.function, args, False, binding.span))
        return self._unless_empty(binding, stmt)

    def _unless_empty(self, binding: Binding, stmt: Stmt) -> Stmt:
        """Skip a call whose results have no elements, where contents or sizes that may be 0 decide that."""
        if not any(self.may_vanish(var) for result in binding.vars for var in variables(result.type)):
            return stmt
        some: Expr | None = None
        for result in binding.vars:
            present = all_of([self.here(dim) > 0 for dim in result.tensor.dims if not isinstance(dim, Const)])
            if present is None:
                return stmt
            some = present if some is None else logical_or(some, present)
        return stmt if some is None else If(some, stmt)

    def _call_packed(self, scope: Scope, binding: Binding, call: CallPacked) -> Stmt:
        """Call a foreign function on arguments, results to fill, and slot and shape of each result that it returns.

        A function that works in place gets the memory of its first result, to which its first argument is copied.
        """
        steps: list[Stmt] = []
        args, given = list(call.args), list(binding.vars)
        if call.effect == "inplace":
            kind = args[0].tensor
            target = self.place(scope, given[0])
            steps.append(self.copied(self.place(scope, args[0]), target, kind.dtype.bytes, kind.dims))
            args[0] = given.pop(0)
        returned = [var for var in given if variables(var.type) - scope.known]
        named = [self.named(scope, atom) for atom in (*args, *(var for var in given if var not in returned))]
        values: list[Buffer | Expr] = [buffer for buffer, _ in named]
        shapes: list[Buffer] = []
        for var in returned:
            place = self.place(scope, var)
            assert isinstance(place.base, Slot)
            shapes.append(Buffer(self.fresh(f"{var.name}_shape"), (Const(var.tensor.rank),), INT64))
            named.append((shapes[-1], self.planned(scope, shape_name(var))))
            values.extend((place.base.number, shapes[-1]))
        steps.append(Invoke(call.name, tuple(values), True, binding.span, _attrs(binding, call, returned)))
        for var, shape in zip(returned, shapes, strict=True):
            for axis, dim in enumerate(var.tensor.dims):
                steps.append(self._learned(scope, var, dim, Load(shape, (Const(axis),))))
        return self.within(named, seq(*steps))

    def _learned(self, scope: Scope, var: GraphVar, dim: Expr, actual: Expr) -> Stmt:
        """Return the statement that writes a new dimension or checks a known one."""
        found = unknown_of(dim)
        if found is None or found[0] in scope.known:
            return Assert(compare("eq", self.here(dim), actual), f"shape of '{var.name}' is not as declared")
        scope.known.add(found[0])
        return self.set_cell(found[0].name, actual - found[1])

    def _match_shape(self, scope: Scope, binding: Binding, match: MatchShape) -> list[Stmt]:
        have = match.arg.tensor.dims
        scope.places[binding.var] = self.place(scope, match.arg)
        self.rename(binding.var, match.arg)
        steps: list[Stmt] = []
        wrong: list[Expr] = []
        for actual, wanted in zip(have, match.dims, strict=True):
            found = unknown_of(wanted)
            if found is not None and found[0] not in scope.known:
                scope.known.add(found[0])
                steps.append(self.set_cell(found[0].name, self.here(actual) - found[1]))
            elif actual != wanted:
                wrong.append(compare("eq", self.here(actual), self.here(wanted)))
        condition = all_of(wrong)
        if condition is not None:
            steps.append(Assert(condition, f"shape of '{binding.var.name}' is not as declared"))
        return steps

    def _bind_dims(self, scope: Scope, bind: BindDims) -> list[Stmt]:
        steps: list[Stmt] = []
        for i, dim in enumerate(bind.dims):
            value, named = self.element(scope, bind.arg, i)
            found = unknown_of(dim)
            if found is not None:
                var, offset = found
                steps.append(self.within([named], self.set_cell(var.name, value - offset)))
                steps.append(Assert(self.here(dim) >= 0, f"a size that depends on contents ('{var.name}') is negative"))
        return [seq(*steps)]


def _attrs(binding: Binding, call: CallPacked, returned: list[GraphVar]) -> Attrs:
    """Return what a foreign call says besides its arguments."""
    try:
        attrs_json(call.attrs)
    except TypeError as error:
        _refuse(binding, f"'{call.name}': {error}")
    kinds = tuple((str(var.tensor.dtype), var.tensor.rank) for var in returned)
    if kinds:
        return Attrs(attrs=call.attrs, results=kinds)
    return Attrs(attrs=call.attrs) if call.attrs else EMPTY


def _refuse(binding: Binding, reason: str) -> NoReturn:
    notes = [] if binding.source is None else [f"it comes from {binding.source}"]
    fail("TND-B004", f"{reason}, which has no host form", notes=notes)
