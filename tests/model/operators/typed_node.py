"""Models of one node whose tensors may have any ONNX element type: quantized weights, unsigned integers, narrow floats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper


@dataclass(frozen=True)
class Constant:
    """An initializer of an element type that numpy does not have."""

    element_type: int
    values: Any

    def tensor(self, name: str) -> onnx.TensorProto:
        array = np.asarray(self.values)
        return helper.make_tensor(name, self.element_type, array.shape, array.reshape(-1).tolist())


Inputs = Mapping[str, "np.ndarray | np.generic | Constant | None"]


def fed(inputs: Inputs, constants: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Return the inputs that are given when the model runs."""
    held = set(constants)
    return {
        k: np.asarray(v) for k, v in inputs.items() if v is not None and not isinstance(v, Constant) and k not in held
    }


def typed_node(
    operator: str,
    inputs: Inputs,
    *,
    domain: str = "",
    opset: int = 21,
    constants: Iterable[str] = (),
    outputs: Sequence[str] = ("y",),
    **attributes: Any,
) -> onnx.ModelProto:
    """Return a model of one node; an input of None is left out."""
    held = set(constants)
    names = [name if value is not None else "" for name, value in inputs.items()]
    node = helper.make_node(operator, names, list(outputs), domain=domain, **attributes)
    return model_of([node], inputs, held, list(outputs), opset)


def model_of(
    nodes: Sequence[onnx.NodeProto], inputs: Inputs, constants: Iterable[str], outputs: Sequence[str], opset: int
) -> onnx.ModelProto:
    """Return a model of several nodes; the types of its outputs are left open."""
    held = set(constants)
    declared, initializers = [], []
    for name, value in inputs.items():
        if isinstance(value, Constant):
            initializers.append(value.tensor(name))
        elif value is not None and name in held:
            initializers.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        elif value is not None:
            array = np.asarray(value)
            declared.append(
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            )
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph(nodes, "typed", declared, results, initializers)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10 if opset < 24 else 13)


def element_type(name: str) -> int:
    """Return an element type by its name."""
    return int(TensorProto.DataType.Value(name))
