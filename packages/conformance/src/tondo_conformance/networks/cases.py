"""Cases of networks: one artifact for several sizes, and each of fixed size; with one thread and with several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from tondo_conformance.backend import Array, Backend
from tondo_conformance.case import Case, case
from tondo_conformance.compare import compare
from tondo_conformance.networks.models import NETWORKS, Network

_QUICK = frozenset({"residual", "encoder", "recurrent"})


def cases() -> Iterator[Case]:
    """Yield the cases of every network."""
    for network in NETWORKS:
        about = network.about.replace("Build ", "", 1)
        quick = network.name in _QUICK
        yield case("L3", network.name, "sizes", partial(_sizes, network), about=about, patience=3, quick=quick)
        yield case(
            "L3", network.name, "fixed", partial(_fixed, network), about=f"Of fixed size: {about}", patience=3,
            quick=False,
        )  # fmt: skip
        yield case(
            "L3", network.name, "again", partial(_again, network), patience=3, quick=False,
            about="Every call with the same inputs gives the same answer, bit by bit, whatever ran between.",
        )  # fmt: skip


def _sizes(network: Network, backend: Backend) -> dict[str, float]:
    module = network.build(backend.extensions.operators, {})
    return backend.check(module, _feeds(network), network.depth)


def _fixed(network: Network, backend: Backend) -> dict[str, float]:
    index = 1 if len(network.sizes) > 1 else 0
    module = network.build(backend.extensions.operators, network.sizes[index])
    return backend.check(module, [_feeds(network)[index]], network.depth)


def _again(network: Network, backend: Backend) -> None:
    model = backend.model(network.build(backend.extensions.operators, {}))
    feeds = _feeds(network)
    first = [model.run(feed) for feed in feeds]
    for _ in range(3):
        for feed, answers in zip(reversed(feeds), reversed(first), strict=True):
            for name, array in model.run(feed).items():
                compare(name, array.view(np.uint8), answers[name].view(np.uint8))


def _feeds(network: Network) -> list[Mapping[str, Array]]:
    rng = np.random.default_rng(11)
    return [network.feed(rng, sizes) for sizes in network.sizes]
