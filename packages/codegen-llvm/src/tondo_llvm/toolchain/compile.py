"""Compile LLVM IR text to object files, several modules at once.

Before: named texts. After: one relocatable object per text, in the order of the texts, byte for byte the same whatever
the number of threads. Refused with TND-B004: text that LLVM cannot parse, that its verifier rejects or that it cannot
emit, with LLVM's message and the line; and inline assembly for an architecture other than the compiling machine's.
"""

from __future__ import annotations

import concurrent.futures
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import llvmlite.binding as llvm

from tondo.diagnostics import TondoError
from tondo_llvm.toolchain.failure import EmitError, refused
from tondo_llvm.toolchain.library import emit, initialize, optimize
from tondo_llvm.toolchain.machine import MachineSpec, available_cpus, host_machine, target_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_INLINE_ASSEMBLY = re.compile(r"^\s*module asm\b|\bcall\b[^\"\n]*\basm\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """One module: ``name`` is for messages and files, ``ir_text`` is LLVM IR."""

    name: str
    ir_text: str


@dataclass(frozen=True, slots=True)
class ObjectCode:
    """One relocatable object file, ELF on Linux."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Optimization:
    """How LLVM optimises.

    Attributes:
        level: 0 to 3.
        vectorize: run LLVM's loop and superword vectorisers. Off by default: schedules have chosen the vectors, and
            LLVM's second guess costs time and registers.
        unroll: let LLVM unroll loops that the schedule left rolled.
    """

    level: int = 3
    vectorize: bool = False
    unroll: bool = True

    def __post_init__(self) -> None:
        """Refuse levels that LLVM does not have."""
        if not 0 <= self.level <= 3:
            msg = f"optimization level must be 0 to 3, not {self.level}"
            raise ValueError(msg)


def compile_many(
    items: Sequence[Source],
    machine: MachineSpec,
    optimization: Optimization = Optimization(),
    *,
    jobs: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[ObjectCode]:
    """Compile every module.

    Args:
        items: the modules.
        machine: what to compile for.
        optimization: how to optimise.
        jobs: threads; None means as many as this process has processors.
        progress: called in the calling thread after each module with (how many are done, how many there are, name).

    Returns:
        One object per item, in the order of ``items``.

    Raises:
        TondoError: TND-B004 with one diagnostic for each module that LLVM refuses; TND-B005 for an unknown triple.
    """
    initialize()
    target_machine(machine, optimization.level).close()
    workers = max(1, min(jobs if jobs is not None else available_cpus(), len(items)))
    objects: dict[int, ObjectCode] = {}
    errors: dict[int, TondoError] = {}
    # The largest text first, so that no thread is left alone with it at the end.
    order = sorted(range(len(items)), key=lambda index: (-len(items[index].ir_text), index))
    with concurrent.futures.ThreadPoolExecutor(workers, thread_name_prefix="tondo-compile") as executor:
        running = {executor.submit(_compile, items[index], machine, optimization): index for index in order}
        try:
            for done, future in enumerate(concurrent.futures.as_completed(running), start=1):
                index = running[future]
                try:
                    objects[index] = future.result()
                except TondoError as error:
                    errors[index] = error
                if progress is not None:
                    progress(done, len(items), items[index].name)
        except BaseException:
            executor.shutdown(wait=True, cancel_futures=True)
            raise
    if errors:
        raise TondoError(*(diagnostic for index in sorted(errors) for diagnostic in errors[index].diagnostics))
    return [objects[index] for index in range(len(items))]


def assembly(
    ir_text: str,
    machine: MachineSpec,
    optimization: Optimization = Optimization(),
    *,
    name: str = "module",
) -> str:
    """Return the assembly text that ``ir_text`` compiles to, for people and for tests of the code's quality.

    Raises:
        TondoError: as :func:`compile_many`.
    """
    return _generate(Source(name, ir_text), machine, optimization, as_object=False).decode()


def _compile(source: Source, machine: MachineSpec, optimization: Optimization) -> ObjectCode:
    return ObjectCode(source.name, _generate(source, machine, optimization, as_object=True))


def _generate(source: Source, machine: MachineSpec, optimization: Optimization, *, as_object: bool) -> bytes:
    _check_inline_assembly(source, machine)
    with target_machine(machine, optimization.level) as target, llvm.create_context() as context:
        module = _parse(source, context)
        try:
            _verify(source, module)
            module.triple = machine.triple
            module.data_layout = str(target.target_data)
            if optimization.level > 0:
                optimize(module, target, _tuning(optimization))
            return emit(module, target, as_object=as_object)
        except EmitError as error:
            raise refused(source.name, source.ir_text, str(error)) from error
        finally:
            module.close()  # before its context, whatever happens: a module that outlives it ends the process


def _parse(source: Source, context: llvm.ContextRef) -> llvm.ModuleRef:
    try:
        module = llvm.parse_assembly(source.ir_text, context)
    except RuntimeError as error:
        raise refused(source.name, source.ir_text, str(error)) from error
    module.name = source.name
    return module


def _verify(source: Source, module: llvm.ModuleRef) -> None:
    try:
        module.verify()
    except RuntimeError as error:
        raise refused(source.name, source.ir_text, str(error)) from error


def _tuning(optimization: Optimization) -> llvm.PipelineTuningOptions:
    tuning = llvm.create_pipeline_tuning_options(optimization.level)
    tuning.loop_vectorization = optimization.vectorize
    tuning.slp_vectorization = optimization.vectorize
    tuning.loop_interleaving = optimization.vectorize
    tuning.loop_unrolling = optimization.unroll
    return tuning


def _check_inline_assembly(source: Source, machine: MachineSpec) -> None:
    """LLVM ends the whole process when it meets assembly that it cannot parse, so it never gets to see it."""
    if machine.architecture == host_machine().architecture:
        return
    found = _INLINE_ASSEMBLY.search(source.ir_text)
    if found is not None:
        line = source.ir_text.count("\n", 0, found.start()) + 1
        place = f"<string>:{line}:1: error: "
        raise refused(
            source.name,
            source.ir_text,
            place + f"inline assembly for {machine.architecture} cannot be compiled on {host_machine().architecture}",
        )
