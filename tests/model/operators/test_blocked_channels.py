"""The operators on blocks of channels: files that ONNX Runtime's own optimizer saved, tensor by tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.helper as oh
import onnxruntime
import pytest
import torch
from onnx import NodeProto, TensorProto

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.operators import blocked_channels
from onnxviz.model.operators.blocked_channels import DOMAIN, block, blocked_conv, reorder_input, reorder_output

RANDOM = np.random.default_rng(0)


def written(
    nodes: list[NodeProto], weights: dict[str, tuple[int, ...]], file: Path
) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Return a model, and what ONNX Runtime saves of it once it is optimized."""
    initializers = [
        onnx.numpy_helper.from_array((0.3 * RANDOM.standard_normal(shape)).astype(np.float32), name)
        for name, shape in weights.items()
    ]
    graph = oh.make_graph(
        nodes,
        "g",
        [oh.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 12, 10])],
        [oh.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializers,
    )
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(file)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return model, onnx.load(file)


node = oh.make_node
STEM = [node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1])]
STEM_WEIGHTS = {"w": (32, 3, 3, 3), "b": (32,)}
CASES: dict[str, tuple[list[NodeProto], dict[str, tuple[int, ...]]]] = {
    "activated": ([*STEM, node("Relu", ["c"], ["y"])], STEM_WEIGHTS),
    "filled block": ([node("Conv", ["x", "v"], ["y"], strides=[2, 1])], {"v": (20, 3, 3, 3)}),
    "two": ([*STEM, node("Conv", ["c", "v"], ["y"], dilations=[2, 1])], {**STEM_WEIGHTS, "v": (24, 32, 3, 3)}),
    "each its own": (
        [*STEM, node("Conv", ["c", "v"], ["y"], group=32, pads=[1, 0, 0, 1])],
        {**STEM_WEIGHTS, "v": (32, 1, 3, 3)},
    ),
    "groups": ([*STEM, node("Conv", ["c", "v"], ["y"], group=2)], {**STEM_WEIGHTS, "v": (32, 16, 1, 1)}),
    "sum": (
        [
            *STEM,
            node("Conv", ["c", "v"], ["d"]),
            node("Add", ["d", "c"], ["s"]),
            node("Relu", ["s"], ["y"]),
        ],
        {**STEM_WEIGHTS, "v": (32, 32, 1, 1)},
    ),
    "pools": (
        [
            *STEM,
            node("MaxPool", ["c"], ["m"], kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 0]),
            node("AveragePool", ["m"], ["y"], kernel_shape=[2, 3], pads=[0, 1, 0, 1], count_include_pad=1),
        ],
        STEM_WEIGHTS,
    ),
    "means": ([*STEM, node("GlobalAveragePool", ["c"], ["y"])], STEM_WEIGHTS),
    "maxima": ([*STEM, node("GlobalMaxPool", ["c"], ["y"])], STEM_WEIGHTS),
    "enlarged": (
        [
            *STEM,
            node("Constant", [], ["k"], value_floats=[1.0, 1.0, 2.0, 3.0]),
            node(
                "Resize",
                ["c", "", "k"],
                ["y"],
                mode="nearest",
                nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            ),
        ],
        STEM_WEIGHTS,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_tensor_of_an_optimized_file_is_that_of_onnx_runtime(case: str, tmp_path: Path) -> None:
    file = tmp_path / "optimized.onnx"
    plain, saved = written(*CASES[case], file)
    model = onnxviz.load(file)
    x = RANDOM.standard_normal((2, 3, 12, 10)).astype(np.float32)
    made = [name for one in saved.graph.node for name in one.output if name]
    got, want = model.network(made)({"x": x}), model.session(made)({"x": x})
    for name in made:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-4, atol=1e-5, err_msg=name)
    leaf = torch.tensor(x, requires_grad=True)
    gradients = [
        torch.autograd.grad(one.network(["y"])({"x": leaf})["y"].square().sum(), leaf)[0]
        for one in (model, onnxviz.load(plain))
    ]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-3)


def test_the_optimizer_leaves_such_operators_where_it_has_them(tmp_path: Path) -> None:
    _, saved = written(*CASES["sum"], tmp_path / "optimized.onnx")
    found = {one.op_type for one in saved.graph.node if one.domain == DOMAIN}
    assert found in ({"Conv", "ReorderOutput"}, set())


@pytest.fixture
def blocks_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocked_channels, "block", lambda: 4)


@pytest.mark.usefixtures("blocks_of_four")
@pytest.mark.parametrize("last", [0, 1])
def test_channels_are_put_into_blocks_and_back(last: int) -> None:
    x = torch.arange(2 * 6 * 3 * 5.0).reshape(2, 6, 3, 5)
    given = x.movedim(1, -1) if last else x
    blocked = reorder_input(given, channels_last=last)
    assert blocked.shape == (2, 8, 3, 5)
    # The first four numbers in memory are the first four channels of one pixel.
    assert torch.equal(blocked.reshape(2, -1)[:, :4], x[:, :4, 0, 0])
    assert torch.equal(reorder_output(blocked, channels=6, channels_last=last), given)


@pytest.mark.usefixtures("blocks_of_four")
def test_other_blocks_than_the_machine_s_are_refused() -> None:
    with pytest.raises(EvaluationError, match="does not consist of blocks of 4 channels"):
        reorder_output(torch.ones(1, 6, 2, 2), channels=6)
    with pytest.raises(EvaluationError, match="does not consist of blocks of 4, as ONNX Runtime has them"):
        blocked_conv(torch.ones(1, 3, 2, 2), torch.ones(6, 3, 1, 1))


def test_a_machine_without_blocks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    block.cache_clear()
    with pytest.raises(EvaluationError, match="no operators on blocks of channels on this machine"):
        block()
