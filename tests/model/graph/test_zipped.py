"""A classifier whose probabilities are an output of maps."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

import onnxviz
from onnxviz.model.graph.zipped import unzipped, zipped_labels
from onnxviz.target import Target


def zipped(**labels: list) -> onnxviz.Model:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])
    key = onnx.TypeProto()
    key.map_type.key_type = TensorProto.STRING if "classlabels_strings" in labels else TensorProto.INT64
    key.map_type.value_type.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    y = helper.make_value_info("y", helper.make_sequence_type_proto(key))
    nodes = [
        helper.make_node("Softmax", ["x"], ["p"]),
        helper.make_node("ZipMap", ["p"], ["y"], domain="ai.onnx.ml", **labels),
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    return onnxviz.load(helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=opsets, ir_version=8))


@pytest.mark.parametrize("labels", [{"classlabels_strings": ["a", "b"]}, {"classlabels_int64s": [4, 7]}], ids=str)
def test_the_tensor_before_a_map_is_aimed_at_and_has_its_labels(labels: dict[str, list]) -> None:
    model = zipped(**labels)
    assert unzipped(model, Target("y", (1,))) == Target("p", (1,))
    assert unzipped(model, Target("p", (1,))) is None
    assert zipped_labels(model, "p") == tuple(map(str, *labels.values()))
    assert zipped_labels(model, "x") == ()
