"""Functions that libraries run, at code generation: external compilers compile theirs, kernels call the rest by name.

Form before: a lowered module whose tensor functions may have the attribute ``library`` (see
:mod:`tondo.passes.library`). Form after, for the code generator alone::

    def matmul(n, x, w, y):  # library="openblas", call="openblas.gemm", attributes={...}
        invoke_packed("openblas.gemm", n, x, w, y, attrs={...})

The module that is printed and stored keeps the functions as they are, so that it can be read, executed by the
interpreter and compiled without the library. Being calls of kernels, those of libraries stand in profiles like others.

Refuses (TND-B006) a function whose library is not installed, does not run on the target, or compiles nothing though the
function names no packed function; and code that does not fit what :class:`LibraryCode` says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tondo.diagnostics import fail, suggest
from tondo.driver.guard import guard
from tondo.ir import EMPTY, Attrs, Invoke, IRModule, TensorFunction
from tondo.passes import KernelCompiler, LibraryCode, PassContext, Timing
from tondo.passes.library import ATTRIBUTES, CALL, LIBRARY, placed, taken_back
from tondo_runtime.manifest import NATIVE
from tondo_runtime.manifest_json import is_code_kind

_SAFE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}\Z")


@dataclass(frozen=True, slots=True)
class Called:
    """What remains for the code generator.

    Attributes:
        module: the module, in which functions that libraries run only call them.
        code: the code of external compilers by member path.
    """

    module: IRModule
    code: Mapping[str, LibraryCode]


def call_libraries(module: IRModule, context: PassContext, timing: Timing) -> Called:
    """Return ``module`` with calls of libraries in place of what they run, and the code that they made for it.

    Args:
        module: lowered.
        context: the target, and the libraries that it has.
        timing: receives how long external compilers take.

    Raises:
        TondoError: TND-B006 as above, TND-Z001 for an unexpected exception, and what the external compilers raise.
    """
    functions = [function for function in module.tensor_functions() if placed(function)]
    if not functions:
        return Called(module, {})
    names: dict[str, str] = {}
    code: dict[str, LibraryCode] = {}
    for library in dict.fromkeys(_library_of(function) for function in functions):
        own = [function for function in functions if _library_of(function) == library]
        _check_installed(library, own[0], context)
        names.update({each.name: str(each.attrs[CALL]) for each in own if CALL in each.attrs})
        uncompiled = [each for each in own if CALL not in each.attrs]
        if uncompiled:
            with timing.measure(f"library {library}"):
                made = _compiled(library, uncompiled, context)
            names.update(_defined(library, made, uncompiled, names))
            code.update({_member(library, piece): piece for piece in made})
    return Called(module.with_functions(_calling(each, names[each.name]) for each in functions), code)


def _library_of(function: TensorFunction) -> str:
    return str(function.attrs[LIBRARY])


def _check_installed(library: str, function: TensorFunction, context: PassContext) -> None:
    if library not in context.libraries:
        fail(
            "TND-B006",
            f"'{function.name}' is to be run by the library '{library}', which this compilation does not have",
            notes=[f"libraries for {context.target.kind}: {', '.join(sorted(context.libraries)) or 'none'}"],
            help=suggest(library, context.libraries) or "install the package that brings it, or compile without it",
        )


def _compiled(library: str, functions: Sequence[TensorFunction], context: PassContext) -> Sequence[LibraryCode]:
    compiler = context.libraries[library]
    if not isinstance(compiler, KernelCompiler):
        fail("TND-B006", f"the library '{library}' offered no packed function for '{functions[0].name}'")
    with guard(f"the library '{library}'"):
        made = tuple(compiler.compile([taken_back(function) for function in functions], context))
    members = [_member(library, piece) for piece in made]
    for member, piece in zip(members, made, strict=True):
        if piece.kind in NATIVE or not is_code_kind(piece.kind) or not _SAFE.match(member.removeprefix("code/")):
            fail("TND-B006", f"the library '{library}' made code called '{piece.name}' of the kind '{piece.kind}'")
        if members.count(member) > 1:
            fail("TND-B006", f"the library '{library}' made two pieces of code called '{piece.name}'")
    return made


def _defined(
    library: str, made: Sequence[LibraryCode], functions: Sequence[TensorFunction], taken: Mapping[str, str]
) -> dict[str, str]:
    """Return the packed function of each of ``functions``, each with a name that nothing else has."""
    found: dict[str, str] = {}
    wanted = {function.name for function in functions}
    known = set(taken.values())
    for piece in made:
        for name, packed in piece.functions.items():
            if name not in wanted or name in found:
                fail("TND-B006", f"the library '{library}' compiled '{name}', which it was not given, or twice")
            if not packed or packed in known:
                fail("TND-B006", f"the library '{library}' calls two functions '{packed}'")
            known.add(packed)
            found[name] = packed
    for function in functions:
        if function.name not in found:
            fail("TND-B006", f"the library '{library}' did not compile '{function.name}', which it offered to take")
    return found


def _member(library: str, piece: LibraryCode) -> str:
    """Return the path of a piece of code inside an artifact."""
    return f"code/{library}-{piece.name}.{piece.kind}"


def _calling(function: TensorFunction, packed: str) -> TensorFunction:
    """Return the function with a body that calls ``packed`` with its scalars and buffers."""
    told = function.attrs.get(ATTRIBUTES) if CALL in function.attrs else None
    attrs = Attrs(attrs=told) if told else EMPTY
    body = Invoke(packed, function.params, True, function.span, attrs)
    return replace(function, body=body)
