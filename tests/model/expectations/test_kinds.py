"""Clips, point clouds and one-hot letters: told from other inputs by operators, names and metadata, or by the user."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxviz
from onnxviz.analyses.inputs.kinds import with_kind
from onnxviz.analyses.inputs.request import InputRequest
from onnxviz.errors import UsageError
from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.model import Model


def model(
    name: str,
    shape: list[int | str | None],
    *nodes: onnx.NodeProto,
    metadata: dict[str, str] | None = None,
    **weights: np.ndarray,
) -> Model:
    """Return a model of one input of this name."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, key) for key, value in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(proto, metadata or {})
    return onnxviz.load(proto)


def node(operator: str, inputs: str, outputs: str = "y", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def numbers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("channels", "kind", "layout"), [(3, "clip", "NCTHW"), (1, "volume", "NCDHW"), (4, "volume", "NCDHW")]
)
def test_three_colors_before_a_convolution_along_three_axes_are_a_clip(channels: int, kind: str, layout: str) -> None:
    found = contract(model("x", ["N", channels, 8, 16, 16], node("Conv", "x w"), w=weights(2, channels, 3, 3, 3)), "x")
    assert (found.kind, found.layout) == (kind, layout)
    assert found.color == ("rgb" if kind == "clip" else None)


@pytest.mark.parametrize("batch", [1, "N"])
def test_frames_folded_into_the_batch_of_a_convolution_are_a_clip(batch: int | str) -> None:
    reshape = node("Reshape", "x s", "f")
    made = model(
        "x", [batch, 8, 3, 16, 16], reshape, node("Conv", "f w"), s=numbers(-1, 3, 16, 16), w=weights(2, 3, 3, 3)
    )
    found = contract(made, "x")
    assert (found.kind, found.layout, found.color, found.whole) == ("clip", "NTCHW", "rgb", "")


def test_channels_last_clips_are_read_behind_a_transpose() -> None:
    turn = node("Transpose", "x", "t", perm=[0, 4, 1, 2, 3])
    found = contract(model("x", ["N", 8, 16, 16, 3], turn, node("Conv", "t w"), w=weights(2, 3, 3, 3, 3)), "x")
    assert (found.kind, found.axes) == ("clip", ("time", "height", "width", "channel"))


SHARED = (node("Conv", "x w", "h"), node("Relu", "h", "r"))
POOL = node("ReduceMax", "r", "y", axes=[2], keepdims=0)


def test_points_that_are_read_alike_and_pooled_are_a_cloud() -> None:
    found = contract(model("x", ["N", 3, 128], *SHARED, POOL, w=weights(8, 3, 1)), "x")
    assert (found.kind, found.axes, found.bounded) == ("points", ("coordinate", "point"), False)
    dense = (node("MatMul", "x w", "h"), node("Relu", "h", "r"), node("ReduceMean", "r", "y", axes=[1], keepdims=0))
    assert contract(model("x", ["N", "P", 6], *dense, w=weights(6, 8)), "x").axes == ("point", "coordinate")


def test_points_behind_a_learned_rotation_are_a_cloud() -> None:
    rotation = (
        *SHARED,
        node("ReduceMax", "r", "p", axes=[2], keepdims=0),
        node("Gemm", "p m", "q"),
        node("Reshape", "q s", "t"),
        node("Transpose", "x", "xt", perm=[0, 2, 1]),
        node("MatMul", "xt t", "turned"),
        node("ReduceMax", "turned", "y", axes=[1]),
    )
    made = model("x", ["N", 3, 64], *rotation, w=weights(8, 3, 1), m=weights(8, 9), s=numbers(-1, 3, 3))
    assert contract(made, "x").kind == "points"


@pytest.mark.parametrize(
    ("nodes", "width"),
    [
        ((*SHARED, POOL), 3),
        ((*SHARED, node("Flatten", "r", "y")), 1),
        ((*SHARED, node("Slice", "r a b c", "s"), node("ReduceMax", "s", "y", axes=[2])), 1),
        ((*SHARED, node("CumSum", "r two", "s"), node("ReduceMax", "s", "y", axes=[2])), 1),
        ((*SHARED, node("Identity", "r", "y")), 1),
        ((node("ReduceMax", "x", "y", axes=[2]),), 1),
    ],
)
def test_a_graph_whose_answer_depends_on_the_order_reads_no_cloud(
    nodes: tuple[onnx.NodeProto, ...], width: int
) -> None:
    slices = {"a": numbers(0), "b": numbers(4), "c": numbers(2), "two": np.array(2, np.int64)}
    assert contract(model("x", ["N", 3, 128], *nodes, w=weights(8, 3, width), **slices), "x").kind != "points"


def test_a_name_tells_a_cloud_that_the_operators_do_not() -> None:
    nodes = (*SHARED, node("Flatten", "r", "y"))
    made = model("point_cloud", ["N", 3, 128], node("Identity", "point_cloud", "x"), *nodes, w=weights(8, 3, 1))
    assert contract(made, "point_cloud").kind == "points"


SCAN = (node("Conv", "x w", "h"), node("GlobalMaxPool", "h"))


@pytest.mark.parametrize(
    ("name", "width", "metadata", "kind"),
    [
        ("dna", 3, {}, "letters"),
        ("one_hot", 3, {}, "letters"),
        ("inputSequence", 3, {}, "letters"),
        ("x", 8, {}, "letters"),
        ("x", 3, {}, "signal"),
        ("x", 3, {"letters": "TGCA"}, "letters"),
        ("eeg", 8, {}, "signal"),
        ("sensor_sequence", 8, {}, "signal"),
        ("x", 8, {"sample_rate": "250"}, "signal"),
    ],
)
def test_four_channels_are_letters_where_something_tells(
    name: str, width: int, metadata: dict[str, str], kind: str
) -> None:
    nodes = (node("Identity", name, "x"), *SCAN) if name != "x" else SCAN
    found = contract(model(name, ["N", 4, 50], *nodes, w=weights(6, 4, width), metadata=metadata), name)
    assert found.kind == kind
    assert found.letters == (metadata.get("letters", "ACGT") if kind == "letters" else "")
    if kind == "letters":
        assert (found.low, found.high, found.axes) == ((0.0,), (1.0,), ("letter", "position"))


def test_a_doubt_is_told_with_its_remedy() -> None:
    found = contract(model("x", ["N", 4, 50], *SCAN, w=weights(6, 4, 3)), "x")
    assert any("`kind` letters" in note for note in found.evidence)


def test_a_scaled_input_of_four_channels_is_a_signal() -> None:
    scaled = (node("Mul", "signal k", "x"), *SCAN)
    assert contract(model("signal", ["N", 4, 50], *scaled, w=weights(6, 4, 8), k=weights(1)), "signal").kind == "signal"


@pytest.mark.parametrize(
    ("name", "count", "letters"),
    [("rna", 4, "ACGU"), ("protein", 20, "ACDEFGHIKLMNPQRSTVWY"), ("protein", 21, "ACDEFGHIKLMNPQRSTVWYX")],
)
def test_the_letters_follow_from_their_number_and_from_words(name: str, count: int, letters: str) -> None:
    turn = (node("Transpose", name, "x", perm=[0, 2, 1]), *SCAN)
    found = contract(model(name, ["N", 90, count], *turn, w=weights(6, count, 5)), name)
    assert (found.letters, found.axes) == (letters, ("position", "letter"))


def test_letters_of_four_axes_leave_out_the_axis_of_size_1() -> None:
    found = contract(model("dna", ["N", 4, 1, 60], node("Conv", "dna w"), w=weights(6, 4, 1, 8)), "dna")
    assert (found.kind, found.axes, found.spare) == ("letters", ("letter", "position"), (2,))
    sample = weights(2, 4, 60)
    assert np.array_equal(found.sampled(found.fed(sample)), sample)


def test_the_user_tells_the_kind_and_the_letters() -> None:
    made = model("eeg", ["N", 4, 50], node("Identity", "eeg", "x"), *SCAN, w=weights(6, 4, 8))
    told = with_kind(made, InputRequest(letters="tgca"))
    assert (contract(told, "eeg").kind, contract(told, "eeg").letters) == ("letters", "TGCA")
    assert contract(made, "eeg").kind == "signal"
    assert contract(with_kind(told, InputRequest(kind="sequence")), "eeg").axes == ("time", "feature")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (InputRequest(kind="clip"), "`kind` clip: x is Nx4x50; after the batch this kind has frames"),
        (InputRequest(kind="video"), "`kind` video: give one of image, clip"),
        (InputRequest(letters="ACG"), r"3 letters \(ACG\)"),
        (InputRequest(letters="AACG"), "each letter of one-hot codes once"),
        (InputRequest(kind="letters", held={"x": 0.5}), "every input of .* is held"),
    ],
)
def test_a_kind_that_does_not_fit_is_refused(request_: InputRequest, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        with_kind(model("x", ["N", 4, 50], *SCAN, w=weights(6, 4, 8)), request_)


def test_metadata_tells_the_kind() -> None:
    made = model("x", ["N", 4, 50], *SCAN, w=weights(6, 4, 8), metadata={"input_kind": "signal"})
    assert contract(made, "x").kind == "signal"
