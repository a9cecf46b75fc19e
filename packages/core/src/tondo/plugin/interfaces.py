"""What plugins bring: one Protocol per kind of component, and the plain values that pass through them.

Hooks (:mod:`tondo.plugin.hookspecs`) only return such objects; the objects do the work. Every component has a
``name`` that is unique among the components of its kind, over all plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from tondo.passes.reporter import Reporter, SilentReporter
from tondo.passes.rule import Miss
from tondo.passes.timing import Timing

if TYPE_CHECKING:
    from tondo.ir import IRModule, OpCall, Operator
    from tondo.target.target import Target

Option = bool | int | float | str | Sequence["Option"] | Mapping[str, "Option"] | None
"""A plain value of a pipeline file."""

# ---------------------------------------------------------------------------------------------- frontends


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to read a model.

    Attributes:
        inputs: shapes by input name that replace or refine what the model says; a dimension is a size or a name.
        dimensions: bounds ``(low, high)`` by name of a symbolic dimension. ``low`` None means 0 where the model permits
            that, else 1; ``high`` None means unbounded. What comes of it stands in the module's attribute
            ``dimensions``.
        name: name of the module; the frontend's choice where it is None.
        base: folder that files named by the model must lie in, where the source is not a path.
        options: further options that the frontend documents.
        operators: the operator library by name; type rules give the result types of what the frontend emits.
        components: what plugins brought for hooks that packages declared themselves, by hook, then by name.
    """

    inputs: Mapping[str, tuple[int | str, ...]] = field(default_factory=dict[str, tuple[int | str, ...]])
    dimensions: Mapping[str, tuple[int | None, int | None]] = field(
        default_factory=dict[str, tuple[int | None, int | None]]
    )
    name: str | None = None
    base: Path | None = None
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])
    operators: Mapping[str, Operator] = field(default_factory=dict[str, "Operator"])
    components: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])


@runtime_checkable
class SourceDigest(Protocol):
    """What a frontend may also offer: to tell sources apart without loading them, for the cache of artifacts."""

    def digest(self, source: object, options: LoadOptions) -> str | None:
        """Return a text that differs whenever ``load`` would differ, files that the source names included.

        None if it cannot be told; the driver then loads the source and compares modules.
        """
        ...


@dataclass(frozen=True, slots=True)
class OperatorUse:
    """An operator of a model as a survey lists it: all nodes of one version with the same types.

    Attributes:
        operator: its name in the model.
        version: version of the operator set it comes from, None if the model says none.
        dtypes: element types of its inputs, each once.
        nodes: names of the nodes.
        reason: why it cannot be read; None if it can.
        calls: the operators of the graph that it becomes.
        packed: the functions that it calls by name.
    """

    operator: str
    version: int | None
    dtypes: tuple[str, ...]
    nodes: tuple[str, ...]
    reason: str | None = None
    calls: tuple[OpCall, ...] = ()
    packed: tuple[str, ...] = ()


@runtime_checkable
class SourceSurvey(Protocol):
    """What a frontend may also offer: to list what a source is made of, problems included, all at once."""

    def survey(self, source: object, options: LoadOptions) -> Sequence[OperatorUse]:
        """Return every operator of ``source``.

        Raises:
            TondoError: TND-M... for a source that is no valid model; what is merely not supported is listed.
        """
        ...


@runtime_checkable
class Frontend(Protocol):
    """Reads models of one kind into a module of graph functions.

    Attributes:
        name: such as ``"onnx"``.
        suffixes: file name endings that it reads, such as ``(".onnx",)``; used in messages and by ``claims``.
    """

    @property
    def name(self) -> str:
        """Unique name."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings that it reads."""
        ...

    def claims(self, source: object) -> bool:
        """Return whether ``source`` (a path, an object in memory) is of this kind; must be quick and not raise."""
        ...

    def load(self, source: object, options: LoadOptions) -> IRModule:
        """Return the module that ``source`` describes; its entry is the graph function ``main``.

        Raises:
            TondoError: TND-M... for a model that cannot be read, TND-X... for one that breaks a limit.
        """
        ...


# ---------------------------------------------------------------------------------------------- code generators


@dataclass(frozen=True, slots=True)
class ObjectCode:
    """One piece of machine code: ``name`` is safe in file names, ``data`` a relocatable or shared object."""

    name: str
    data: bytes
    kind: Literal["object", "shared"] = "object"


@dataclass(frozen=True, slots=True)
class CompiledCode:
    """What a code generator returns.

    Attributes:
        objects: the code, in link order.
        kernels: names of the kernels; the position is the index that profile records carry.
        packed: names of foreign functions that the code calls, by their position in the context's table.
        features: instruction-set features that the code needs, by their LLVM names.
    """

    objects: tuple[ObjectCode, ...]
    kernels: tuple[str, ...] = ()
    packed: tuple[str, ...] = ()
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CodegenContext:
    """What a code generator may use.

    Attributes:
        cache: folder for object code by structural hash, or None where nothing may be kept.
        jobs: how many functions may be compiled at the same time.
        reporter: receives progress and warnings.
        dump: receives ``(name, text)`` of intermediate forms, or None where nobody looks.
        timing: receives where the time goes: spans for the steps, one in a lane for each piece of code.
    """

    cache: Path | None = None
    jobs: int = 1
    reporter: Reporter = field(default_factory=SilentReporter)
    dump: Callable[[str, str], None] | None = None
    timing: Timing = field(default_factory=Timing)


@runtime_checkable
class Linker(Protocol):
    """What a code generator may also offer: one shared object, which needs no further component to be loaded."""

    def link(self, code: CompiledCode, target: Target) -> CompiledCode | Miss:
        """Return ``code`` with its objects linked to a single one of kind ``shared``, or why that cannot be done."""
        ...


@runtime_checkable
class Codegen(Protocol):
    """Turns a module of lowered tensor functions into machine code."""

    @property
    def name(self) -> str:
        """Unique name, such as ``"llvm"``."""
        ...

    def supports(self, target: Target) -> bool:
        """Return whether it generates code for ``target``."""
        ...

    def digest(self) -> str:
        """Return a text that changes whenever the same module may lead to other code (versions, settings)."""
        ...

    def compile(
        self,
        module: IRModule,
        target: Target,
        options: Mapping[str, Option],
        context: CodegenContext,
    ) -> CompiledCode:
        """Return code for every exported tensor function of ``module`` and what they call.

        Raises:
            TondoError: TND-B004 for a form that cannot be expressed, TND-C002 for an unknown option.
        """
        ...


# ---------------------------------------------------------------------------------------------- pipelines


@dataclass(frozen=True, slots=True)
class PassSpec:
    """One step of a pipeline: a registered pass by name, with the options that differ from its defaults."""

    use: str
    options: tuple[tuple[str, Option], ...] = ()

    @classmethod
    def of(cls, use: str, **options: Option) -> PassSpec:
        """Return the step ``use`` with keyword options."""
        return cls(use, tuple(sorted(options.items())))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A named list of passes: ``name`` is a target kind where the pipeline is that kind's default."""

    name: str
    passes: tuple[PassSpec, ...]
    description: str = ""


# ---------------------------------------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the command line: ``factory`` is ``"module:attribute"``, imported when the command runs."""

    name: str
    factory: str
    help: str = ""
