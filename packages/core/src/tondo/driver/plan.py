"""Deciding everything before anything is done: configuration, target, source, passes, code generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tondo.diagnostics import fail
from tondo.driver.attach import OperatorsLike, attach
from tondo.driver.config import Config, NumericsConfig, TargetConfig
from tondo.driver.config_file import PipelineFile, config_of
from tondo.driver.environment import Environment
from tondo.driver.pipeline import build_passes, choose_codegen, codegen_options, pass_specs
from tondo.driver.source import Source, dimensions_of, open_source
from tondo.interp import run_tensor_function
from tondo.passes import PRECISIONS, Numerics, Pass, PassContext, Reporter
from tondo.plugin import Codegen, Extensions, check_lock, collect, read_lock
from tondo.target import Intrinsic, IntrinsicFamily, Target, TargetSpec, parse_target, target_fields

ConfigLike = str | Path | Config | Mapping[str, object] | PipelineFile | None
"""What :func:`tondo.compile` takes as a configuration."""

INTERPRETER = "interp"
"""Kind of the target that executes modules instead of compiling them."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What a configuration comes to on a machine.

    Attributes:
        target: the machine.
        passes: in order.
        codegen: what makes code, or None for the interpreter.
    """

    target: Target
    passes: tuple[Pass, ...]
    codegen: Codegen | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that :func:`tondo.compile` decides before it begins.

    Attributes:
        file: the configuration, arguments of the call included.
        source: what is compiled.
        target: for which machine.
        passes: in order.
        codegen: what makes code, or None for the interpreter.
        extensions: what plugins brought.
        effective: the configuration with every default resolved, as it enters the manifest and the cache's key.
        sizes: dimensions that this plan fixes, beyond those of the configuration.
        attached: digests of what came without a package; None if they do not tell everything.
    """

    file: PipelineFile
    source: Source
    target: Target
    passes: tuple[Pass, ...]
    codegen: Codegen | None
    extensions: Extensions
    effective: Mapping[str, object]
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    attached: Mapping[str, str] | None = field(default_factory=dict[str, str])

    def with_sizes(self, sizes: Mapping[str, int]) -> Plan:
        """Return the plan for the same model with dimensions of certain sizes."""
        return replace(self, source=self.source.with_sizes(sizes), sizes=sizes)


def make_plan(
    source: object,
    target: TargetSpec | None,
    threads: int | None,
    numerics: str | None,
    config: ConfigLike,
    extensions: Extensions,
    ops: Sequence[OperatorsLike] = (),
) -> Plan:
    """Return what :func:`tondo.compile` would do; the arguments are the same.

    Raises:
        TondoError: whatever is wrong with the configuration, or a source that is not there.
    """
    file = _with_numerics(config_of(config), numerics)
    listed = attach(extensions, file.config.ops, file.folder)
    given = attach(listed.extensions, ops)
    extensions = given.extensions
    steps = choose_steps(file, target, threads, extensions)
    frontends = list(extensions.frontends.values())
    opened = open_source(source, file, frontends, extensions.operators, extensions.others)
    effective = _effective(file, steps)
    digests = {**listed.digests, **given.digests} if given.known else None
    return Plan(file, opened, steps.target, steps.passes, steps.codegen, extensions, effective, attached=digests)


def installed(environment: Environment) -> Extensions:
    """Return what the plugins that the environment chooses bring.

    Raises:
        TondoError: TND-P005 if they are not those of the environment's lock file.
    """
    extensions = collect(environment.plugins)
    if environment.lock is not None:
        check_lock(read_lock(environment.lock), extensions, str(environment.lock))
    return extensions


def choose_steps(file: PipelineFile, target: TargetSpec | None, threads: int | None, extensions: Extensions) -> Steps:
    """Return the machine, the passes and the code generator that ``file`` comes to.

    Args:
        file: the configuration.
        target: replaces that of the file if given.
        threads: replaces that of either target if given.
        extensions: where names are looked up.

    Raises:
        TondoError: TND-U... for the target, TND-C... for passes and options, TND-B005 without a code generator.
    """
    machine = parse_target(target_spec(file.config.target, target, threads), extensions.targets.values())
    interpreted = machine.kind == INTERPRETER
    named = file.config.passes is not None or machine.kind in extensions.pipelines
    passes = build_passes(file, extensions, machine) if named or not interpreted else ()
    return Steps(machine, passes, None if interpreted else choose_codegen(file, extensions, machine))


def target_spec(config: TargetConfig, target: TargetSpec | None, threads: int | None) -> TargetSpec:
    """Return the target of the call, else that of the file, with the number of threads of the call."""
    if isinstance(target, Target):
        return target if threads is None else replace(target, threads=threads)
    if target is None:
        fields: dict[str, object] = config.model_dump()
    else:
        fields = target_fields(target) if isinstance(target, str) else dict(target)
    return fields if threads is None else {**fields, "threads": threads}


def pass_context(plan: Plan, reporter: Reporter) -> PassContext:
    """Return what the passes of ``plan`` may use, as plain data."""
    declared = [entry for entry in plan.extensions.intrinsics.values() if entry.available(plan.target)]
    declared.sort(key=lambda entry: (entry.cost, entry.name))
    return PassContext(
        target=plan.target,
        operators=plan.extensions.operators,
        rules=plan.extensions.schedule_rules,
        intrinsics=tuple(entry for entry in declared if isinstance(entry, Intrinsic)),
        families=tuple(entry for entry in declared if isinstance(entry, IntrinsicFamily)),
        libraries={name: entry for name, entry in plan.extensions.libraries.items() if entry.supports(plan.target)},
        evaluate=run_tensor_function,
        numerics=Numerics(plan.file.config.numerics.float32_matmul),
        dimensions={**dimensions_of(plan.file.config), **{name: (size, size) for name, size in plan.sizes.items()}},
        reporter=reporter,
    )


def _with_numerics(file: PipelineFile, numerics: str | None) -> PipelineFile:
    if numerics is None:
        return file
    for level in PRECISIONS:
        if level == numerics:
            changed = file.config.model_copy(update={"numerics": NumericsConfig(float32_matmul=level)})
            return PipelineFile(changed, file.places, file.folder)
    return fail("TND-U005", f"numerics is {numerics!r}", help=f"choose one of {', '.join(PRECISIONS)}")


def _effective(file: PipelineFile, steps: Steps) -> dict[str, object]:
    config = file.config.model_dump(mode="json", exclude={"target", "passes", "codegen", "cache", "model"})
    codegen = steps.codegen
    return {
        **config,
        "model": file.config.model.model_dump(mode="json", exclude={"path"}),
        "target": steps.target.describe(),
        "passes": pass_specs(steps.passes),
        "codegen": {"use": codegen.name, **codegen_options(file)} if codegen is not None else None,
    }
