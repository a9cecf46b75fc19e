"""Every case of the kit, level by level."""

from __future__ import annotations

from collections.abc import Iterator

from tondo_conformance.backend import Backend
from tondo_conformance.case import Case
from tondo_conformance.contract import functions, refusals, target
from tondo_conformance.load import cases as load
from tondo_conformance.networks import cases as networks
from tondo_conformance.operators import cases as operators
from tondo_conformance.system import artifact, failures, memory, parallel


def all_cases(backend: Backend) -> Iterator[Case]:
    """Yield the cases of all levels; those of L2 depend on the installed operators."""
    yield from load.cases()
    yield from target.cases()
    yield from refusals.cases()
    yield from functions.cases()
    yield from operators.cases(backend.extensions.operators)
    yield from networks.cases()
    for topic in (artifact, parallel, failures, memory):
        yield from topic.cases()
