"""Runs passes one after the other and checks what each declares.

Checked of every pass: what it requires holds; it returns a module; it left its input alone; what it ensures is so,
as far as a verifier exists. A broken contract is TND-B002, an unexpected exception TND-Z001; both name the pass. A
TondoError of the pass itself (the user's model cannot be compiled) goes through with the pass named in its notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from tondo.diagnostics import Diagnostic, TondoError, fail
from tondo.ir import IRModule
from tondo.passes.base import Pass
from tondo.passes.context import PassContext
from tondo.passes.instruments import Instrument, Step
from tondo.passes.verify import verifiers as standard_verifiers

Verifier = Callable[[IRModule], None]
"""Raises a TondoError if a module lacks the property that it verifies."""

Verify = Literal["ensured", "each-pass", "never"]
"""``ensured``: what a pass ensures, after that pass; ``each-pass``: everything that holds, after every pass."""


@dataclass(slots=True)
class _State:
    """Which properties hold of the module between two passes."""

    verifiers: Mapping[str, Verifier]
    holds: set[str] = field(default_factory=set[str])


def run_pipeline(
    module: IRModule,
    passes: Sequence[Pass],
    context: PassContext,
    instruments: Sequence[Instrument] = (),
    *,
    verifiers: Mapping[str, Verifier] | None = None,
    properties: Iterable[str] = ("graph",),
    verify: Verify = "ensured",
) -> IRModule:
    """Return ``module`` after all ``passes``.

    Args:
        module: the input; it is never changed.
        passes: in order.
        context: handed to every pass.
        instruments: watch the module between the passes.
        verifiers: by property; those of :mod:`tondo.passes.verify` if left out.
        properties: what holds of ``module`` at the beginning; a required property that is missing here is verified.
        verify: how much is verified.

    Raises:
        TondoError: TND-B002 for a broken contract, TND-Z001 for a defect of a pass, else what a pass raises.
    """
    state = _State(standard_verifiers() if verifiers is None else verifiers, set(properties))
    for index, pass_ in enumerate(passes):
        step = Step(index, len(passes), pass_.name)
        _check_requires(pass_, module, state)
        for instrument in instruments:
            instrument.before(step, module)
        module = _run(pass_, module, context)
        state.holds = (state.holds - frozenset(getattr(pass_, "ends", ()))) | pass_.ensures
        if verify != "never":
            _verify(pass_, module, state, pass_.ensures if verify == "ensured" else state.holds)
        for instrument in instruments:
            instrument.after(step, module)
    return module


def _check_requires(pass_: Pass, module: IRModule, state: _State) -> None:
    for name in sorted(pass_.requires - state.holds):
        verifier = state.verifiers.get(name)
        if verifier is None:
            fail(
                "TND-B002",
                f"the pass '{pass_.name}' requires '{name}', which does not hold there",
                notes=[f"what holds: {', '.join(sorted(state.holds)) or 'nothing'}"],
                help=f"put a pass that ensures '{name}' before it",
            )
        try:
            verifier(module)
        except TondoError as error:
            raise _with_notes(error, f"the pass '{pass_.name}' requires '{name}'") from error
        state.holds.add(name)


def _run(pass_: Pass, module: IRModule, context: PassContext) -> IRModule:
    functions, constants, attrs = dict(module.functions), dict(module.constants), module.attrs
    try:
        result = cast("object", pass_.run(module, context))
    except TondoError as error:
        raise _with_notes(error, f"in the pass '{pass_.name}'") from error
    except Exception as error:
        raise TondoError(
            Diagnostic(
                "TND-Z001",
                f"the pass '{pass_.name}' failed",
                notes=(f"{type(error).__name__}: {error}",),
                help="this is a defect of the pass; please report it with the model and the pipeline",
            )
        ) from error
    if not isinstance(result, IRModule):
        fail("TND-B002", f"the pass '{pass_.name}' returned a {type(result).__name__}, not a module")
    if not (_same(functions, module.functions) and _same(constants, module.constants) and attrs is module.attrs):
        fail("TND-B002", f"the pass '{pass_.name}' changed its input", help="a pass returns a new module")
    return result


def _same(before: Mapping[str, object], after: Mapping[str, object]) -> bool:
    return list(before) == list(after) and all(value is after[name] for name, value in before.items())


def _verify(pass_: Pass, module: IRModule, state: _State, properties: Iterable[str]) -> None:
    for name in sorted(properties):
        verifier = state.verifiers.get(name)
        if verifier is None:
            continue
        try:
            verifier(module)
        except TondoError as error:
            first = error.diagnostics[0]
            word = "ensures" if name in pass_.ensures else "must keep"
            broken = replace(
                first, code="TND-B002", message=f"the pass '{pass_.name}' {word} '{name}': {first.message}"
            )
            raise TondoError(broken, *error.diagnostics[1:]) from error


def _with_notes(error: TondoError, note: str) -> TondoError:
    return TondoError(*[replace(diagnostic, notes=(*diagnostic.notes, note)) for diagnostic in error.diagnostics])
