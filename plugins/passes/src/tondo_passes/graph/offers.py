"""What libraries say to the calls of graph functions: offers, and the reasons where they make none."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, cast

from tondo.diagnostics import Diagnostic, TondoError, fail
from tondo.ir import CallDps
from tondo.passes import Miss, Offer
from tondo.passes.library import placed
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tondo.ir import Binding, GraphFunction, IRModule, TensorFunction
    from tondo.passes import Library
    from tondo.target import Target

REQUEST_KEYS = ("library", "function", "source", "kind")
"""What an explicit request may say."""


@dataclass(eq=False, slots=True)
class Candidate:
    """A call of a tensor function that some library was asked about.

    Attributes:
        graph: the graph function that it stands in.
        binding: the call.
        function: the function that it calls.
        offers: by library.
        misses: why the others make no offer, by library.
        wanted: the library that was explicitly requested for it.
    """

    graph: GraphFunction
    binding: Binding
    function: TensorFunction
    offers: dict[str, Offer] = field(default_factory=dict[str, Offer])
    misses: dict[str, str] = field(default_factory=dict[str, str])
    wanted: str | None = None

    @property
    def call(self) -> CallDps:
        """The call itself."""
        return cast("CallDps", self.binding.operation)


def ask(module: IRModule, libraries: Sequence[Library], target: Target) -> list[Candidate]:
    """Return the calls of ``module`` in order, each with what ``libraries`` say; every function is shown to them once.

    Raises:
        TondoError: TND-Z001 for a library that raises, TND-B006 for one that returns something else.
    """
    known: dict[tuple[str, str], Offer | Miss] = {}
    found: list[Candidate] = []
    for graph in module.graph_functions():
        for binding in graph.bindings:
            if not isinstance(binding.operation, CallDps):
                continue
            function = module.tensor(binding.operation.function)
            if placed(function):
                continue
            candidate = Candidate(graph, binding, function)
            for library in libraries:
                key = (library.name, function.name)
                if key not in known:
                    known[key] = _said(library, function, target)
                answer = known[key]
                if isinstance(answer, Offer):
                    candidate.offers[library.name] = answer
                else:
                    candidate.misses[library.name] = answer.reason
            found.append(candidate)
    return found


def _said(library: Library, function: TensorFunction, target: Target) -> Offer | Miss:
    try:
        answer = cast("object", library.match(function, target))
    except TondoError:
        raise
    except Exception as error:
        raise TondoError(
            Diagnostic(
                "TND-Z001",
                f"the library '{library.name}' failed when it was asked about '{function.name}'",
                notes=(f"{type(error).__name__}: {error}",),
                help=f"leave it out (graph.partition with libraries: {{{library.name}: never}}) and report it",
            )
        ) from error
    if not isinstance(answer, Offer | Miss):
        fail("TND-B006", f"the library '{library.name}' answered with a {type(answer).__name__}, no Offer and no Miss")
    return answer


def request_fits(request: Mapping[str, str], candidate: Candidate) -> bool:
    """Return whether the explicit ``request`` is about ``candidate``.

    ``function`` and ``source`` are patterns (``*``, ``?``) of the names of the tensor function and of the node of the
    model; ``kind`` is a kind of stage that the function has, such as ``contraction``.
    """
    names = {"function": candidate.function.name, "source": candidate.binding.source or ""}
    if not all(fnmatchcase(name, request[key]) for key, name in names.items() if key in request):
        return False
    return "kind" not in request or any(stage.kind == request["kind"] for stage in stages_of(candidate.function) or ())


def grant(requests: Sequence[Mapping[str, str]], candidates: Sequence[Candidate]) -> None:
    """Note the explicitly requested library of every candidate that ``requests`` are about.

    Raises:
        TondoError: TND-B006 for every candidate that its library does not take, for two libraries that are requested
            for one, and for a request that no call fits.
    """
    problems: list[Diagnostic] = []
    for request in requests:
        library = request["library"]
        fitting = [candidate for candidate in candidates if request_fits(request, candidate)]
        if not fitting:
            problems.append(_problem(f"'{library}' is requested for {_said_of(request)}, and no call of the model is"))
        for candidate in fitting:
            where = candidate.binding.source or candidate.function.name
            if library not in candidate.offers:
                reason = candidate.misses.get(library, "it does not run on the target")
                told = f"'{library}' is requested for '{where}' and does not take it: {reason}"
                problems.append(_problem(told, candidate))
            elif candidate.wanted not in {None, library}:
                told = f"both '{candidate.wanted}' and '{library}' are requested for '{where}'"
                problems.append(_problem(told, candidate))
            candidate.wanted = library
    if problems:
        raise TondoError(*dict.fromkeys(problems))


def _said_of(request: Mapping[str, str]) -> str:
    said = [f"{key} '{value}'" for key, value in request.items() if key != "library"]
    return " and ".join(said) or "everything"


def _problem(message: str, candidate: Candidate | None = None) -> Diagnostic:
    span = None if candidate is None else candidate.binding.span
    notes = () if candidate is None else (f"tensor function '{candidate.function.name}'",)
    return Diagnostic(
        "TND-B006", message, span, None, notes, "take back the request, or ask for what the library takes"
    )
