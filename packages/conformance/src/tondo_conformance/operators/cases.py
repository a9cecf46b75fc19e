"""Cases of operators: every use with every element type, and the kinds of shapes and contents there are.

plain     every element type that the type rule takes, sizes that are no multiple of anything
strided   inputs that are not contiguous: turned, every other element, backwards
special   NaN, infinities, negative zero, the largest and smallest numbers
series    symbolic dimensions: one artifact for tails, ones, powers of two, large sizes
empty     symbolic dimensions of size 0, in turn; also sizes of 0 that are known, of the main use of an operator
scalar    rank 0
constant  weights are constants of the module, with constant and with symbolic dimensions of the rest
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from tondo.ir import IRModule, Operator, Var
from tondo_conformance.backend import Array, Backend
from tondo_conformance.case import Case, Work, case
from tondo_conformance.graphs import Graph, tensor_type
from tondo_conformance.operators import contraction, elementwise, movement, normalize, reduction, sample, window
from tondo_conformance.operators.probe import accepts, probed, takes
from tondo_conformance.operators.recipe import PLAIN, SERIES, Arg, Recipe, Size
from tondo_conformance.values import is_float, numpy_dtype, strided, with_special

_FAMILIES = (elementwise, reduction, contraction, window, normalize, movement, sample)
_LARGE_ELEMENTS = 1 << 21
"""A larger product of the sizes of a use is left out of its series."""


def cases(operators: Mapping[str, Operator]) -> Iterator[Case]:
    """Yield the cases of every operator, in the order of names."""
    written: dict[str, list[Recipe]] = {}
    for family in _FAMILIES:
        for recipe in family.recipes():
            written.setdefault(recipe.op, []).append(recipe)
    for name, operator in sorted(operators.items()):
        recipes = written.get(name, [])
        if not any(recipe.name == "" for recipe in recipes):
            recipes = [*recipes, *probed(operator)]
        for index, recipe in enumerate(recipes):
            yield from _of_recipe(operator, recipe, quick=index == 0)


def uncovered(operators: Mapping[str, Operator]) -> list[str]:
    """Return the operators that have no case."""
    covered = {entry.info.group for entry in cases(operators)}
    return sorted(set(operators) - covered)


def _of_recipe(operator: Operator, recipe: Recipe, *, quick: bool) -> Iterator[Case]:
    static = dict(recipe.attributes(PLAIN))
    dtypes = [name for name in recipe.dtypes if accepts(operator, recipe.args, static, name)]
    for index, dtype in enumerate(dtypes):
        first = index == 0

        def made(kind: str, work: Work, about: str, dtype: str = dtype, *, quick: bool = False) -> Case:
            return case("L2", recipe.op, recipe.variant(kind), work, dtype=dtype, about=about, quick=quick)

        yield made("plain", partial(_plain, recipe, dtype), "Plain sizes, contiguous inputs.", quick=quick and first)
        if not recipe.args:
            continue
        if any(arg.shape for arg in recipe.args):
            yield made("strided", partial(_strided, recipe, dtype), "Inputs that are not contiguous.")
        if recipe.special != "none" and is_float(dtype):
            yield made("special", partial(_special, recipe, dtype), f"Special values: {recipe.special}.")
        if not first:
            continue
        if recipe.dims and _fits_symbolic(operator, recipe, dtype):
            yield made("series", partial(_series, recipe, dtype, frozenset()), "One artifact, sizes of many kinds.")
        vanishing = [dim for dim in recipe.dims if _may_vanish(operator, recipe, dtype, dim)]
        if vanishing and _fits_symbolic(operator, recipe, dtype):
            yield made("empty", partial(_empty, recipe, dtype, vanishing), "Symbolic dimensions have size 0, in turn.")
        for dim in vanishing if not recipe.name else ():
            sizes = {**PLAIN, dim: 0}
            yield made(f"empty-{dim}", partial(_static, recipe, dtype, sizes), f"The dimension {dim} has size 0.")
        if recipe.scalar and _takes_scalars(operator, recipe, dtype):
            yield made("scalar", partial(_scalar, recipe, dtype), "Arguments of rank 0.")
        if recipe.constant:
            chosen = frozenset(recipe.constant)
            yield made("constant", partial(_plain, recipe, dtype, constant=chosen), "Weights are constants.")


def _may_vanish(operator: Operator, recipe: Recipe, dtype: str, dim: str) -> bool:
    known = recipe.empty is None or dim in recipe.empty
    return known and _accepted(operator, recipe, dtype, {**PLAIN, dim: 0})


def _takes_scalars(operator: Operator, recipe: Recipe, dtype: str) -> bool:
    types = tuple(tensor_type((), arg.dtype or dtype) for arg in recipe.args)
    return takes(operator, types, recipe.attributes({}))


def _accepted(operator: Operator, recipe: Recipe, dtype: str, sizes: Mapping[str, Size]) -> bool:
    types = tuple(tensor_type(_shape(arg, sizes), arg.dtype or dtype) for arg in recipe.args)
    return takes(operator, types, recipe.attributes(sizes))


def _fits_symbolic(operator: Operator, recipe: Recipe, dtype: str) -> bool:
    sizes: dict[str, Size] = {name: Var(name) for name in recipe.dims}
    types = tuple(tensor_type(arg.shape, arg.dtype or dtype) for arg in recipe.args)
    return takes(operator, types, recipe.attributes(sizes))


# ------------------------------------------------------------------------------------------ what cases do


def _plain(recipe: Recipe, dtype: str, backend: Backend, constant: frozenset[int] = frozenset()) -> dict[str, float]:
    return _static(recipe, dtype, PLAIN, backend, constant)


def _static(
    recipe: Recipe,
    dtype: str,
    sizes: Mapping[str, int],
    backend: Backend,
    constant: frozenset[int] = frozenset(),
) -> dict[str, float]:
    arrays = arrays_of(recipe, dtype, sizes)
    module = build(recipe, dtype, sizes, backend.extensions.operators, arrays, constant)
    return backend.check(module, [_feed(arrays, constant)], _depth(recipe, sizes), recipe.rounding)


def _strided(recipe: Recipe, dtype: str, backend: Backend) -> dict[str, float]:
    arrays = arrays_of(recipe, dtype, PLAIN)
    module = build(recipe, dtype, PLAIN, backend.extensions.operators, arrays)
    feeds = [{name: strided(array, style) for name, array in _feed(arrays).items()} for style in range(3)]
    return backend.check(module, feeds, _depth(recipe, PLAIN), recipe.rounding)


def _special(recipe: Recipe, dtype: str, backend: Backend) -> dict[str, float]:
    arrays = arrays_of(recipe, dtype, PLAIN)
    module = build(recipe, dtype, PLAIN, backend.extensions.operators, arrays)
    rng = np.random.default_rng(_seed(recipe, dtype))
    chosen = [
        array if arg.dtype else with_special(rng, array, recipe.special)
        for arg, array in zip(recipe.args, arrays, strict=True)
    ]
    return backend.check(module, [_feed(chosen)], _depth(recipe, PLAIN), recipe.rounding)


def _series(recipe: Recipe, dtype: str, constant: frozenset[int], backend: Backend) -> dict[str, float]:
    all_sizes = [{name: max(size, recipe.least.get(name, 0)) for name, size in table.items()} for table in SERIES]
    fitting = [sizes for sizes in all_sizes if math.prod(sizes[name] for name in recipe.dims) <= _LARGE_ELEMENTS]
    batches = [arrays_of(recipe, dtype, sizes) for sizes in fitting]
    module = build(recipe, dtype, {}, backend.extensions.operators, batches[0], constant)
    feeds = [_feed(arrays, constant) for arrays in batches]
    return backend.check(module, feeds, max(_depth(recipe, sizes) for sizes in fitting), recipe.rounding)


def _empty(recipe: Recipe, dtype: str, vanishing: list[str], backend: Backend) -> dict[str, float]:
    tables = [{**PLAIN, dim: 0} for dim in vanishing]
    batches = [arrays_of(recipe, dtype, sizes) for sizes in (*tables, PLAIN)]
    module = build(recipe, dtype, {}, backend.extensions.operators, batches[0])
    config = backend.with_dimensions({dim: {"min": 0} for dim in vanishing})
    return backend.check(module, [_feed(arrays) for arrays in batches], _depth(recipe, PLAIN), recipe.rounding, config)


def _scalar(recipe: Recipe, dtype: str, backend: Backend) -> dict[str, float]:
    flat = Recipe(recipe.op, tuple(Arg((), arg.dtype, arg.values) for arg in recipe.args), recipe.attrs)
    return _static(flat, dtype, {}, backend)


# ------------------------------------------------------------------------------------------ modules and arrays


def build(
    recipe: Recipe,
    dtype: str,
    sizes: Mapping[str, int],
    operators: Mapping[str, Operator],
    arrays: list[Array],
    constant: frozenset[int] = frozenset(),
) -> IRModule:
    """Return the module of one call; dimensions that ``sizes`` lacks are symbolic."""
    graph = Graph(operators)
    known: dict[str, Size] = {name: sizes[name] if name in sizes else Var(name) for name in recipe.dims}
    atoms = [
        graph.constant(array) if index in constant else graph.input(f"x{index}", _shape(arg, known), arg.dtype or dtype)
        for index, (arg, array) in enumerate(zip(recipe.args, arrays, strict=True))
    ]
    return graph.module(*graph.calls(recipe.op, *atoms, **recipe.attributes(known)))


def arrays_of(recipe: Recipe, dtype: str, sizes: Mapping[str, int]) -> list[Array]:
    """Return the arguments, always the same for the same use."""
    rng = np.random.default_rng(_seed(recipe, dtype))
    return [
        arg.values(rng, tuple(int(extent) for extent in _shape(arg, sizes)), numpy_dtype(arg.dtype or dtype))  # pyright: ignore[reportArgumentType]
        for arg in recipe.args
    ]


def _shape(arg: Arg, sizes: Mapping[str, Size]) -> tuple[Size, ...]:
    return tuple(sizes[extent] if isinstance(extent, str) else extent for extent in arg.shape)


def _feed(arrays: list[Array], constant: frozenset[int] = frozenset()) -> dict[str, Array]:
    return {f"x{index}": array for index, array in enumerate(arrays) if index not in constant}


def _depth(recipe: Recipe, sizes: Mapping[str, int]) -> int:
    return math.prod(sizes[extent] if isinstance(extent, str) else extent for extent in recipe.depth)


def _seed(recipe: Recipe, dtype: str) -> int:
    return zlib.crc32(f"{recipe.op}/{recipe.name}/{dtype}".encode())
