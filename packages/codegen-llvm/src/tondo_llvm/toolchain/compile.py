"""Compile LLVM IR text to object files, several modules at once.

Before: named texts. After: one relocatable object per text, in the order of the texts, byte for byte the same whatever
the number of threads. Refused with TND-B004: text that LLVM cannot parse, that its verifier rejects or that it cannot
emit, with LLVM's message and the line; and inline assembly for an architecture other than the compiling machine's.

Modules are compiled by threads of this process, see :mod:`tondo_llvm.toolchain.library`; those few that could make LLVM
end the process are compiled by a helper process, see :mod:`tondo_llvm.toolchain.guard`.
"""

from __future__ import annotations

import concurrent.futures
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tondo.diagnostics import TondoError
from tondo_llvm.toolchain.failure import RefusedError, refused
from tondo_llvm.toolchain.generate import generate
from tondo_llvm.toolchain.guard import foreign_assembly, generate_guarded, may_end_process
from tondo_llvm.toolchain.library import initialize
from tondo_llvm.toolchain.machine import MachineSpec, available_cpus, host_machine, target_machine
from tondo_llvm.toolchain.source import DEFAULT_OPTIMIZATION, ObjectCode, Optimization, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tondo.passes import Timing


def compile_many(
    items: Sequence[Source],
    machine: MachineSpec,
    optimization: Optimization = DEFAULT_OPTIMIZATION,
    *,
    jobs: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    timing: Timing | None = None,
) -> list[ObjectCode]:
    """Compile every module.

    Args:
        items: the modules.
        machine: what to compile for.
        optimization: how to optimise.
        jobs: threads; None means as many as this process has processors.
        progress: called in the calling thread after each module with (how many are done, how many there are, name).
        timing: receives a span for each module, in the lane of its thread.

    Returns:
        One object per item, in the order of ``items``.

    Raises:
        TondoError: TND-B004 with one diagnostic for each module that LLVM refuses; TND-B005 for an unknown triple.
    """
    initialize()
    target_machine(machine, optimization.level).close()
    workers = max(1, min(jobs if jobs is not None else available_cpus(), len(items)))
    objects: dict[int, _Done] = {}
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
                    if timing is not None:
                        objects[index].record(timing)
                except TondoError as error:
                    errors[index] = error
                if progress is not None:
                    progress(done, len(items), items[index].name)
        except BaseException:
            executor.shutdown(wait=True, cancel_futures=True)
            raise
    if errors:
        raise TondoError(*(diagnostic for index in sorted(errors) for diagnostic in errors[index].diagnostics))
    return [objects[index].code for index in range(len(items))]


def assembly(
    ir_text: str,
    machine: MachineSpec,
    optimization: Optimization = DEFAULT_OPTIMIZATION,
    *,
    name: str = "module",
) -> str:
    """Return the assembly text that ``ir_text`` compiles to, for people and for tests of the code's quality.

    Raises:
        TondoError: as :func:`compile_many`.
    """
    return _generate(Source(name, ir_text), machine, optimization, as_object=False).decode()


@dataclass(frozen=True, slots=True)
class _Done:
    """A compiled module: when, and by which thread."""

    code: ObjectCode
    title: str
    begin: float
    end: float
    thread: str

    def record(self, timing: Timing) -> None:
        timing.record(self.title, self.begin, self.end, self.thread, bytes=len(self.code.data))


def _compile(source: Source, machine: MachineSpec, optimization: Optimization) -> _Done:
    begin = time.perf_counter()
    code = ObjectCode(source.name, _generate(source, machine, optimization, as_object=True))
    return _Done(code, source.title or source.name, begin, time.perf_counter(), threading.current_thread().name)


def _generate(source: Source, machine: MachineSpec, optimization: Optimization, *, as_object: bool) -> bytes:
    line = foreign_assembly(source.ir_text, machine)
    if line:
        here = host_machine().architecture
        message = f"<string>:{line}:1: error: inline assembly for {machine.architecture} cannot be compiled on {here}"
        raise refused(source.name, source.ir_text, message)
    run = generate_guarded if may_end_process(source.ir_text) else generate
    try:
        return run(source, machine, optimization, as_object=as_object)
    except RefusedError as error:
        raise refused(source.name, source.ir_text, str(error)) from error
