"""Tondo as a backend of the ``onnx`` package: ``onnx.backend.base.Backend``.

    import tondo_onnx.backend as backend

    outputs = backend.prepare(model).run([x])
    outputs = backend.run_model(model, [x])
    outputs = backend.run_node(node, [x])

Models are compiled by the default pipeline for the machine at hand; ``target="interp"`` interprets them. What cannot be
compiled raises :class:`~tondo.diagnostics.TondoError` with its code, never a silent skip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, defs, helper
from onnx.backend.base import Backend, BackendRep

import tondo
from tondo.diagnostics import fail
from tondo.driver import Model
from tondo.driver.plan import ConfigLike

__all__ = [
    "Inputs",
    "TondoBackend",
    "TondoModel",
    "is_compatible",
    "prepare",
    "run_model",
    "run_node",
    "supports_device",
]

Inputs: TypeAlias = "np.ndarray | Sequence[object] | Mapping[str, object]"
"""One array, arrays in the order of the inputs, or arrays by name."""

_DEVICE: Final = "CPU"


class TondoModel(BackendRep):
    """A compiled model."""

    def __init__(self, model: Model) -> None:
        """Wrap ``model``."""
        self.model = model

    def run(self, inputs: Inputs, **kwargs: object) -> tuple[object, ...]:
        """Return the outputs in order.

        Raises:
            RuntimeFailure: TND-U... for unsuitable inputs, TND-R... if the execution fails.
        """
        _no_options(kwargs)
        if isinstance(inputs, Mapping):
            results = self.model.run({str(name): value for name, value in inputs.items()})
            return tuple(results[spec.name] for spec in self.model.outputs)
        given: Sequence[object] = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
        result = self.model(*given)
        return result if isinstance(result, tuple) else (result,)


class TondoBackend(Backend):
    """Compiles and runs ONNX models."""

    @classmethod
    def is_compatible(cls, model: ModelProto, device: str = _DEVICE, **kwargs: object) -> bool:
        """Return True: a model that is not supported is refused with reasons when it is prepared."""
        del model, kwargs
        return cls.supports_device(device)

    @classmethod
    def prepare(
        cls,
        model: ModelProto,
        device: str = _DEVICE,
        *,
        target: str = "native",
        threads: int | None = None,
        config: ConfigLike = None,
        **kwargs: object,
    ) -> TondoModel:
        """Compile ``model``; ``target``, ``threads`` and ``config`` as in :func:`tondo.compile`.

        Raises:
            TondoError: whatever is wrong with the model or not supported, TND-U005 for another device.
        """
        _no_options(kwargs)
        if not cls.supports_device(device):
            fail("TND-U005", f"no such device: {device}", help="the backend runs on the CPU")
        return TondoModel(tondo.compile(model, target=target, threads=threads, config=config))

    @classmethod
    def run_model(
        cls, model: ModelProto, inputs: Inputs, device: str = _DEVICE, **kwargs: object
    ) -> tuple[object, ...]:
        """Compile ``model`` and run it once; options as in :meth:`prepare`."""
        return cls.prepare(model, device, **kwargs).run(inputs)  # pyright: ignore[reportArgumentType]

    @classmethod
    def run_node(
        cls,
        node: NodeProto,
        inputs: Inputs,
        device: str = _DEVICE,
        outputs_info: Sequence[tuple[np.dtype[np.generic], tuple[int, ...]]] | None = None,
        **kwargs: object,
    ) -> tuple[object, ...]:
        """Run one operator; the option ``opset_version`` (default: the newest) is that of its domain.

        ``outputs_info`` is not needed: types follow from the operator.
        """
        del outputs_info
        version = kwargs.pop("opset_version", None)
        names = [name for name in node.input if name]
        arrays = [inputs[name] for name in names] if isinstance(inputs, Mapping) else _listed(inputs)
        values = [_value_info(name, np.asarray(array)) for name, array in zip(names, arrays, strict=True)]
        results = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        graph = helper.make_graph([node], "node", values, results)
        default = 1 if node.domain else defs.onnx_opset_version()
        imports = [helper.make_opsetid(node.domain, version if isinstance(version, int) else default)]
        return cls.run_model(helper.make_model(graph, opset_imports=imports), arrays, device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Return whether ``device`` is the CPU."""
        return device.split(":", 1)[0].upper() == _DEVICE


def _listed(inputs: Inputs) -> list[object]:
    return [inputs] if isinstance(inputs, np.ndarray) else list(inputs)


def _value_info(name: str, array: np.ndarray) -> ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, kind or TensorProto.FLOAT, list(array.shape))


def _no_options(options: Mapping[str, object]) -> None:
    if options:
        fail("TND-U005", f"the backend has no option '{next(iter(options))}'")


is_compatible = TondoBackend.is_compatible
prepare = TondoBackend.prepare
run_model = TondoBackend.run_model
run_node = TondoBackend.run_node
supports_device = TondoBackend.supports_device
