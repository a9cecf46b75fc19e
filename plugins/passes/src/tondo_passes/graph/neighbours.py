"""Who makes and who uses the values of a graph function, and what generated code would join with a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tondo.ir import CallDps, GraphVar, walk
from tondo.passes.library import placed
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tondo.ir import Binding, GraphFunction, IRModule

_MOST: Final = 8


class Neighbours:
    """The uses of the values of one graph function."""

    def __init__(self, graph: GraphFunction, module: IRModule) -> None:
        """Look at the bindings of ``graph``."""
        self._module = module
        self.maker = {var: binding for binding in graph.bindings for var in binding.vars}
        self.users: dict[GraphVar, list[Binding]] = {}
        for binding in graph.bindings:
            for atom in dict.fromkeys(item for item in walk(binding.operation) if isinstance(item, GraphVar)):
                self.users.setdefault(atom, []).append(binding)
        self._results = {atom for atom in graph.results if isinstance(atom, GraphVar)}

    def followers(self, binding: Binding) -> list[Binding]:
        """Return the calls after ``binding`` that generated code may join with it: epilogues, and rows of a product.

        Each is the only user of the one before. Another product ends them: it may be the last of a chain.
        """
        found: list[Binding] = []
        while len(found) < _MOST and len(binding.vars) == 1:
            users = self.users.get(binding.var, [])
            if len(users) != 1 or binding.var in self._results:
                break
            binding = users[0]
            kinds = self._kinds(binding)
            if not kinds or "opaque" in kinds:
                break
            found.append(binding)
            if "contraction" in kinds:
                break
        while found and not self._joins(found):
            found.pop()
        return found

    def _joins(self, found: Sequence[Binding]) -> bool:
        """Whether the last of ``found`` is joined: elementwise or of rows; a product only after what is of rows."""
        kinds = set(self._kinds(found[-1]))
        if "contraction" in kinds:
            return any("reduction" in self._kinds(binding) for binding in found[:-1])
        return "injective" not in kinds

    def _kinds(self, binding: Binding) -> Sequence[str]:
        call = binding.operation
        if not isinstance(call, CallDps) or len(binding.vars) != 1:
            return ()
        function = self._module.tensor(call.function)
        return () if placed(function) else [stage.kind for stage in stages_of(function) or ()]
