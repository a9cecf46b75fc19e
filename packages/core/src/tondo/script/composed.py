"""An operator that is composed of others: its function works on tensors."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache

from tondo.diagnostics import fail
from tondo.ir import Attrs, Expr, GraphFunction, GraphVar, OpCall, Operator, TensorFunction, TensorType, Var, substitute
from tondo.script.compose import Composer
from tondo.script.parse_types import DeclarationReader
from tondo.script.sizes import Declared, solved
from tondo.script.written import Written, simple


class Composed:
    """An operator that is composed of others."""

    def __init__(self, written: Written) -> None:
        self._written = written
        self._read = lru_cache(maxsize=64)(self._signature)

    @property
    def inputs(self) -> int:
        """How many inputs it takes."""
        return len(self._written.tree.args.args)

    def check(self) -> None:
        """Read the signature as far as that is possible without a use."""
        usual = self._written.usual()
        if usual is not None:
            self._written.check(*self._read(usual))

    def infer(self, use: OpCall) -> tuple[TensorType, ...]:
        """Return the types of the results of ``use``."""
        inputs, results = self._read(self._written.values(use))
        sizes = solved(inputs, use)
        return tuple(_in_sizes(item.type, sizes) for item in results)

    def define(self, use: OpCall) -> TensorFunction:
        """Refuse: there are no loops."""
        return fail(
            "TND-M003",
            f"'{use.op}' is composed of other operators, it has no loops of its own",
            help="put the pass graph.expand before",
        )

    def expand(self, use: OpCall, operators: Mapping[str, Operator]) -> GraphFunction:
        """Return the graph function of ``use``."""
        written = self._written
        values = written.values(use)
        inputs, results = self._read(values)
        sizes = solved(inputs, use)
        params = tuple(GraphVar(item.name, _in_sizes(item.type, sizes)) for item in inputs)
        tree = written.specialized(values)
        composer = Composer(
            written.source,
            operators=operators,
            called=self._called,
            sizes={var.name: value for var, value in sizes.items()},
            values={param.name: param for param in params},
        )
        made = composer.statements(tree.body)
        if len(made) != len(results):
            composer.fail(written.tree, f"{len(made)} results are returned, {len(results)} are declared")
        atoms = [
            composer.as_type(written.tree, atom, _in_sizes(item.type, sizes), item.name)
            for atom, item in zip(made, results, strict=True)
        ]
        return GraphFunction(
            tree.name, params, tuple(composer.bindings), tuple(atoms), Attrs(), composer.source.span(tree)
        )

    def _called(self, name: str) -> str:
        """Return the name of the operator that a Python name stands for where the function was written."""
        found = self._names.get(name)
        return found.name if isinstance(found, Operator) else name

    @property
    def _names(self) -> Mapping[str, object]:
        python = self._written.python
        code = getattr(python, "__code__", None)
        cells = zip(code.co_freevars, python.__closure__ or (), strict=True) if code is not None else ()
        around = {name: cell.cell_contents for name, cell in cells}
        return {**getattr(python, "__globals__", {}), **around}

    def _signature(self, values: Attrs) -> tuple[tuple[Declared, ...], tuple[Declared, ...]]:
        written = self._written
        tree = written.specialized(values)
        reader = DeclarationReader(written.source)
        if tree.returns is None:
            reader.fail(written.tree, "the types of the results are missing", help="def f(...) -> Tensor(...):")
        items = tree.returns.elts if isinstance(tree.returns, ast.Tuple) else [tree.returns]
        inputs = tuple(Declared(arg.arg, self._tensor_type(arg.annotation, reader)) for arg in tree.args.args)
        results = tuple(
            Declared("result" if len(items) == 1 else f"result_{place}", self._tensor_type(item, reader))
            for place, item in enumerate(items)
        )
        return inputs, results

    def _tensor_type(self, tree: ast.expr | None, reader: DeclarationReader) -> TensorType:
        assert tree is not None
        kind = reader.type(tree)
        if not isinstance(kind, TensorType) or kind.shape is None:
            reader.fail(tree, "expected a tensor of a known number of dimensions", code="TND-S003")
        return kind


def _in_sizes(kind: TensorType, sizes: Mapping[Var, Expr]) -> TensorType:
    return TensorType(tuple(simple(substitute(dim, sizes)) for dim in kind.dims), kind.dtype)
