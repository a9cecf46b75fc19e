"""Structural patterns on the graph: a small graph function whose parameters stand for anything.

The pattern::

    @graph_function
    def pattern(x: Tensor((n, k), "float32"), w: Tensor((k, m), "float32")):
        p: Tensor((n, m), "float32") = call("matmul", x, w)
        y: Tensor((n, m), "float32") = call("relu", p)
        return (y,)

is found where ``relu`` is applied to a ``matmul`` of these types and nothing else uses the product. Names of sizes
stand for any sizes, the same everywhere; ``Tensor(None, "float32")`` has any number of dimensions. Attributes that the
pattern names must be equal, others may be anything. The pattern's further results may be used elsewhere. Refuses
(TND-C007) patterns with anything but calls of operators, and with values that do not lead to the first result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tondo.arith import Analyzer
from tondo.diagnostics import fail
from tondo.ir import Atom, Binding, Call, Expr, GraphFunction, GraphVar, TensorType, Type, Var, substitute, walk

_ANALYZER = Analyzer()


@dataclass(frozen=True, slots=True)
class Found:
    """Where a pattern occurs.

    Attributes:
        bindings: what it covers, in order; the last one makes the first result.
        args: what its parameters stand for.
        results: what its results are called.
    """

    bindings: tuple[Binding, ...]
    args: tuple[Atom, ...]
    results: tuple[GraphVar, ...]


class DataflowPattern:
    """A pattern, ready to be looked for."""

    def __init__(self, function: GraphFunction) -> None:
        """Take ``function`` as the pattern."""
        self._function = function
        self._made = {var: binding for binding in function.bindings for var in binding.vars}
        if not function.results or not all(
            isinstance(item, GraphVar) and item in self._made for item in function.results
        ):
            fail("TND-C007", f"the pattern '{function.name}' has a result that it does not compute")
        for binding in function.bindings:
            if not isinstance(binding.operation, Call):
                kind = type(binding.operation).__name__
                fail("TND-C007", f"the pattern '{function.name}' holds a {kind}, only calls of operators can be found")
        leading = self._leading(self._anchor)
        for binding in function.bindings:
            if binding not in leading:
                name = binding.vars[0].name
                fail("TND-C007", f"'{name}' of the pattern '{function.name}' does not lead to its first result")

    @property
    def _anchor(self) -> Binding:
        first = self._function.results[0]
        assert isinstance(first, GraphVar)
        return self._made[first]

    def _leading(self, binding: Binding) -> list[Binding]:
        found = [binding]
        for item in walk(binding.operation):
            if isinstance(item, GraphVar) and item in self._made:
                found.extend(self._leading(self._made[item]))
        return found

    def occurrences(self, bindings: Sequence[Binding], results: Sequence[Atom]) -> Iterator[Found]:
        """Yield where the pattern occurs among the ``bindings`` of a suite with ``results``, none overlapping."""
        made = {var: binding for binding in bindings for var in binding.vars}
        used: set[int] = set()
        for binding in bindings:
            state = _Match(self._made, made)
            if not state.same_binding(self._anchor, binding):
                continue
            covered = [item for item in bindings if any(item is part for part in state.pairs.values())]
            if any(id(item) in used for item in covered) or not self._closed(covered, bindings, results, state):
                continue
            used.update(id(item) for item in covered)
            args = tuple(state.atoms[param] for param in self._function.params)
            named = tuple(state.atoms[item] for item in self._function.results if isinstance(item, GraphVar))
            yield Found(tuple(covered), args, tuple(item for item in named if isinstance(item, GraphVar)))

    def _closed(
        self, covered: Sequence[Binding], bindings: Sequence[Binding], results: Sequence[Atom], state: _Match
    ) -> bool:
        """Whether nothing outside uses an inner value, and results only after all of the pattern is computed."""
        if any(param not in state.atoms for param in self._function.params):
            return False
        kept = {state.atoms[item] for item in self._function.results if isinstance(item, GraphVar)}
        inner = {var for binding in covered for var in binding.vars} - kept
        last = next(place for place, binding in enumerate(bindings) if binding is covered[-1])
        for place, binding in enumerate(bindings):
            if any(binding is part for part in covered):
                continue
            used = {item for item in walk(binding.operation) if isinstance(item, GraphVar)}
            if used & inner or (place < last and used & kept):
                return False
        return not inner & {item for item in results if isinstance(item, GraphVar)}


@dataclass(slots=True)
class _Match:
    """What the values and sizes of a pattern stand for."""

    pattern: Mapping[GraphVar, Binding]
    graph: Mapping[GraphVar, Binding]
    atoms: dict[Atom, Atom] = field(default_factory=dict["Atom", "Atom"])
    sizes: dict[Var, Expr] = field(default_factory=dict[Var, Expr])
    pairs: dict[Binding, Binding] = field(default_factory=dict[Binding, Binding])

    def same_binding(self, mine: Binding, theirs: Binding) -> bool:
        wanted, given = mine.operation, theirs.operation
        if not isinstance(wanted, Call) or not isinstance(given, Call) or wanted.op != given.op:
            return False
        if len(wanted.args) != len(given.args) or len(mine.vars) != len(theirs.vars):
            return False
        if any(name not in given.attrs or not _equal(value, given.attrs[name]) for name, value in wanted.attrs.items()):
            return False
        if not all(self.same_atom(a, b) for a, b in zip(wanted.args, given.args, strict=True)):
            return False
        self.pairs[mine] = theirs
        self.atoms.update(zip(mine.vars, theirs.vars, strict=True))
        return all(self.same_type(a.type, b.type) for a, b in zip(mine.vars, theirs.vars, strict=True))

    def same_atom(self, mine: Atom, theirs: Atom) -> bool:
        if mine in self.atoms:
            return self.atoms[mine] == theirs
        if not isinstance(mine, GraphVar):
            return False
        if mine not in self.pattern:
            self.atoms[mine] = theirs
            return self.same_type(mine.type, theirs.type)
        if not isinstance(theirs, GraphVar) or theirs not in self.graph:
            return False
        places = (self.pattern[mine].vars.index(mine), self.graph[theirs].vars.index(theirs))
        return places[0] == places[1] and self.same_binding(self.pattern[mine], self.graph[theirs])

    def same_type(self, mine: Type, theirs: Type) -> bool:
        if not isinstance(mine, TensorType) or not isinstance(theirs, TensorType):
            return mine == theirs
        if mine.dtype != theirs.dtype:
            return False
        if mine.shape is None or theirs.shape is None:
            return mine.shape is None
        return len(mine.shape) == len(theirs.shape) and all(map(self._same_size, mine.shape, theirs.shape))

    def _same_size(self, mine: Expr, theirs: Expr) -> bool:
        if isinstance(mine, Var) and mine not in self.sizes:
            self.sizes[mine] = theirs
            return True
        return _ANALYZER.simplify(substitute(mine, self.sizes)) == _ANALYZER.simplify(theirs)


def _equal(a: object, b: object) -> bool:
    return type(a) is type(b) and a == b
