"""Writes an ONNX graph by hand: every tensor bears the name that the model's author gave it.

A node has one output and is called like it; nothing is added that an exporter would add, so the file can be read in a
graph viewer from top to bottom.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
ML_OPSET = 3
IR_VERSION = 8


class Graph:
    """An ONNX graph that grows node by node.

    Parameters
    ----------
    name : str
        The graph's name, which is also the file's.
    description : str
        One sentence that says what the model computes.
    """

    def __init__(self, name: str, description: str) -> None:
        self.name = name
        self.description = description
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(
        self,
        name: str,
        shape: Sequence[int | str],
        description: str,
        *,
        denotation: str = "TENSOR",
        axes: Sequence[str] = (),
    ) -> str:
        """Declare a float32 input.

        Parameters
        ----------
        name : str
            The tensor's name.
        shape : sequence of int or str
            One entry per axis: a size, or the name of a size that the caller chooses.
        description : str
            What the values mean, with unit and range.
        denotation : str
            ONNX's type denotation: TENSOR, IMAGE, AUDIO or TEXT.
        axes : sequence of str
            ONNX's denotation of each axis, such as DATA_BATCH.

        Returns
        -------
        str
            `name`.
        """
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape, description)
        value.type.denotation = denotation
        for dimension, axis in zip(value.type.tensor_type.shape.dim, axes, strict=False):
            dimension.denotation = axis
        self._inputs.append(value)
        return name

    def output(self, name: str, shape: Sequence[int | str], element: int = TensorProto.FLOAT) -> None:
        """Declare the tensor `name` as an output of the graph; `element` is ONNX's number for its data type."""
        self._outputs.append(helper.make_tensor_value_info(name, element, shape))

    def weight(self, name: str, values: Any) -> str:
        """Store `values` as the float32 initializer `name` and return the name."""
        array = np.ascontiguousarray(np.asarray(values, dtype=np.float32))
        self._weights.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        """Add one node with one output and return that output's name."""
        return self.nodes(operator, inputs, [output], domain=domain, **attributes)[0]

    def nodes(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], *, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add one node with several outputs, named after the first one, and return their names."""
        self._nodes.append(
            helper.make_node(operator, list(inputs), list(outputs), name=outputs[0], domain=domain, **attributes)
        )
        return list(outputs)

    def convolution(self, source: str, output: str, kernel: Any, bias: Any, **attributes: Any) -> str:
        """Add a Conv whose weights are called `<output>.weight` and `<output>.bias`."""
        array = np.asarray(kernel)
        names = [source, self.weight(f"{output}.weight", array), self.weight(f"{output}.bias", bias)]
        return self.node("Conv", names, output, kernel_shape=array.shape[2:], **attributes)

    def linear(self, source: str, output: str, weight: Any, bias: Any) -> str:
        """Add a Gemm with torch's weight layout, (units, features), and the names `<output>.weight` and `.bias`."""
        names = [source, self.weight(f"{output}.weight", weight), self.weight(f"{output}.bias", bias)]
        return self.node("Gemm", names, output, transB=1)

    def model(self) -> onnx.ModelProto:
        """Return the graph as a model.

        Raises
        ------
        onnx.checker.ValidationError, onnx.shape_inference.InferenceError
            If it is not a valid ONNX model.
        """
        graph = helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, self._weights, doc_string=self.description
        )
        opsets = [helper.make_operatorsetid("", OPSET)]
        opsets += [helper.make_operatorsetid(d, ML_OPSET) for d in sorted({n.domain for n in self._nodes} - {""})]
        model = helper.make_model(graph, producer_name="onnxviz", opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model


def write(model: onnx.ModelProto, folder: Path, metadata: Mapping[str, Any]) -> Path:
    """Write the model to `<folder>/<the graph's name>.onnx`; the same model and metadata always give the same bytes.

    Parameters
    ----------
    model : onnx.ModelProto
        Its metadata is replaced.
    folder : Path
        An existing folder.
    metadata : mapping of str to anything
        The model's metadata properties; what is not text is written as JSON.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    onnx.checker.ValidationError, onnx.shape_inference.InferenceError
        If it is not a valid ONNX model.
    """
    helper.set_model_props(
        model, {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    )
    onnx.checker.check_model(model, full_check=True)
    path = folder / f"{model.graph.name}.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path
