"""The models that are measured, and their inputs.

Nine classifiers whose graphs the ``onnx`` package carries get seeded random weights; the others are exports that the
user names a folder of (``NAME/model.onnx``). Models of loops are a section of their own. Inputs are made here from the
model's signature, seeded, so a run needs nothing but the files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from networks import LIGHT_MODELS, light_model, picture
from tondo_bench.loops import decoder, recurrent

Array = npt.NDArray[np.generic]

_TOKENS = 5000
"""Token numbers are drawn below this, which every vocabulary has."""


@dataclass(frozen=True, slots=True)
class Case:
    """A model at the sizes that are measured.

    Attributes:
        name: as it is shown and as ``--only`` takes it.
        sizes: symbolic dimension of the export to its size; dimensions that are not named are derived.
        light: name among :data:`networks.LIGHT_MODELS`, None for an export.
        export: folder of the export, None for a light model.
        build: makes the model; None for one that is read.
    """

    name: str
    sizes: Mapping[str, int]
    light: str | None = None
    export: str | None = None
    build: Callable[[], onnx.ModelProto] | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case on disk."""

    case: Case
    model: Path
    feed: Path


CASES = (
    *(Case(f"light_{name}", {}, light=name) for name in LIGHT_MODELS),
    Case("resnet50", {"batch": 1}, export="resnet50"),
    Case("mobilenet_v2", {"batch": 1}, export="mobilenet_v2"),
    Case("bert_base", {"batch": 1, "seq": 128}, export="bert_base"),
    Case("vit_base", {"batch": 1}, export="vit_base"),
    Case("gpt2_small_decode", {"batch": 1, "past_seq": 128}, export="gpt2_small_decode"),
    Case("llama_small_prefill", {"batch": 1, "seq": 64}, export="llama_small_prefill"),
)


def _layer(kind: str, steps: int, batch: int, hidden: int, *, both: bool = False) -> Case:
    name = f"{kind.lower()}_{steps}x{batch}x{hidden}{'_both' if both else ''}"
    return Case(name, {}, build=partial(recurrent, kind, steps, batch, hidden, both=both))


def _decoder(cell: str, limit: int, batch: int, hidden: int) -> Case:
    name = f"decoder_{cell}_{limit}x{batch}x{hidden}"
    return Case(name, {}, build=partial(decoder, cell, limit, batch, hidden))


LOOPS = (
    *(
        _layer(kind, *sizes)
        for kind in ("LSTM", "GRU")
        for sizes in ((16, 1, 64), (128, 1, 128), (64, 1, 256), (64, 8, 256), (128, 4, 256), (16, 1, 512))
    ),
    *(_layer(kind, 64, 4, 128, both=True) for kind in ("LSTM", "GRU")),
    _layer("RNN", 64, 1, 256),
    *(_decoder(cell, *sizes) for cell in ("lstm", "attention") for sizes in ((64, 1, 256), (32, 4, 256))),
)
"""Names of layers tell steps, batch and hidden size; those of decoders tokens, batch and hidden size."""


def choose(only: list[str], models: Path | None, cases: Sequence[Case] = CASES) -> tuple[list[Case], dict[str, str]]:
    """Return the cases to run and, for each one left out that was not deselected, why.

    Args:
        only: names, or parts of names; all if empty.
        models: folder of the exports.
        cases: all that may be chosen.
    """
    chosen = [case for case in cases if not only or any(word in case.name for word in only)]
    skipped: dict[str, str] = {}
    for case in chosen:
        if case.export is None:
            continue
        if models is None:
            skipped[case.name] = "no folder of exports: name it with --models or TONDO_TEST_MODELS"
        elif not (models / case.export / "model.onnx").is_file():
            skipped[case.name] = f"the folder of exports has no {case.export}/model.onnx"
    return [case for case in chosen if case.name not in skipped], skipped


def prepare(case: Case, models: Path | None, folder: Path, seed: int = 0) -> Prepared:
    """Write what ``case`` needs into ``folder`` and return it; exports are used where they lie."""
    folder.mkdir(parents=True, exist_ok=True)
    if case.light is not None:
        path = folder / "model.onnx"
        onnx.save(light_model(case.light, seed), path, save_as_external_data=True, location="model.onnx.data")
    elif case.build is not None:
        path = folder / "model.onnx"
        onnx.save(case.build(), path)
    elif models is not None and case.export is not None:
        path = models / case.export / "model.onnx"
    else:
        raise FileNotFoundError(case.name)
    feed = folder / "feed.npz"
    np.savez(feed, **make_feed(onnx.load(path, load_external_data=False), case.sizes, seed))
    return Prepared(case, path, feed)


def tiny(folder: Path) -> Prepared:
    """Write a model of one addition: to find out whether an engine works, and what a call costs by itself."""
    folder.mkdir(parents=True, exist_ok=True)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [16])
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "tiny", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, folder / "model.onnx")
    np.savez(folder / "feed.npz", x=np.arange(16, dtype=np.float32))
    return Prepared(Case("tiny", {}), folder / "model.onnx", folder / "feed.npz")


def make_feed(model: onnx.ModelProto, sizes: Mapping[str, int], seed: int) -> dict[str, Array]:
    """Return an array for each input of ``model``.

    What an input is follows from its name and rank: pictures, token numbers, a mask of ones, positions after the past,
    keys and values of the past.
    """
    rng = np.random.default_rng(seed)
    feed: dict[str, Array] = {}
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        shape = tuple(_size(dim.dim_param, sizes) if dim.dim_param else dim.dim_value for dim in dims)
        dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        feed[value.name] = _array(value.name, shape, sizes, rng).astype(dtype)
    return feed


def _array(name: str, shape: tuple[int, ...], sizes: Mapping[str, int], rng: np.random.Generator) -> Array:
    makers: dict[str, Callable[[], Array]] = {
        "input_ids": lambda: rng.integers(0, _TOKENS, shape),
        "attention_mask": lambda: np.ones(shape, np.int64),
        "position_ids": lambda: np.full(shape, sizes.get("past_seq", 0)),
    }
    if name in makers:
        return makers[name]()
    if len(shape) == 4 and shape[1] == 3:
        return picture(0, shape[0], shape[2])
    return 0.5 * rng.standard_normal(shape, dtype=np.float32)


def _size(symbol: str, sizes: Mapping[str, int]) -> int:
    """A dimension that the exporter named by itself is that of a mask over the past and the new token."""
    return sizes[symbol] if symbol in sizes else sizes.get("past_seq", 0) + 1
