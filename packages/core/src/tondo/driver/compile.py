"""The compile driver, on one page: load, passes, code, manifest, session."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from tondo.diagnostics import Diagnostic
from tondo.driver.attach import OperatorsLike
from tondo.driver.cache import ArtifactCache, cache_key
from tondo.driver.environment import Environment, read_environment
from tondo.driver.guard import guard
from tondo.driver.interpreted import interpret
from tondo.driver.libraries import call_libraries
from tondo.driver.manifest import make_manifest, member_of, signature_of
from tondo.driver.model import Model, Parts
from tondo.driver.pipeline import codegen_options
from tondo.driver.plan import ConfigLike, Plan, installed, make_plan, pass_context
from tondo.driver.source import dimensions_of
from tondo.driver.specialize import Sizes, preferred_sizes, with_versions
from tondo.driver.trials import MeasuredTrials
from tondo.ir import ConstantData, IRModule
from tondo.passes import (
    Instrument,
    LibraryCode,
    Miss,
    Progress,
    Reporter,
    SilentReporter,
    TimePasses,
    Timing,
    run_pipeline,
)
from tondo.passes.placement import Placement, placements_of, with_placements
from tondo.passes.verify import verifiers
from tondo.plugin import Codegen, CodegenContext, CompiledCode, Extensions, Linker
from tondo.script import script
from tondo.support.version import __version__
from tondo.target import TargetSpec
from tondo_runtime import Artifact, RuntimeFailure, Session
from tondo_runtime.host import default_threads


@dataclass(frozen=True, slots=True)
class Tools:
    """What a compilation may use besides its plan.

    Attributes:
        reporter: receives warnings and progress.
        timing: receives where the time goes.
        instruments: watch the module between the passes.
        dump: receives ``(name, text)`` of intermediate forms of code.
        environment: cache folder and size.
    """

    reporter: Reporter = field(default_factory=SilentReporter)
    timing: Timing = field(default_factory=lambda: Timing("compile"))
    instruments: Sequence[Instrument] = ()
    dump: Callable[[str, str], None] | None = None
    environment: Environment = field(default_factory=read_environment)


def compile(  # noqa: PLR0913  one keyword for each thing that a user may say
    source: object = None,
    *,
    target: TargetSpec | None = None,
    threads: int | None = None,
    numerics: str | None = None,
    config: ConfigLike = None,
    ops: Sequence[OperatorsLike] = (),
    extensions: Extensions | None = None,
    reporter: Reporter | None = None,
    instruments: Sequence[Instrument] = (),
    tools: Tools | None = None,
) -> Model:
    """Compile a model.

    Args:
        source: a path, an object that a frontend claims (such as an onnx.ModelProto), or an IRModule; the model that
            ``config`` names if left out.
        target: what to compile for: ``"native"`` (the default), ``"interp"``, ``"cpu=haswell"``, a mapping; replaces
            the whole target of ``config``.
        threads: how many threads one call uses; as many as can run at once if left out.
        numerics: precision of float32 products: ``"highest"`` (the default), ``"high"``, ``"medium"``.
        config: a pipeline file, or its content as a mapping; the other arguments take precedence.
        ops: operators of your own: what ``@tondo.operator`` made, or Python files that hold such. Files are run.
        extensions: what plugins bring; the installed plugins if left out.
        reporter: receives warnings and progress.
        instruments: watch the module between the passes.
        tools: everything a compilation may use; replaces ``reporter`` and ``instruments``.

    Returns:
        The model, ready to be called.

    Raises:
        TondoError: whatever is wrong with the configuration, the model or the pipeline.
    """
    tools = tools or Tools(reporter=reporter or SilentReporter(), instruments=instruments)
    with tools.timing.measure("plan"):
        found = extensions or installed(tools.environment)
        plan = make_plan(source, target, threads, numerics, config, found, ops)
    cache = _cache(plan, tools)
    key = _key(plan) if cache is not None else ""
    if cache is not None:
        with tools.timing.measure("cache"):
            model = _from_cache(cache, key, plan, tools)
        if model is not None:
            return model
    module = lower(plan, tools)
    if plan.codegen is None:
        engine = interpret(module, plan.source.name, plan.extensions.operators, dimensions_of(plan.file.config))
        return Model(plan.source.name, engine, module=module, timing=tools.timing)
    return _finish(module, generate(module, plan, plan.codegen, tools, cache), plan, plan.codegen, tools, cache, key)


def lower(plan: Plan, tools: Tools) -> IRModule:
    """Return the module after all passes of ``plan``, with a version for each choice of preferred sizes."""
    module = _lowered(plan, tools)
    if plan.codegen is None:
        return module
    versions = [(sizes, _lowered(plan.with_sizes(sizes), tools)) for sizes in preferred_sizes(plan.file.config)]
    return with_placements(with_versions(module, versions), _placements(module, versions))


def _placements(module: IRModule, versions: Sequence[tuple[Sizes, IRModule]]) -> list[Placement]:
    """Return the report about libraries of all versions."""
    rows = placements_of(module)
    for sizes, version in versions:
        text = ", ".join(f"{name} = {size}" for name, size in sizes.items())
        rows.extend(replace(row, sizes=text) for row in placements_of(version))
    return rows


def _lowered(plan: Plan, tools: Tools) -> IRModule:
    context = pass_context(plan, tools.reporter)
    trials = MeasuredTrials(plan, lambda module, of: _trial(module, of, tools), context, _notes(plan, tools))
    with tools.timing.measure("load"):
        module = plan.source.load()
        tools.timing.note(constants=len(module.constants))
    if plan.source.frontend is None and plan.file.config.verify != "never":
        # Nobody vouches for a module that was built by hand; passes take for granted what it calls.
        verifiers()["graph"](module)
    instruments = [TimePasses(tools.timing), Progress(tools.reporter), *tools.instruments]
    with tools.timing.measure("passes"):
        return run_pipeline(
            module,
            plan.passes,
            replace(context, trials=trials),
            instruments,
            verifiers=verifiers(),
            verify=plan.file.config.verify,
        )


@dataclass(frozen=True, slots=True)
class Generated:
    """The code of a module: that of the code generator, and that of libraries by member path."""

    code: CompiledCode
    foreign: Mapping[str, LibraryCode] = field(default_factory=dict[str, LibraryCode])


def generate(
    module: IRModule, plan: Plan, codegen: Codegen, tools: Tools, cache: ArtifactCache | None = None
) -> Generated:
    """Return the code of a lowered module."""
    called = call_libraries(module, pass_context(plan, tools.reporter), tools.timing)
    context = CodegenContext(
        cache=cache.objects() if cache is not None else None,
        jobs=default_threads(),
        reporter=tools.reporter,
        dump=tools.dump,
        timing=tools.timing,
    )
    with tools.timing.measure("code"), guard(f"the code generator '{codegen.name}'"):
        code = codegen.compile(called.module, plan.target, codegen_options(plan.file), context)
    return Generated(code, called.code)


def _trial(module: IRModule, plan: Plan, tools: Tools) -> tuple[Session, IRModule]:
    """Return a session of a lowered piece of the model, and the piece; nobody watches how it is made."""
    assert plan.codegen is not None
    own = Tools(environment=tools.environment)
    generated = generate(module, plan, plan.codegen, own, _cache(plan, own))
    parts = _parts(module, "", generated, plan)
    return Session(parts.manifest, parts.code, parts.weights, plan.target.threads), module


def _finish(
    module: IRModule,
    generated: Generated,
    plan: Plan,
    codegen: Codegen,
    tools: Tools,
    cache: ArtifactCache | None,
    key: str,
) -> Model:
    with tools.timing.measure("print"):
        _digest_constants(module)
        text = script(module)
    parts = _parts(module, text, generated, plan)
    with tools.timing.measure("session"):
        session = Session(parts.manifest, parts.code, parts.weights, plan.target.threads)

    @functools.cache
    def linked() -> Parts | Miss:
        """Prefer a shared object: the runtime loads it without further components."""
        if not isinstance(codegen, Linker):
            return parts
        with tools.timing.measure("link"), guard(f"linking by '{codegen.name}'"):
            result = codegen.link(generated.code, plan.target)
        return result if isinstance(result, Miss) else _parts(module, text, replace(generated, code=result), plan)

    def to_save() -> Parts:
        found = linked()
        if isinstance(found, Miss):
            _tell_unlinked(tools.reporter, found.reason)
            return parts
        return found

    stored = None
    if cache is not None:
        found = linked()
        with tools.timing.measure("store"):
            stored = cache.store(key, (parts if isinstance(found, Miss) else found).write)
        stored = None if isinstance(found, Miss) else stored
    return Model(plan.source.name, session, parts=to_save, module=module, timing=tools.timing, stored=stored)


def _tell_unlinked(reporter: Reporter, reason: str) -> None:
    reporter.diagnostic(
        Diagnostic(
            "TND-A004",
            "the saved model holds relocatable objects, which need llvmlite where it is loaded",
            notes=(reason,),
            help='install cc, ld.lld or "pip install ziglang" here, or tondo-runtime[llvmlite] there',
            severity="warning",
        )
    )


def _digest_constants(module: IRModule) -> None:
    """Let several threads work out the digests by which the printed module names constants; they remember them."""
    with ThreadPoolExecutor(default_threads(), "tondo-digest") as executor:
        list(executor.map(_digest, module.constants.values()))


def _digest(constant: ConstantData) -> str:
    return constant.digest


def _parts(module: IRModule, text: str, generated: Generated, plan: Plan) -> Parts:
    code, foreign = generated.code, generated.foreign
    signature = signature_of(module, dimensions_of(plan.file.config))
    manifest = make_manifest(
        module, signature, code, plan.target, plan.source.name, plan.extensions.versions(), plan.effective, foreign
    )
    weights = {spec.name: module.constants[spec.name].array for spec in manifest.constants}
    members = {member_of(entry.name, entry.kind): entry.data for entry in code.objects}
    members.update({member: piece.data for member, piece in foreign.items()})
    return Parts(manifest, text, members, weights)


def _cache(plan: Plan, tools: Tools) -> ArtifactCache | None:
    """The cache, unless it is off or somebody wants to see what happens on the way."""
    folder = tools.environment.cache_folder
    watched = bool(tools.instruments) or tools.dump is not None
    unknown = plan.attached is None
    if folder is None or not plan.file.config.cache or plan.codegen is None or watched or unknown:
        return None
    return ArtifactCache(folder, tools.environment.cache_bytes, tools.reporter)


def _notes(plan: Plan, tools: Tools) -> ArtifactCache | None:
    """The cache as a place for measurements, which are taken whoever watches."""
    return _cache(plan, Tools(reporter=tools.reporter, environment=tools.environment))


def _key(plan: Plan) -> str:
    """The key of the artifact; all facts about the target stand in the effective configuration."""
    return cache_key(
        {
            "tondo": __version__,
            "source": plan.source.digest(),
            "name": plan.source.name,
            "effective": plan.effective,
            "plugins": plan.extensions.versions(),
            "attached": plan.attached,
            "codegen": plan.codegen.digest() if plan.codegen is not None else "",
        }
    )


def _from_cache(cache: ArtifactCache, key: str, plan: Plan, tools: Tools) -> Model | None:
    path = cache.find(key)
    if path is None:
        return None
    try:
        artifact = Artifact.open(path)
        session = Session(artifact.manifest, artifact.code, artifact.weights, plan.target.threads)
    except RuntimeFailure as error:
        cache.drop(key, error.message)
        return None
    code = {member: bytes(data) for member, data in artifact.code.items()}
    parts = Parts(artifact.manifest, artifact.module_text, code, artifact.weights)
    return Model(plan.source.name, session, parts=lambda: parts, timing=tools.timing, from_cache=True, stored=path)
