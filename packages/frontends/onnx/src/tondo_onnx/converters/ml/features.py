"""Preparation of features: scaling, encoding, replacement of missing values, selection of columns.

A category that OneHotEncoder does not know has no 1 anywhere, whatever ``zeros`` says.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tondo.ir import FLOAT32, FLOAT64, INT64, Const, is_const
from tondo_onnx.build.values import Value
from tondo_onnx.converters.ml.scores import real, row
from tondo_onnx.nodes.contents import vector
from tondo_onnx.nodes.site import Converter, Site, Versions, since


def _wide(site: Site, x: Value) -> Value:
    return site.cast(x, FLOAT32)


def _scaler(site: Site) -> Value:
    x = site.arg(0)
    work = site.cast(x, FLOAT64) if x.dtype == FLOAT64 else _wide(site, x)
    for name, op in (("offset", "sub"), ("scale", "mul")):
        values = site.attributes.numbers(name)
        if values:
            work = site.call(op, work, row(site, values, work))
    return site.cast(work, FLOAT32)


def _normalizer(site: Site) -> Value:
    """Divide rows by their norm; rows of norm 0 stay as they are."""
    x, norm = _wide(site, site.arg(0)), site.attributes.text("norm", "MAX")
    op = {"MAX": "reduce_max", "L1": "reduce_l1", "L2": "reduce_l2"}.get(norm)
    if op is None:
        site.invalid(f"norm is '{norm}'")
    size = site.call(op, x, axes=(-1,), keepdims=True)
    zero = site.call("equal", size, real(site, 0.0, x))
    return site.call("div", x, site.call("where", zero, real(site, 1.0, x), size))


def _binarizer(site: Site) -> Value:
    x = site.arg(0)
    limit = site.attributes.number("threshold", 0.0)
    return site.cast(site.call("greater", x, site.scalar(limit, x.dtype)), x.dtype)


def _imputer(site: Site) -> Value:
    x = site.arg(0)
    if x.dtype.is_integer:
        values = site.attributes.ints("imputed_value_int64s")
        wanted: float = site.attributes.integer("replaced_value_int64", 0)
    else:
        values = site.attributes.numbers("imputed_value_floats")
        wanted = site.attributes.number("replaced_value_float", 0.0)
    if not values:
        site.invalid(f"there are no values to replace those of {x.dtype}")
    if wanted != wanted:
        lost = site.call("isnan", x)
    else:
        lost = site.call("equal", x, site.scalar(wanted, x.dtype))
    return site.call("where", lost, row(site, values, x), x)


def _array_feature_extractor(site: Site) -> Value:
    """Columns ``[.., picks]``; those of a vector are a matrix of one row."""
    x, picks = site.arg(0), vector(site, site.arg(1))
    found = site.call("gather", x, picks, axis=x.rank - 1)
    return site.reshape(found, (1, *found.dims)) if x.rank == 1 else found


def _feature_vectorizer(site: Site) -> Value:
    wanted = site.attributes.ints("inputdimensions") or ()
    parts: list[Value] = []
    for position, value in enumerate(site.args):
        x = _wide(site, value)
        if x.rank == 1:
            x = site.reshape(x, (x.dims[0], 1))
        rows = site.reshape(x, (x.dims[0], site.dims.product(x.dims[1:])))
        if position < len(wanted) and not is_const(rows.dims[1], wanted[position]):
            if not isinstance(rows.dims[1], Const):
                site.refuse("inputs of unknown width")
            rows = _fitted(site, rows, wanted[position])
        parts.append(rows)
    return parts[0] if len(parts) == 1 else site.call("concat", *parts, axis=1)


def _fitted(site: Site, x: Value, width: int) -> Value:
    """Return the first ``width`` columns, filled with zeros."""
    (_, own) = x.dims
    assert isinstance(own, Const)
    if own.value < width:
        return site.call("pad", x, begin=(0, 0), end=(0, width - int(own.value)), mode="constant")
    return site.call("slice", x, axes=(1,), starts=(0,), ends=(width,), steps=(1,))


def _one_hot(site: Site) -> Value:
    x, categories = site.arg(0), site.attributes.ints("cats_int64s")
    if categories is None:
        site.refuse("categories that are texts")
    cells = site.cast(site.call("unsqueeze", x, axes=(x.rank,)), INT64)
    return site.cast(site.call("equal", cells, site.vector(categories)), FLOAT32)


# -- LabelEncoder

_KEYS: Final = ("keys_int64s", "keys_floats", "keys_tensor", "keys_strings")
_VALUES: Final = ("values_int64s", "values_floats", "values_tensor", "values_strings")


def _listed(site: Site, names: tuple[str, ...]) -> np.ndarray:
    """Return the only one of the attributes ``names`` that is given."""
    given = [name for name in names if name in site.attributes]
    if len(given) != 1:
        site.invalid(f"exactly one of {', '.join(names)} must be given")
    (name,) = given
    if name.endswith("_strings"):
        site.refuse("keys or values that are texts")
    if name.endswith("_tensor"):
        found = site.attributes.tensor(name)
        return np.zeros(0) if found is None else found.reshape(-1)
    if name.endswith("_int64s"):
        return np.array(site.attributes.ints(name), np.int64)
    return np.array(site.attributes.numbers(name), np.float32)


def _default(site: Site, values: np.ndarray) -> np.ndarray:
    given = site.attributes.tensor("default_tensor")
    if given is not None:
        return given.reshape(-1)[:1].astype(values.dtype)
    if values.dtype.kind == "i":
        return np.array([site.attributes.integer("default_int64", -1)]).astype(values.dtype)
    return np.array([site.attributes.number("default_float", -0.0)]).astype(values.dtype)


def _label_encoder(site: Site) -> Value:
    """The value of the last key that equals the element, else the default; NaN equals NaN."""
    x, keys, values = site.arg(0), _listed(site, _KEYS), _listed(site, _VALUES)
    if len(keys) != len(values):
        site.invalid(f"there are {len(keys)} keys and {len(values)} values")
    cells = site.call("unsqueeze", x, axes=(x.rank,))
    table = site.builder.constant(keys.astype(x.dtype.numpy), "keys")
    hits = site.call("equal", cells, table)
    if keys.dtype.kind == "f" and np.isnan(keys).any():
        lost = site.builder.constant(np.isnan(keys), "lost")
        hits = site.call("logical_or", hits, site.call("logical_and", site.call("isnan", cells), lost))
    numbers = site.vector(range(1, len(keys) + 1))
    place = site.call("where", hits, numbers, site.vector([0]))
    found = site.call("reduce_max", place, axes=(x.rank,), keepdims=False)
    results = site.builder.constant(np.concatenate([_default(site, values), values]), "values")
    return site.call("gather", results, found, axis=0)


def _not(reason: str) -> Converter:
    """Return the converter that refuses every use."""

    def convert(site: Site) -> Value:
        site.refuse(reason)

    return convert


CONVERTERS: Final[dict[str, Versions]] = {
    "Scaler": since(_scaler),
    "Normalizer": since(_normalizer),
    "Binarizer": since(_binarizer),
    "Imputer": since(_imputer),
    "ArrayFeatureExtractor": since(_array_feature_extractor),
    "FeatureVectorizer": since(_feature_vectorizer),
    "OneHotEncoder": since(_one_hot),
    "LabelEncoder": since(2, _label_encoder),
    "ZipMap": since(_not("maps have no counterpart; drop the node and read the scores beside the labels")),
    "DictVectorizer": since(_not("maps have no counterpart; pass a tensor with one column per key")),
    "CastMap": since(_not("maps have no counterpart; pass a tensor with one column per key")),
}
