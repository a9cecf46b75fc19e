"""Libraries: kernels from elsewhere that compete with generated code ("bring your own code generator").

A library looks at a tensor function and offers to run it. Two kinds exist:

- hand-written kernels: the offer names a packed function, which is called with the function's scalars and buffers;
- an external compiler (:class:`KernelCompiler`): code for the function is made when the module is, travels in the
  artifact under a kind of its own, and is loaded by the loader that the runtime finds for that kind
  (:mod:`tondo_runtime.loaders`).

The pass ``graph.partition`` asks the libraries and decides. A function that goes to a library stays in the module as it
is, with the attribute ``library``: it prints, parses and runs in the interpreter like any other, only no code is
generated from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from tondo.ir import Attrs
from tondo.passes.rule import Choice, Miss
from tondo.target.target import Target

if TYPE_CHECKING:
    from tondo.ir import TensorFunction
    from tondo.passes.context import PassContext


@dataclass(frozen=True, slots=True)
class Offer:
    """How a library would run a tensor function.

    Attributes:
        call: the packed function that computes it; it takes the scalars and buffers of the tensor function in order.
            None if the library compiles the function: code that it makes then defines the packed function.
        attributes: plain values. A packed function that the offer names gets them as keyword arguments; a library that
            compiles the function finds them in its attribute ``attributes``.
        seconds: estimated time of one call on the target; None if only a measurement can tell.
    """

    call: str | None = None
    attributes: Mapping[str, Choice] = field(default_factory=dict[str, Choice])
    seconds: float | None = None


LIBRARY: Final = "library"
"""Attribute of a tensor function that a library runs: the library's name."""
CALL: Final = "call"
"""Attribute of such a function: the packed function to call, unless the library compiles the function."""
ATTRIBUTES: Final = "attributes"
"""Attribute of such a function: the attributes of the offer, if there are any."""


def placed(function: TensorFunction) -> bool:
    """Return whether a library runs ``function``, so that no pass rewrites it and no code is generated from it."""
    return LIBRARY in function.attrs


def place(function: TensorFunction, library: str, offer: Offer) -> TensorFunction:
    """Return ``function``, to be run by ``library`` as it offered."""
    attrs = function.attrs.with_(**{LIBRARY: library})
    if offer.call is not None:
        attrs = attrs.with_(**{CALL: offer.call})
    if offer.attributes:
        attrs = attrs.with_(**{ATTRIBUTES: Attrs(offer.attributes)})
    return replace(function, attrs=attrs)


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


@runtime_checkable
class KernelCompiler(Protocol):
    """What a library may also be: a compiler of the functions that it was given."""

    def compile(self, functions: Sequence[TensorFunction], context: PassContext) -> Sequence[LibraryCode]:
        """Return code that computes each of ``functions``, all of which it offered to take.

        Args:
            functions: in the order of the module, each with a name of its own, as :meth:`Library.match` saw them but
                for the attribute ``attributes``, which holds those of the offer.
            context: the target with its declared instructions and schedule rules.

        Raises:
            TondoError: TND-B004 for a function that it cannot compile after all.
        """
        ...
