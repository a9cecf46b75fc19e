"""Code in an artifact that is not for this CPU: loaded by its kind, its functions visible to one session.

Before: the manifest's code members whose kind is neither ``object`` nor ``shared``, and their bytes. After: packed
functions by name. Refused: code that nobody can load (TND-A004), loaders that raise or return something else
(TND-A001), and two pieces that define the same name (TND-A001).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tondo_runtime.errors import RuntimeFailure, fail
from tondo_runtime.loaders import find_loader
from tondo_runtime.manifest import NATIVE
from tondo_runtime.registry import TRAMPOLINE_ADDRESS, PackedFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tondo_runtime.code import CodeBytes
    from tondo_runtime.loaders import Loader
    from tondo_runtime.manifest import CodeSpec


def load_foreign(specs: Sequence[CodeSpec], data: Mapping[str, CodeBytes]) -> dict[str, PackedFunction]:
    """Return the functions that the code of other kinds than ``object`` and ``shared`` defines, by name.

    Args:
        specs: member paths and kinds.
        data: member path to bytes.

    Raises:
        RuntimeFailure: as above, and what the loaders raise: TND-A001, TND-A003.
    """
    found: dict[str, PackedFunction] = {}
    for spec in specs:
        if spec.kind in NATIVE:
            continue
        loader = find_loader(spec.kind, spec.member)
        for name, function in _loaded(loader, spec, memoryview(data[spec.member])).items():
            if name in found:
                fail("TND-A001", f"{spec.member} defines the function '{name}', which another member defines as well")
            found[name] = function
    return found


def _loaded(loader: Loader, spec: CodeSpec, data: memoryview) -> dict[str, PackedFunction]:
    try:
        functions = loader(spec.member, data)
    except RuntimeFailure:
        raise
    except Exception as error:
        raise RuntimeFailure(
            "TND-A001", f"{spec.member} cannot be loaded as code of the kind '{spec.kind}': {error!r}"
        ) from error
    return {name: _packed(name, function, spec) for name, function in functions.items()}


def _packed(name: str, function: Callable[..., object] | PackedFunction, spec: CodeSpec) -> PackedFunction:
    if isinstance(function, PackedFunction):
        return function
    if not callable(cast("object", function)):
        fail("TND-A001", f"the loader of '{spec.kind}' gives a {type(function).__name__} as the function '{name}'")
    # Each frame makes a handle of its own for a Python function, so this entry needs none.
    return PackedFunction(name, function, TRAMPOLINE_ADDRESS, 0)
