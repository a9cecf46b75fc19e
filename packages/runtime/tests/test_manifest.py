"""The manifest parser: exact round trip, refusal of every malformed field."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo_runtime import Manifest, RuntimeFailure
from tondo_runtime.dims import MAX_DEPTH, Dim, DimTree, dim_to_json, evaluate, format_dim, parse_dim
from tondo_runtime.manifest_json import MAX_BYTES, parse_manifest

NAMES = ("n", "m")
leaves = st.one_of(st.integers(-(2**40), 2**40), st.sampled_from(NAMES))
dims = st.recursive(
    leaves,
    lambda inner: st.builds(
        DimTree, st.sampled_from(["add", "sub", "mul", "floordiv", "floormod", "min", "max", "eq", "lt"]), inner, inner
    ),
    max_leaves=12,
)


def evaluated(dim: Dim, values: dict[str, int]) -> tuple[int | None, str, str]:
    try:
        return evaluate(dim, values), "", ""
    except RuntimeFailure as failure:
        return None, failure.code, failure.message


@settings(derandomize=True, deadline=None, max_examples=200)
@given(dim=dims, n=st.integers(0, 1000), m=st.integers(0, 1000))
def test_dims_round_trip_and_agree_with_python(dim: Dim, n: int, m: int) -> None:
    parsed = parse_dim(json.loads(json.dumps(dim_to_json(dim))), frozenset(NAMES))
    assert parsed == dim
    try:
        expected = eval(format_dim(dim), {"n": n, "m": m, "min": min, "max": max})
    except ZeroDivisionError:
        expected = None
    value, code, message = evaluated(dim, {"n": n, "m": m})
    if value is None:
        assert code == "TND-X003"
        assert expected is None or "64 bits" in message
    else:
        assert value == expected
        assert -(2**63) <= value < 2**63


@pytest.mark.parametrize("value", [True, None, 1.5, "k", [], ["add", 1], ["pow", 1, 2], ["add", 1, 2, 3], 2**63, {}])
def test_malformed_dims_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="dimension"):
        parse_dim(value, frozenset(NAMES))


def test_depth_is_capped() -> None:
    value: object = 1
    for _ in range(MAX_DEPTH + 1):
        value = ["add", value, 1]
    with pytest.raises(ValueError, match="nested deeper"):
        parse_dim(value, frozenset())


def test_round_trip(axpy_manifest: Manifest) -> None:
    text = json.dumps(axpy_manifest.to_json())
    assert parse_manifest(text) == axpy_manifest
    assert parse_manifest(text).to_json() == axpy_manifest.to_json()


def test_numbers_that_the_call_finds_out(axpy_manifest: Manifest) -> None:
    output = axpy_manifest.outputs[0]
    found = replace(output, shape=(DimTree("sub", "k", 1),), slot=1)
    manifest = replace(axpy_manifest, outputs=(found,), numbers=("k", "loop.trips"), slots=2)
    assert parse_manifest(json.dumps(manifest.to_json())) == manifest
    for wrong, reason in (
        (replace(manifest, outputs=(replace(found, slot=None),)), "has no slot"),
        (replace(manifest, slots=1), "outside 0..0"),
        (replace(manifest, numbers=("loop.trips",)), "undeclared symbol 'k'"),
        (replace(manifest, numbers=("k", "k")), "occurs twice"),
        (replace(manifest, inputs=(replace(manifest.inputs[0], shape=("k",)), *manifest.inputs[1:])), "undeclared"),
    ):
        with pytest.raises(RuntimeFailure, match=reason):
            parse_manifest(json.dumps(wrong.to_json()))


def test_extra_keys_are_ignored(axpy_manifest: Manifest) -> None:
    assert parse_manifest(json.dumps(axpy_manifest.to_json() | {"later": 1})) == axpy_manifest


def test_the_report_about_libraries_is_kept(axpy_manifest: Manifest) -> None:
    rows = ({"function": "axpy", "runs": "generated", "library_seconds": 1.5e-6, "calls": 2},)
    manifest = replace(axpy_manifest, placement=rows)
    assert parse_manifest(json.dumps(manifest.to_json())).placement == rows
    assert "placement" not in axpy_manifest.to_json()


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("format",), "1", "manifest.format is not an integer"),
        (("format",), 0, "outside 1"),
        (("entry",), "a b", "not an identifier"),
        (("entry",), "", "empty"),
        (("name",), "\0", "null character"),
        (("name",), "x" * 5000, "longer than"),
        (("symbols",), [{"name": "n", "min": 1}] * 2, "occurs twice"),
        (("symbols",), [{"name": "n", "min": -1}], "outside 0"),
        (("symbols",), [{"name": "n", "min": 1}, {"name": "free", "min": 1}], "no input has the symbol 'free'"),
        (("inputs", 0, "dtype"), "complex64", "unsupported element type"),
        (("inputs", 0, "shape"), ["q"], "undeclared symbol 'q'"),
        (("inputs", 0, "shape"), [-1], "negative"),
        (("inputs", 0, "shape"), [1] * 65, "more than 64"),
        (("inputs", 0, "name"), "b", "occurs twice"),
        (("inputs",), {}, "not a list"),
        (("inputs",), [3], "not an object"),
        (("constants", 0, "shape"), ["n"], "not an integer"),
        (("workspace",), ["mul", "n"], "a dimension is"),
        (("code", 0, "member"), "../x.o", "not a path like"),
        (("code", 0, "member"), "module.tondo", "not a path like"),
        (("code", 0, "kind"), "../pickle", "no kind of code"),
        (("code", 0, "sha256"), "0" * 63, "hexadecimal"),
        (("members",), {"../x": {"sha256": "0" * 64, "size": 1}}, "unexpected path"),
        (("members",), {"code/0.o": {"sha256": "1" * 64, "size": 1}}, "disagrees"),
        (("members",), {"code/0.o": {"sha256": "0" * 64, "size": -1}}, "outside 0"),
        (("plugins",), {"a": 1}, "not a string"),
        (("kernels",), [""], "empty"),
        (("placement",), [{"reason": ["no"]}], "neither a text nor a number"),
        (("placement",), ["generated"], "not an object"),
    ],
)
def test_malformed_fields_are_named(
    axpy_manifest: Manifest, path: tuple[str | int, ...], value: object, text: str
) -> None:
    root = copy.deepcopy(axpy_manifest.to_json())
    place: object = root
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(RuntimeFailure, match=text) as info:
        parse_manifest(json.dumps(root))
    assert info.value.code == "TND-A001"


def test_every_missing_key_is_named(axpy_manifest: Manifest) -> None:
    root = axpy_manifest.to_json()
    for key in root:
        with pytest.raises(RuntimeFailure, match=f"lacks '{key}'"):
            parse_manifest(json.dumps({name: value for name, value in root.items() if name != key}))


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"{", b"[" * 100_000, b"null", b" " * (MAX_BYTES + 1)])
def test_what_is_not_a_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(RuntimeFailure) as info:
        parse_manifest(text)
    assert info.value.code == "TND-A001"
