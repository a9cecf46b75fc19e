"""One module of LLVM IR text to an object file or to assembly text, inside this process."""

from __future__ import annotations

import llvmlite.binding as llvm

from tondo_llvm.toolchain.failure import RefusedError
from tondo_llvm.toolchain.library import emit, optimize
from tondo_llvm.toolchain.machine import MachineSpec, target_machine
from tondo_llvm.toolchain.source import Optimization, Source


def generate(source: Source, machine: MachineSpec, optimization: Optimization, *, as_object: bool) -> bytes:
    """Return the object file, or the assembly text, of ``source``.

    Raises:
        RefusedError: with LLVM's message, if LLVM cannot parse, verify or emit the module.
    """
    with target_machine(machine, optimization.level) as target, llvm.create_context() as context:
        module = _parse(source, context)
        try:
            _verify(module)
            module.triple = machine.triple
            module.data_layout = str(target.target_data)
            if optimization.level > 0:
                optimize(module, target, _tuning(optimization))
            return emit(module, target, as_object=as_object)
        finally:
            module.close()  # before its context, whatever happens: a module that outlives it ends the process


def _parse(source: Source, context: llvm.ContextRef) -> llvm.ModuleRef:
    try:
        module = llvm.parse_assembly(source.ir_text, context)
    except RuntimeError as error:
        raise RefusedError(str(error)) from error
    module.name = source.name
    return module


def _verify(module: llvm.ModuleRef) -> None:
    try:
        module.verify()
    except RuntimeError as error:
        raise RefusedError(str(error)) from error


def _tuning(optimization: Optimization) -> llvm.PipelineTuningOptions:
    tuning = llvm.create_pipeline_tuning_options(optimization.level)
    tuning.loop_vectorization = optimization.vectorize
    tuning.slp_vectorization = optimization.vectorize
    tuning.loop_interleaving = optimization.vectorize
    tuning.loop_unrolling = optimization.unroll
    return tuning
