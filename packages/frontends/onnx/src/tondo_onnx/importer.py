"""The importer: walks a model, converts its nodes one by one, reports everything that cannot be converted.

Before: a ``ModelProto``. After: a module with the graph function ``main`` of operator calls in A-normal form, its
constants, and the model's own names of inputs and outputs in the attributes ``input_names`` and ``output_names``.

Refuses models that break the rules it relies on (one definition per name, every input defined, no cycles), and lists
unsupported operators all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Final

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto

from tondo.arith import DIMENSIONS, bounds_attribute
from tondo.diagnostics import Span, TondoError, fail
from tondo.ir import Attrs, IRModule
from tondo.plugin import LoadOptions, OperatorUse
from tondo_onnx.build.builder import Builder
from tondo_onnx.build.dims import Dimensions
from tondo_onnx.build.kinds import object_of
from tondo_onnx.build.names import Names
from tondo_onnx.build.values import Value
from tondo_onnx.build.vanishing import require_sizes
from tondo_onnx.converters.attached import attached_converters
from tondo_onnx.converters.objects import object_converter
from tondo_onnx.converters.objects.texts import text_constant, texts_of
from tondo_onnx.converters.table import NEWEST, find_converter
from tondo_onnx.extension import HOOK, Converters
from tondo_onnx.limits import Limits, exceed
from tondo_onnx.nodes.arity import check_arity
from tondo_onnx.nodes.attributes import Attributes, attributes_of
from tondo_onnx.nodes.functions import Functions, FunctionUse, domain_of, standard_function, use_of
from tondo_onnx.nodes.order import ordered
from tondo_onnx.nodes.site import Converter, Site
from tondo_onnx.problems import Problems, Unsupported
from tondo_onnx.read.files import ModelFiles
from tondo_onnx.read.tensors import array_of
from tondo_onnx.read.texts import check_texts
from tondo_onnx.read.types import known_dtype, type_name
from tondo_onnx.signature import input_types
from tondo_onnx.survey import UNREACHED, Survey

_IR_WITH_OPSETS: Final = 3
"""Version of the format from which on a model must import operator sets."""
_AT_NODE_HELP: Final = "correct the node where the model is made, and export it again"


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where nodes are converted: the values in scope, versions, attributes of the enclosing function.

    ``None`` as a value stands for the result of a node that could not be converted.
    """

    values: dict[str, Value | None]
    outer: _Frame | None
    versions: Mapping[str, int]
    attributes: Mapping[str, AttributeProto]
    depth: int = 0
    prefix: str = ""

    def find(self, name: str) -> Value | None:
        """Return the value called ``name``; KeyError if nobody defines it."""
        frame: _Frame | None = self
        while frame is not None:
            if name in frame.values:
                return frame.values[name]
            frame = frame.outer
        raise KeyError(name)


def import_model(model: ModelProto, files: ModelFiles, options: LoadOptions, limits: Limits, place: str) -> IRModule:
    """Return the module of ``model``; ``place`` names it in messages. Errors: see ``OnnxFrontend.load``."""
    try:
        check_texts(model)
        return _Importer(model, files, options, limits, place).run()
    except TondoError as error:
        located = [entry if entry.span else replace(entry, span=Span(place)) for entry in error.diagnostics]
        raise TondoError(*located) from error.__cause__


def survey_model(
    model: ModelProto, files: ModelFiles, options: LoadOptions, limits: Limits, place: str
) -> tuple[OperatorUse, ...]:
    """Return every operator of ``model`` and what it becomes. Errors: those of a model that is not valid."""
    check_texts(model)
    survey = Survey()
    _Importer(model, files, options, limits, place, survey).convert()
    return survey.uses()


@dataclass(slots=True)
class _Importer:
    model: ModelProto
    files: ModelFiles
    options: LoadOptions
    limits: Limits
    place: str
    survey: Survey | None = None
    problems: Problems = field(default_factory=Problems)
    converted: int = 0
    builder: Builder = field(init=False)
    functions: Functions = field(init=False)
    converters: Converters = field(init=False)

    def __post_init__(self) -> None:
        dims = Dimensions(self.options.dimensions)
        self.builder = Builder(self.options.operators, dims, self.limits, Names(), rebatched=bool(self.options.inputs))
        self.functions = Functions(self.model)
        brought = self.options.components.get(HOOK, {}).values()
        self.converters = Converters.of([*brought, *attached_converters(self.options.operators.values())])

    def run(self) -> IRModule:
        """Convert the whole model."""
        params, results = self.convert()
        if self.problems:
            self.problems.refuse(self.place)
        outputs = [result for result in results if result is not None]
        _check_outputs(self.model.graph.output, outputs)
        attrs = {
            "input_names": tuple(params), "output_names": tuple(value.name for value in self.model.graph.output),
        }  # fmt: skip
        attrs.update(_objects("input_objects", params.values()) | _objects("output_objects", outputs))
        main = self.builder.finish(list(params.values()), outputs, attrs)
        name = self.options.name or PurePath(self.place).stem.strip("<>") or "model"
        require_sizes(main, self.builder.dims, self.options.operators)
        known = Attrs(name=name)
        bounds = self.builder.dims.bounds()
        if bounds:
            known = known.with_(**{DIMENSIONS: bounds_attribute(bounds)})
        return IRModule.of(main, constants=self.builder.constants, attrs=known)

    def convert(self) -> tuple[dict[str, Value], list[Value | None]]:
        """Convert all nodes; return the inputs by name, and the outputs (None: of an unsupported node)."""
        if self.model.ir_version >= _IR_WITH_OPSETS and not self.model.opset_import:
            fail(
                "TND-M004", "the model imports no operator set", help="the file is incomplete; copy or export it again"
            )
        graph = self.model.graph
        types = input_types(graph, self.options, self.builder.dims, self.builder.names, self.limits)
        params = {name: self.builder.parameter(name, kind) for name, kind in types.items()}
        for value in graph.input:
            if value.name in params:
                params[value.name].object = object_of(value.type, f"input '{value.name}'")
        frame = _Frame({**params}, None, self._versions(self.model.opset_import, 1), {})
        return params, self._graph(graph, frame)

    def _versions(self, imports: Sequence[OperatorSetIdProto], standard: int) -> dict[str, int]:
        """Return operator-set versions by domain; ``standard`` is that of the standard domain if it is not imported."""
        versions = {domain_of(entry.domain): entry.version for entry in imports}
        version = versions.setdefault("", standard)
        if version > NEWEST:
            fail(
                "TND-M003",
                f"the model uses operator set {version}, the newest supported one is {NEWEST}",
                span=Span(self.place),
                help=f"export the model with opset_version={NEWEST}",
            )
        if version < 1:
            fail("TND-M004", f"the model uses operator set {version}")
        return versions

    # -- graphs

    def _graph(self, graph: GraphProto, frame: _Frame) -> list[Value | None]:
        """Convert ``graph`` in ``frame``, return its results."""
        if graph.sparse_initializer:
            names = ", ".join(tensor.values.name for tensor in graph.sparse_initializer[:3])
            self.problems.add("sparse initializer", "sparse tensors are not supported", names or "unnamed")
            frame.values.update({tensor.values.name: None for tensor in graph.sparse_initializer})
        for tensor in graph.initializer:
            if tensor.name in frame.values:
                fail("TND-M004", f"initializer '{tensor.name}' is defined already")
            if tensor.data_type == TensorProto.STRING:
                frame.values[tensor.name] = text_constant(self.builder, texts_of(tensor), tuple(tensor.dims))
            else:
                frame.values[tensor.name] = self.builder.constant(self._array(tensor), tensor.name)
        self._nodes(graph.node, frame)
        return [self._lookup(value.name, frame, f"the output '{value.name}' of the graph") for value in graph.output]

    def _nodes(self, nodes: Sequence[NodeProto], frame: _Frame) -> None:
        def label(node: NodeProto, position: int) -> str:
            return f"node '{_name(node, position, frame.prefix)}'"

        for position in ordered(nodes, frame.values, label):
            self._node(nodes[position], _name(nodes[position], position, frame.prefix), frame)

    def _array(self, tensor: TensorProto) -> np.ndarray:
        return array_of(tensor, self.files, self.limits)

    def _lookup(self, name: str, frame: _Frame, user: str) -> Value | None:
        try:
            return frame.find(name)
        except KeyError:
            return fail(
                "TND-M004",
                f"'{name}' is used by {user}, but nothing defines it",
                help="the model is incomplete; export it again",
            )

    # -- nodes

    def _node(self, node: NodeProto, name: str, frame: _Frame) -> None:
        self.converted += 1
        if self.converted > self.limits.nodes:
            exceed("the number of nodes", self.converted, self.limits, "nodes")
        found = [self._lookup(item, frame, f"node '{name}'") if item else None for item in node.input]
        broken = any(item and value is None for item, value in zip(node.input, found, strict=True))
        outer_source, self.builder.source = self.builder.source, name
        known, emitted = len(self.problems), len(self.builder.bindings)
        try:
            results = self._broken(node, name, frame) if broken else self._results(node, name, found, frame)
        except Unsupported as reason:
            self.problems.add(_operator(node, frame), str(reason), name)
            results = list[Value | None]()
        except TondoError as error:
            if self.survey is None or frame.depth:
                raise _at_node(error, node, name) from error.__cause__
            self.problems.add(_operator(node, frame), error.diagnostics[0].message, name)
            results = list[Value | None]()
        finally:
            self.builder.source = outer_source
        self._bind(node, results, frame, report=not broken and len(self.problems) == known)
        if self.survey is not None and not frame.depth:
            reasons = self.problems.reasons(known) or ([UNREACHED] if broken else [])
            title, version = _title(node), frame.versions.get(domain_of(node.domain))
            self.survey.add((title, version), name, found, reasons, self.builder.bindings[emitted:])

    def _bind(self, node: NodeProto, results: Sequence[Value | None], frame: _Frame, *, report: bool) -> None:
        for position, output in enumerate(node.output):
            if not output:
                continue
            value = results[position] if position < len(results) else None
            frame.values[output] = value
            if value is not None:
                self.builder.wish(value, output)
            elif report:
                self.problems.add(_operator(node, frame), f"output {position} is not supported", output)

    def _broken(self, node: NodeProto, name: str, frame: _Frame) -> tuple[Value, ...]:
        """Check a node whose inputs could not be converted as far as that is possible without them."""
        known = self.functions.find(node) or self._converter(node, self._version(node, frame))
        if known is None and not _has_standard_function(node):
            self.problems.add(_operator(node, frame), "unknown operator", name)
        return ()

    def _version(self, node: NodeProto, frame: _Frame) -> int:
        return frame.versions.get(domain_of(node.domain), 1)

    def _results(
        self, node: NodeProto, name: str, inputs: Sequence[Value | None], frame: _Frame
    ) -> Sequence[Value | None]:
        attributes = attributes_of(node, f"node '{name}'", frame.attributes, self._array)
        own, version = self.functions.find(node), self._version(node, frame)
        plain = own is not None or self._is_foreign(node, version)
        converter = None if plain else object_converter(node, inputs)
        converter = converter or self._converter(node, version)
        if own is not None and (converter is None or not self._is_foreign(node, version)):
            return self._call(use_of(own, attributes.protos), node, name, inputs, frame)
        if converter is not None:
            check_arity(node, domain_of(node.domain), version, f"node '{name}'")
            site = self._site(node, name, inputs, attributes, frame)
            result = converter(site)
            return (result,) if isinstance(result, Value) else result
        use = standard_function(node, version, inputs, attributes.protos)
        if use is None:
            raise Unsupported("unknown operator")
        return self._call(use, node, name, inputs, frame)

    def _is_foreign(self, node: NodeProto, version: int) -> bool:
        """Return whether another package brought a converter for ``node``, which comes before the model's function."""
        return self.converters.find(domain_of(node.domain), node.op_type, version) is not None

    def _converter(self, node: NodeProto, version: int) -> Converter | None:
        domain = domain_of(node.domain)
        foreign = self.converters.find(domain, node.op_type, version)
        return foreign or find_converter(domain, node.op_type, version)

    def _site(
        self, node: NodeProto, name: str, inputs: Sequence[Value | None], attributes: Attributes, frame: _Frame
    ) -> Site:
        return Site(
            op=node.op_type,
            version=self._version(node, frame),
            label=f"node '{name}'",
            inputs=tuple(inputs),
            outputs=tuple(node.output),
            attributes=attributes,
            builder=self.builder,
            inline=self._inliner(name, frame),
        )

    def _inliner(self, name: str, frame: _Frame) -> Callable[[GraphProto, Sequence[Value]], tuple[Value, ...]]:
        def inline(graph: GraphProto, inputs: Sequence[Value]) -> tuple[Value, ...]:
            if len(graph.input) != len(inputs):
                fail("TND-M004", f"a graph of {name} has {len(graph.input)} inputs, {len(inputs)} are given")
            given = {item.name: value for item, value in zip(graph.input, inputs, strict=True)}
            inner = _Frame({**given}, frame, frame.versions, frame.attributes, self._deeper(frame), f"{name}/")
            results = self._graph(graph, inner)
            if any(result is None for result in results):
                raise Unsupported("its branch holds unsupported operators")
            return tuple(result for result in results if result is not None)

        return inline

    def _deeper(self, frame: _Frame) -> int:
        if frame.depth >= self.limits.nesting:
            exceed(
                "the depth of nested graphs and functions",
                frame.depth + 1,
                self.limits,
                "nesting",
                "functions must not call themselves",
            )
        return frame.depth + 1

    def _call(
        self, use: FunctionUse, node: NodeProto, name: str, inputs: Sequence[Value | None], frame: _Frame
    ) -> list[Value | None]:
        """Convert the body of a function with ``inputs`` for its parameters."""
        function = use.function
        if len(inputs) > len(function.input):
            fail("TND-M004", f"function '{function.name}' takes {len(function.input)} inputs, {len(inputs)} are given")
        given = {key: value for key, value in zip(function.input, inputs, strict=False) if value is not None}
        versions = {**frame.versions, **self._versions(function.opset_import, frame.versions[""])}
        inner = _Frame({**given}, None, versions, use.attributes, self._deeper(frame), f"{name}/")
        absent = [item for item in function.input if item not in given]
        self._nodes([_without(inside, absent) for inside in function.node] if absent else function.node, inner)
        user = f"the output of function '{function.name}'"
        wanted = zip(function.output, [*node.output, *[""] * len(function.output)], strict=False)
        return [self._lookup(item, inner, user) if output else None for item, output in wanted]


def _without(node: NodeProto, absent: Sequence[str]) -> NodeProto:
    """Return ``node`` with inputs left out that the caller of the function left out."""
    if not any(name in absent for name in node.input):
        return node
    copy = NodeProto()
    copy.CopyFrom(node)
    del copy.input[:]
    copy.input.extend("" if name in absent else name for name in node.input)
    return copy


def _has_standard_function(node: NodeProto) -> bool:
    return standard_function(node, NEWEST, (), {}) is not None if domain_of(node.domain) == "" else False


def _name(node: NodeProto, position: int, prefix: str) -> str:
    return f"{prefix}{node.name or f'{node.op_type}#{position}'}"


def _title(node: NodeProto) -> str:
    domain = domain_of(node.domain)
    return f"{domain}.{node.op_type}" if domain else node.op_type


def _operator(node: NodeProto, frame: _Frame) -> str:
    domain = domain_of(node.domain)
    version = frame.versions.get(domain)
    title = _title(node)
    return f"{title} (opset {version})" if version is not None else f"{title} (no operator set imported)"


def _at_node(error: TondoError, node: NodeProto, name: str) -> TondoError:
    """Return ``error`` with the node in its notes, unless a node inside it stands there already."""
    where = f"at node '{name}' ({node.op_type})"
    located = [
        entry
        if any(note.startswith("at node ") for note in entry.notes)
        else replace(entry, notes=(*entry.notes, where), help=entry.help or _AT_NODE_HELP)
        for entry in error.diagnostics
    ]
    return TondoError(*located)


def _objects(name: str, values: Iterable[Value]) -> dict[str, tuple[str, ...]]:
    """Return the attribute that tells which inputs or outputs are no tensors; none if all are."""
    kinds = tuple(str(value.object or "") for value in values)
    return {name: kinds} if any(kinds) else {}


def _check_outputs(declared: Sequence[ValueInfoProto], results: Sequence[Value]) -> None:
    seen: set[str] = set()
    for value, result in zip(declared, results, strict=True):
        if value.name in seen:
            fail("TND-M004", f"the model has two outputs named '{value.name}'")
        seen.add(value.name)
        if result.object is not None:
            continue
        wanted = value.type.tensor_type.elem_type
        if value.type.WhichOneof("value") == "tensor_type" and wanted and known_dtype(wanted) != result.dtype:
            fail(
                "TND-M004",
                f"output '{value.name}' is declared as {type_name(wanted)}, the graph computes {result.dtype}",
            )
