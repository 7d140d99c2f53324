"""A graph that holds a batch which its input leaves open: one sample fills it, and every verb answers for that sample."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxviz
from onnxviz.analyses.inputs.feed import prepare_feed
from onnxviz.analyses.inputs.forward import Forward
from onnxviz.analyses.inputs.request import DataRequest, InputRequest
from onnxviz.analyses.listener import SILENT
from onnxviz.model.model import Model

WEIGHTS = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)
SAMPLES = np.random.default_rng(1).standard_normal((5, 5)).astype(np.float32)


def model(batch: int | None, declares: bool = True, beside: bool = False) -> Model:
    """Return a linear layer whose Reshape holds a batch, or none; with another input of the same batch, if wanted."""
    first: int | str = batch if batch is not None and declares else "batch"
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Reshape", ["h", "target"], ["r"])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 5])]
    if beside:
        inputs.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 6]))
    nodes.append(helper.make_node("Add", ["r", "z"], ["y"]) if beside else helper.make_node("Identity", ["r"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "g",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [first, 6])],
        [
            numpy_helper.from_array(WEIGHTS, "w"),
            numpy_helper.from_array(np.array([-1 if batch is None else batch, 6]), "target"),
        ],
    )
    return onnxviz.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


@pytest.mark.parametrize(("batch", "declares", "shapes"), [(2, True, {}), (3, False, {"x": (3, 5)}), (None, True, {})])
def test_samples_fill_the_batch(batch: int | None, declares: bool, shapes: dict[str, tuple[int, ...]]) -> None:
    request = DataRequest(inputs=InputRequest(shapes=shapes))
    feed = prepare_feed(SILENT, model(batch, declares), request, [SAMPLES])
    found = Forward(feed, ["y"])({"x": SAMPLES})["y"]
    np.testing.assert_allclose(found, SAMPLES @ WEIGHTS, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("batch", [2, None])
def test_one_sample_of_a_batch_is_explained(batch: int | None, beside: bool) -> None:
    found = onnxviz.attribute(
        model(batch, beside=beside), {"x": SAMPLES[0]}, "y[4]", methods=["integrated-gradients"], baseline="zero"
    )
    # Of a linear layer the shares are the inputs times their weights, whatever the batch.
    shares = np.ravel(found.found[0].attribution.values[0])
    np.testing.assert_allclose(shares, SAMPLES[0] * WEIGHTS[:, 4], rtol=1e-4, atol=1e-5)
