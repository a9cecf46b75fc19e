"""``graph.replace``: chosen calls are replaced, so that lowering goes step by step, one operator at a time.

Before::

    y: Tensor((n, 8), "float32") = call("com.acme.gate", x, w)

After ``{use: graph.replace, operator: com.acme.gate, with_packed: acme.gate}``::

    y: Tensor((n, 8), "float32") = call_packed("acme.gate", x, w)

Which calls: all conditions that are given hold (see :class:`~tondo_passes.graph.conditions.Condition`), or they make up
a ``pattern``, a function in script: a graph function whose parameters stand for anything, or a tensor function that
computes the same as the one called. With what, exactly one of

* ``with_packed``: a foreign function, by name, with the ``effect`` ``pure``, ``inplace`` or ``io``;
* ``with_operator``: an operator;
* ``with_function``: a function of the module, by name, or one that is given in script;
* ``with_library``: a library, for calls of tensor functions.

It gets the same arguments (of a pattern, its parameters in order), the attributes ``attributes``, and those of the call
that ``keep`` names. Every other part of the module stays as it is. Refuses (TND-C007) what does not take the same types
and make the same results, and to replace nothing, unless ``optional``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from tondo.diagnostics import fail, suggest
from tondo.ir import (
    EMPTY,
    Atom,
    Binding,
    Call,
    CallDps,
    CallGraph,
    CallPacked,
    GraphFunction,
    IfRegion,
    IRModule,
    LoopRegion,
    Operation,
    TensorFunction,
)
from tondo.script import parse, with_blocks
from tondo_passes.graph.conditions import Calls, Condition
from tondo_passes.graph.dataflow_pattern import DataflowPattern
from tondo_passes.graph.functions import Functions
from tondo_passes.graph.substitutes import ByFunction, ByLibrary, ByOperator, ByPacked, Spot, Substitute, handed_on

if TYPE_CHECKING:
    from tondo.ir import GraphRegion
    from tondo.passes import PassContext

Plain = bool | int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]


@dataclass(frozen=True)
class Replace:
    """Replace calls. The options stand above; names among the conditions are patterns with ``*`` and ``?``."""

    name: ClassVar[str] = "graph.replace"
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset()
    operator: str = ""
    function: str = ""
    packed: str = ""
    source: str = ""
    kind: str = ""
    min_flops: int = 0
    max_flops: int | None = None
    pattern: str = ""
    with_packed: str = ""
    with_operator: str = ""
    with_function: str = ""
    with_library: str = ""
    attributes: Mapping[str, Plain] = field(default_factory=dict[str, Plain])
    keep: tuple[str, ...] = ()
    effect: Literal["pure", "inplace", "io"] = "pure"
    optional: bool = False
    at_most: int | None = None

    def __post_init__(self) -> None:
        """Refuse options that do not say which calls, or with what.

        Raises:
            ValueError: with the reason.
            TondoError: TND-S... for script that is none.
        """
        given = [
            name for name in ("with_packed", "with_operator", "with_function", "with_library") if getattr(self, name)
        ]
        if len(given) != 1:
            msg = "expected one of with_packed, with_operator, with_function and with_library"
            raise ValueError(msg)
        if not self.pattern and not self.condition.says_something:
            msg = "expected a condition: which calls are to be replaced?"
            raise ValueError(msg)
        if isinstance(self.sought, GraphFunction) and self.condition.says_something:
            msg = "a pattern of operators stands by itself, without other conditions"
            raise ValueError(msg)

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with calls replaced."""
        functions = Functions(module)
        worker = _Replacer(self, self._substitute(module, context, functions), Calls(module, context), self.at_most)
        graphs = [worker.function(function) for function in module.graph_functions()]
        if not worker.count and not self.optional:
            fail(
                "TND-C007",
                f"no call fits: {self._wanted()}",
                notes=[f"calls of the module: {_listing(module)}"],
                help="'tondo inspect MODEL --after PASS' shows the module; optional: true allows that there is none",
            )
        if not worker.count:
            return module
        written = self._function
        more = [written] if written is not None and written.name not in module.functions else []
        return module.with_functions([*graphs, *functions.made.values(), *more])

    def _wanted(self) -> str:
        if isinstance(self.sought, GraphFunction):
            return "what the pattern describes"
        names = ("operator", "function", "packed", "source", "kind", "min_flops", "max_flops")
        said = [f"{name} {getattr(self, name)!r}" for name in names if getattr(self, name)]
        said += ["what the pattern computes"] if self.pattern else []
        return ", ".join(said)

    @cached_property
    def condition(self) -> Condition:
        """What a call must fulfil."""
        computes = self.sought if isinstance(self.sought, TensorFunction) else None
        facts = (self.kind, self.min_flops, self.max_flops)
        return Condition(self.operator, self.function, self.packed, self.source, *facts, computes)

    @cached_property
    def sought(self) -> TensorFunction | GraphFunction | None:
        """The function that ``pattern`` writes."""
        found = _written(self.pattern, "<pattern>") if self.pattern else None
        return with_blocks(found) if isinstance(found, TensorFunction) else found

    @cached_property
    def _function(self) -> TensorFunction | GraphFunction | None:
        """The function that is given in script."""
        if "\n" not in self.with_function:
            return None
        found = _written(self.with_function, "<with_function>")
        return with_blocks(found) if isinstance(found, TensorFunction) else found

    def _substitute(self, module: IRModule, context: PassContext, functions: Functions) -> Substitute:
        if self.with_packed:
            return ByPacked(self.with_packed, self.effect)
        if self.with_operator:
            return ByOperator(self.with_operator, context, functions)
        if self.with_library:
            library = context.libraries.get(self.with_library)
            if library is None:
                help_ = suggest(self.with_library, context.libraries) or "install the package that brings it"
                fail("TND-C004", f"there is no library '{self.with_library}' for the target", help=help_)
            return ByLibrary(library, context, functions)
        return ByFunction(self._stand_in(module))

    def _stand_in(self, module: IRModule) -> TensorFunction | GraphFunction:
        """Return the function that is given in script or by its name in the module."""
        written = self._function
        if written is None:
            found = module.functions.get(self.with_function)
            if found is None:
                known = suggest(self.with_function, module.functions)
                fail("TND-C004", f"the module has no function '{self.with_function}'", help=known)
            return found
        other = module.functions.get(written.name)
        if other is not None and other != written:
            fail("TND-C007", f"the module has another function '{written.name}'", help="give it another name")
        return written


class _Replacer:
    def __init__(self, options: Replace, substitute: Substitute, calls: Calls, at_most: int | None) -> None:
        self._options = options
        self._substitute = substitute
        self._calls = calls
        self._left = at_most
        self._pattern = DataflowPattern(options.sought) if isinstance(options.sought, GraphFunction) else None
        self.count = 0

    def function(self, function: GraphFunction) -> GraphFunction:
        return changed(function, bindings=self._suite(function.bindings, function.results))

    def _region(self, region: GraphRegion) -> GraphRegion:
        return changed(region, bindings=self._suite(region.bindings, region.results))

    def _suite(self, bindings: tuple[Binding, ...], results: tuple[Atom, ...]) -> tuple[Binding, ...]:
        bindings = tuple(self._inside(binding) for binding in bindings)
        if self._pattern is None:
            return tuple(self._single(binding) for binding in bindings)
        made: dict[int, Binding | None] = {}
        for found in self._pattern.occurrences(bindings, results):
            if self._left == 0:
                break
            last = found.bindings[-1]
            names = ", ".join(str(item.source or item.vars[0].name) for item in found.bindings)
            attrs = handed_on(EMPTY, (), self._options.attributes)
            spot = Spot(None, found.args, found.results, attrs, f"the pattern at '{names}'", last.span)
            made.update({id(item): None for item in found.bindings})
            made[id(last)] = Binding(found.results, self._made(spot), last.source, last.span)
        kept = [made.get(id(binding), binding) for binding in bindings]
        return tuple(binding for binding in kept if binding is not None)

    def _inside(self, binding: Binding) -> Binding:
        match binding.operation:
            case IfRegion(then=then, orelse=orelse) as operation:
                inner = changed(operation, then=self._region(then), orelse=self._region(orelse))
                return changed(binding, operation=inner)
            case LoopRegion(body=body) as operation:
                return changed(binding, operation=changed(operation, body=self._region(body)))
            case _:
                return binding

    def _single(self, binding: Binding) -> Binding:
        operation = binding.operation
        if self._left == 0 or not isinstance(operation, Call | CallDps | CallGraph | CallPacked):
            return binding
        if not self._options.condition.holds(binding, self._calls):
            return binding
        own = operation.attrs if isinstance(operation, Call | CallPacked) else EMPTY
        attrs = handed_on(own, self._options.keep, self._options.attributes)
        label = f"'{binding.source or _called(operation)}'"
        spot = Spot(operation, operation.args, binding.vars, attrs, label, binding.span)
        return changed(binding, operation=self._made(spot))

    def _made(self, spot: Spot) -> Operation:
        self.count += 1
        if self._left is not None:
            self._left -= 1
        return self._substitute.operation(spot)


def _written(text: str, file: str) -> TensorFunction | GraphFunction:
    functions = list(parse(text, file=file).functions.values())
    if len(functions) != 1:
        fail("TND-C007", f"{file} holds {len(functions)} functions, not one")
    return functions[0]


def _called(operation: Operation) -> str:
    match operation:
        case Call(op=name) | CallDps(function=name) | CallGraph(function=name) | CallPacked(name=name):
            return name
        case _:
            return ""


def _listing(module: IRModule) -> str:
    names = dict.fromkeys(
        name for graph in module.graph_functions() for binding in graph.bindings if (name := _called(binding.operation))
    )
    return ", ".join(names) or "none"
