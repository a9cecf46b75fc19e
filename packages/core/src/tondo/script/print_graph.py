"""Graph functions and whole modules as script text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from tondo.ir import (
    Atom,
    Attrs,
    BindDims,
    Binding,
    Call,
    CallDps,
    CallGraph,
    CallPacked,
    ConstantData,
    Expr,
    GraphFunction,
    GraphRegion,
    GraphVar,
    IfRegion,
    IRModule,
    Join,
    LoopRegion,
    MatchShape,
    Reinterpret,
    ShapeValue,
    TensorFunction,
)
from tondo.script.print_expr import attr_text, attrs_text, expr_text, shape_text, type_text, types_text
from tondo.script.print_tensor import INDENT, signature, tensor_function_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INLINE_ELEMENTS: Final = 8
"""Constants of at most so many elements are printed with their values."""
_PLAIN: Final = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"}
)
"""numpy's own types; the others and NaN (its bits count) are named by digest."""


def script(node: IRModule | GraphFunction | TensorFunction | Expr) -> str:
    """Return ``node`` as script; :func:`tondo.script.parse` reads a module back."""
    if isinstance(node, IRModule):
        return _module(node)
    if isinstance(node, GraphFunction):
        return "\n".join(_GraphPrinter({}).function(node)) + "\n"
    if isinstance(node, TensorFunction):
        return "\n".join(tensor_function_lines(node)) + "\n"
    return expr_text(node)


def _module(module: IRModule) -> str:
    parts = [[f"MODULE = Module(attrs={attrs_text(module.attrs)})"]]
    if module.constants:
        lines = ["CONSTANTS = {"]
        lines.extend(f"{INDENT}{name!r}: {_data(data)}," for name, data in module.constants.items())
        parts.append([*lines, "}"])
    printer = _GraphPrinter(module.constants)
    for function in module.functions.values():
        is_graph = isinstance(function, GraphFunction)
        parts.append(printer.function(function) if is_graph else tensor_function_lines(function))
    return "\n\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _data(data: ConstantData) -> str:
    head = f'data("{data.dtype}", {data.array.shape!r}'
    if data.array.size <= INLINE_ELEMENTS and data.array.dtype.name in _PLAIN and not np.isnan(data.array).any():
        values = tuple(data.array.reshape(-1).tolist())
        return f"{head}, {attr_text(values)})"
    return f'{head}, sha256="{data.digest}")'


@dataclass
class _GraphPrinter:
    constants: Mapping[str, ConstantData]
    regions: int = field(default=0)

    def function(self, function: GraphFunction) -> list[str]:
        self.regions = 0
        head = f"@graph_function(attrs={attrs_text(function.attrs)})" if function.attrs else "@graph_function"
        lines = self.body(function.name, function.params, function.bindings, function.results)
        return [head, *lines]

    def body(
        self, name: str, params: Sequence[GraphVar], bindings: Sequence[Binding], results: Sequence[Atom]
    ) -> list[str]:
        declared = [f"{param.name}: {type_text(param.type)}" for param in params]
        lines = signature(name, declared)
        for binding in bindings:
            lines.extend(INDENT + line for line in self.binding(binding))
        inner = ", ".join(self.atom(atom) for atom in results)
        lines.append(f"{INDENT}return ({inner},)" if len(results) == 1 else f"{INDENT}return ({inner})")
        return lines

    def binding(self, binding: Binding) -> list[str]:
        before, text = self.operation(binding)
        source = _one_line(binding.source or "")
        comment = f"  # {source}" if source else ""
        if len(binding.vars) == 1:
            return [*before, f"{binding.var.name}: {type_text(binding.var.type)} = {text}{comment}"]
        types = types_text([var.type for var in binding.vars])
        typed = f"{text[:-1]}{'' if text.endswith('()') else ', '}results={types})"
        names = ", ".join(var.name for var in binding.vars)
        return [*before, f"{names} = {typed}{comment}" if names else f"{typed}{comment}"]

    def operation(self, binding: Binding) -> tuple[list[str], str]:
        operation = binding.operation
        match operation:
            case Call():
                return [], self.call("call", operation.op, operation.args, attrs=operation.attrs)
            case CallDps():
                return [], self.call("call_dps", operation.function, operation.args, scalars=operation.scalars)
            case CallPacked():
                effect = "" if operation.effect == "pure" else operation.effect
                return [], self.call(
                    "call_packed", operation.name, operation.args, attrs=operation.attrs, effect=effect
                )
            case CallGraph():
                return [], self.call("call_graph", operation.function, operation.args)
            case ShapeValue():
                return [], f"shape_value({shape_text(operation.dims)}{', scalar=True' if operation.scalar else ''})"
            case MatchShape():
                return [], f"match_shape({self.atom(operation.arg)}, {shape_text(operation.dims)})"
            case BindDims():
                return [], f"bind_dims({self.atom(operation.arg)}, {shape_text(operation.dims)})"
            case Reinterpret():
                offset = "" if operation.offset is None else f", offset={expr_text(operation.offset)}"
                return [], f"reinterpret({self.atom(operation.arg)}{offset})"
            case Join():
                return [], f"join({', '.join(self.atom(arg) for arg in operation.args)}, axis={operation.axis})"
            case IfRegion():
                return self.if_region(operation)
            case LoopRegion():
                return self.loop_region(operation)
            case _:
                raise TypeError(type(operation))

    def call(
        self,
        head: str,
        name: str,
        args: Sequence[Atom],
        *,
        attrs: Attrs | None = None,
        scalars: Sequence[Expr] = (),
        effect: str = "",
    ) -> str:
        parts = [repr(name), *(self.atom(arg) for arg in args)]
        if scalars:
            parts.append(f"scalars={shape_text(scalars)}")
        if attrs:
            parts.append(f"attrs={attrs_text(attrs)}")
        if effect:
            parts.append(f"effect={effect!r}")
        return f"{head}({', '.join(parts)})"

    def if_region(self, operation: IfRegion) -> tuple[list[str], str]:
        then, then_lines = self.region("then", operation.then)
        orelse, else_lines = self.region("orelse", operation.orelse)
        return [*then_lines, *else_lines], f"if_region({self.atom(operation.condition)}, {then}, {orelse})"

    def loop_region(self, operation: LoopRegion) -> tuple[list[str], str]:
        body, lines = self.region("body", operation.body)
        trips = "None" if operation.trips is None else self.atom(operation.trips)
        condition = "None" if operation.condition is None else self.atom(operation.condition)
        carried = "".join(f"{self.atom(atom)}, " for atom in operation.carried)
        return lines, f"loop_region({trips}, {condition}, ({carried}), {body})"

    def region(self, stem: str, region: GraphRegion) -> tuple[str, list[str]]:
        self.regions += 1
        name = f"{stem}_{self.regions}"
        return name, self.body(name, region.params, region.bindings, region.results)

    def atom(self, atom: Atom) -> str:
        if isinstance(atom, GraphVar):
            return atom.name
        known = self.constants.get(atom.name)
        if known is not None and known.type == atom.type:
            return f"constant({atom.name!r})"
        return f"constant({atom.name!r}, {type_text(atom.type)})"


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
