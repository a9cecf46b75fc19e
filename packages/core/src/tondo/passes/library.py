"""Libraries: kernels from elsewhere that compete with generated code ("bring your own code generator").

A library looks at a tensor function and offers to run it. Two kinds exist:

- hand-written kernels: the offer names a packed function, which is called with the function's scalars and buffers, or
  it brings a tensor function that does the same by calling packed functions, with whatever loops and memory it needs
  around them;
- an external compiler (:class:`tondo.passes.KernelCompiler`): code for the function is made when the module is, travels
  in the artifact under a kind of its own, and is loaded by the loader that the runtime finds for that kind
  (:mod:`tondo_runtime.loaders`).

The pass ``graph.partition`` asks the libraries and decides. A function that goes to a library stays in the module as it
is, with the attribute ``library``: it prints, parses and runs in the interpreter like any other, only no code is
generated from it. A function that an offer brings takes its place instead, with the attribute ``brought_by``, and is
lowered like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from tondo.diagnostics import fail
from tondo.ir import Attrs
from tondo.passes.rule import Choice, Miss
from tondo.target.target import Target

if TYPE_CHECKING:
    from tondo.ir import TensorFunction


@dataclass(frozen=True, slots=True)
class Offer:
    """How a library would run a tensor function.

    Attributes:
        call: the packed function that computes it; it takes the scalars and buffers of the tensor function in order.
            None if the library compiles the function: code that it makes then defines the packed function.
        function: a tensor function with the same parameters that computes it by calls of packed functions, scheduled
            (no rule is asked about it). With it, ``call`` is None and ``attributes`` is empty.
        attributes: plain values. A packed function that the offer names gets them as keyword arguments; a library that
            compiles the function finds them in its attribute ``attributes``.
        seconds: estimated time of one call on the target; None if only a measurement can tell.
    """

    call: str | None = None
    attributes: Mapping[str, Choice] = field(default_factory=dict[str, Choice])
    seconds: float | None = None
    function: TensorFunction | None = None


LIBRARY: Final = "library"
"""Attribute of a tensor function that a library runs: the library's name."""
CALL: Final = "call"
"""Attribute of such a function: the packed function to call, unless the library compiles the function."""
ATTRIBUTES: Final = "attributes"
"""Attribute of such a function: the attributes of the offer, if there are any."""


BROUGHT_BY: Final = "brought_by"
"""Attribute of a tensor function that a library brought: the library's name."""


def placed(function: TensorFunction) -> bool:
    """Return whether a library runs ``function``, so that no pass rewrites it and no code is generated from it."""
    return LIBRARY in function.attrs


def place(function: TensorFunction, library: str, offer: Offer) -> TensorFunction:
    """Return ``function``, to be run by ``library`` as it offered: as it is, or the one that the offer brings.

    Raises:
        TondoError: TND-B006 if that has other parameters.
    """
    if offer.function is not None:
        brought = offer.function
        if _interface(brought) != _interface(function) or offer.call is not None or offer.attributes:
            fail("TND-B006", f"what the library '{library}' brings for '{function.name}' has another interface")
        attrs = brought.attrs.with_(**{BROUGHT_BY: library, "rule": brought.attrs.get("rule", library)})
        return replace(brought, name=function.name, attrs=attrs)
    attrs = function.attrs.with_(**{LIBRARY: library})
    if offer.call is not None:
        attrs = attrs.with_(**{CALL: offer.call})
    if offer.attributes:
        attrs = attrs.with_(**{ATTRIBUTES: Attrs(offer.attributes)})
    return replace(function, attrs=attrs)


def _interface(function: TensorFunction) -> tuple[object, ...]:
    buffers = [(buffer.shape, buffer.dtype, buffer.strides) for buffer in function.buffers]
    return (function.scalars, tuple(buffers), function.outputs)


def taken_back(function: TensorFunction) -> TensorFunction:
    """Return ``function`` as it was before :func:`place`, for whoever looks at what it computes."""
    return replace(function, attrs=function.attrs.without(LIBRARY, CALL, ATTRIBUTES)) if placed(function) else function


@dataclass(frozen=True, slots=True)
class LibraryCode:
    """Code that an external compiler made.

    Attributes:
        name: safe in file names, unique among the code of one library.
        kind: which loader of the runtime understands ``data``, such as ``"npu"``.
        data: the code, weights not included: a function gets these as arguments.
        functions: the packed functions that it defines, by the name of the tensor function that each computes.
    """

    name: str
    kind: str
    data: bytes
    functions: Mapping[str, str]


@runtime_checkable
class Library(Protocol):
    """Offers to run the tensor functions that it recognises."""

    @property
    def name(self) -> str:
        """Unique name, such as ``"openblas"``."""
        ...

    def supports(self, target: Target) -> bool:
        """Return whether its kernels run on ``target``."""
        ...

    def match(self, function: TensorFunction, target: Target) -> Offer | Miss:
        """Return how it would compute what ``function`` computes, or why it cannot.

        Structure decides, never the function's name.
        """
        ...
