"""The types of tensors, as far as they can be inferred without a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx
import onnx.shape_inference
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TypeProto

from onnxviz.model.graph.expansion import schema_of
from onnxviz.model.graph.schema_contract import breach
from onnxviz.model.graph.survival import survive


def infer_untrusted(proto: ModelProto) -> dict[str, TypeProto]:
    """Return the types of the tensors of an unchecked graph, by name.

    Parameters
    ----------
    proto : ModelProto
        The model. Large weights need no values.

    Raises
    ------
    ModelError
        If onnx's shape inference crashes, does not end, or takes too much memory.
    """

    def work() -> bytes:
        found = GraphProto()
        for name, kind in infer_graph(proto).items():
            found.value_info.add(name=name).type.CopyFrom(kind)
        content: bytes = found.SerializeToString()
        return content

    # A node takes 0.1 ms; the limit allows 10 ms.
    answer = survive(work, "onnx's shape inference", 20 + len(proto.graph.node) / 100)
    return {value.name: value.type for value in GraphProto.FromString(answer).value_info}


def infer_graph(proto: ModelProto) -> dict[str, TypeProto]:
    """Return the types of a graph's tensors, by name; the types that the file declares if inference fails.

    Parameters
    ----------
    proto : ModelProto
        The model. Large weights need no values.
    """
    graph = proto.graph
    types = {value.name: value.type for value in [*graph.input, *graph.value_info, *graph.output]}
    try:
        found = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    except Exception:  # inference runs on untrusted graphs and raises many types; the types in the file remain
        found = graph
    for value in [*found.value_info, *found.output]:
        if value.type.WhichOneof("value"):
            types[value.name] = value.type
    for tensor in graph.initializer:
        types.setdefault(tensor.name, onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims))
    opsets = {entry.domain: entry.version for entry in proto.opset_import}
    complete(graph.node, opsets, types)
    return types


def complete(nodes: Iterable[NodeProto], opsets: Mapping[str, int], types: dict[str, TypeProto]) -> None:
    """Add the types of outputs that inference has left open, node by node.

    Parameters
    ----------
    nodes : iterable of NodeProto
        In an order in which they can run.
    opsets : mapping of str to int
        Operator versions by domain.
    types : dict of str to TypeProto
        Types by name; changed in place.
    """
    for node in nodes:
        if all(name in types and types[name].WhichOneof("value") for name in node.output if name):
            continue
        for name, kind in infer_node(node, opsets.get(node.domain, 1), types).items():
            if not (name in types and types[name].WhichOneof("value")):
                types[name] = kind


def infer_node(
    node: NodeProto, version: int, types: Mapping[str, TypeProto], values: dict[str, TensorProto] | None = None
) -> dict[str, TypeProto]:
    """Return the types of one node's outputs, by name. Unknown types are left out.

    `values` holds the known values of inputs, by name: sizes may follow from them.

    An operator that onnx does not define (such as a fusion of ONNX Runtime) is assumed to give the element type of its
    output's zero point. Without a zero point it is assumed to give the element type of its first floating-point input.
    """
    schema = schema_of(node, version)
    given = {name: types[name] for name in node.input if name and name in types}
    if schema is not None:
        if breach(node, version) is not None:  # a node of a function body may lack an input that the caller left out
            return {}
        try:
            found: dict[str, TypeProto] = onnx.shape_inference.infer_node_outputs(schema, node, given, values)
        except Exception:  # as above: inference raises many types
            return {}
        return found
    wanted = _FLOATING
    inputs = list(node.input)
    if node.domain == "com.microsoft" and node.op_type in _ZERO_POINTS:
        place = _ZERO_POINTS[node.op_type]
        zero_point = inputs[place] if place < len(inputs) else ""
        if zero_point:
            inputs, wanted = [zero_point], _QUANTIZED
        elif node.op_type == "QuantizeLinear":
            return {node.output[0]: _tensor_type(TensorProto.UINT8)}
        elif node.op_type != "QGemm":  # without a zero point QGemm gives floats; the others give their input's type
            wanted = _QUANTIZED
    for name in inputs:
        kind = types.get(name)
        if kind is not None and kind.tensor_type.elem_type in wanted:
            return {name: _tensor_type(kind.tensor_type.elem_type) for name in node.output[:1] if name}
    return {}


def _tensor_type(element_type: int) -> TypeProto:
    kind = TypeProto()
    kind.tensor_type.elem_type = element_type
    return kind


_FLOATING = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16})
_QUANTIZED = frozenset({TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16})

_ZERO_POINTS = {
    "QGemm": 8,
    "QLinearAdd": 7,
    "QLinearAveragePool": 4,
    "QLinearConcat": 1,
    "QLinearConv": 7,
    "QLinearGlobalAveragePool": 4,
    "QLinearLeakyRelu": 4,
    "QLinearMul": 7,
    "QLinearReduceMean": 4,
    "QLinearSigmoid": 4,
    "QLinearSoftmax": 4,
    "QLinearWhere": 8,
    "QuantizeLinear": 2,
}
"""ONNX Runtime's quantized operators -> the input that is the output's zero point. Both have the same type."""
