"""`maximize` with inputs and outputs of unusual shape: volumes, series, single numbers, several rows of a sample, and large ones."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import onnx.utils
import pytest
from maximizing import aim, saved
from PIL import Image


def test_an_array_of_many_axes_is_written(cli, written, tmp_path) -> None:
    path = written("agraph (float[N, 2, 3, 2, 3, 2] x) => (float[N, 2, 3, 2, 3, 2] y) { y = Neg(x) }")
    (row,) = aim(cli, path, "-t", "y", "-o", tmp_path / "out", steps=2)
    assert row["shape"] == [2, 3, 2, 3, 2]
    assert saved(tmp_path / "out", "y").shape == (1, 2, 3, 2, 3, 2)


def test_an_input_of_a_single_number_is_climbed(cli, written) -> None:
    path = written("agraph (float[N, 1] x) => (float[N, 1] y) { y = Neg(x) }")
    (row,) = aim(cli, path, "-t", "y[0]", "--bounds", "-1,1")
    assert row["ort_score"] == pytest.approx(1, abs=0.05)


def test_a_volume_moves_as_a_spectrum_and_is_drawn_slice_by_slice(cli, tmp_path) -> None:
    kernels = np.zeros((2, 1, 3, 3, 3), np.float32)
    kernels[0, 0, :, 1, 1] = [-1, 2, -1]
    weights = ", ".join(map(str, kernels.ravel().tolist()))
    text = f"""<ir_version: 8, opset_import: ["" : 17]> g (float[N, 1, 9, 9, 9] x) => (float[N, 2, 7, 7, 7] y)
    <float[2, 1, 3, 3, 3] w = {{{weights}}}> {{ c = Conv(x, w) y = Relu(c) }}"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "volume.onnx")
    outcome = cli("maximize", tmp_path / "volume.onnx", "-t", "y[0]", "--restarts", 2, "-o", tmp_path / "o", "--json")
    assert outcome.code == 0, outcome.err
    (row,) = outcome.document["runs"]
    assert "spectrum" in row["units"]
    # Two channels are too few to tell whether two textures are alike to the network, and place by place they differ.
    assert row["verdict"]["word"] == "several"
    with Image.open(tmp_path / "o" / "y[0]" / "picture.png") as picture:
        assert min(picture.size) > 400  # nine slices with captions


def test_an_output_without_a_batch_can_be_driven(cli, tmp_path) -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[N, 6] x) => (float y)
    { y = ReduceMean<keepdims = 0>(x) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "scalar.onnx")
    outcome = cli("maximize", tmp_path / "scalar.onnx", "-t", "y", "--bounds", "-1,3", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.document["runs"][0]["ort_score"] == pytest.approx(3, rel=1e-3)


def test_what_holds_very_many_numbers_is_searched_in_fewer_steps(cli, samples, monkeypatch) -> None:
    words = ("maximize", samples / "digits.onnx", "-t", "conv1[3]", "--json")
    assert cli(*words).document["runs"][0]["steps"] > 64
    monkeypatch.setattr("onnxviz.analyses.maximization.effort.VAST", 1000)
    fewer = cli(*words)
    assert fewer.document["runs"][0]["steps"] <= 64
    assert "numbers up to the target): 64 steps (change with --steps)" in fewer.err
    asked = cli(*words, "--steps", 3)
    assert asked.document["runs"][0]["steps"] == 3
    assert "numbers up to the target" not in asked.err


BOXES = """<ir_version: 8, opset_import: ["" : 17]>
agraph (float[N, 3] x) => (float[M, 2] boxes) <int64[2] s = {-1, 1}> { column = Reshape(x, s)
boxes = MatMul(column, w) }"""


def test_rows_of_one_sample_are_averaged_and_told(cli, tmp_path, onnx_runtime) -> None:
    proto = onnx.parser.parse_model(BOXES)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([[1, -2]], np.float32), "w"))
    onnx.save(proto, tmp_path / "boxes.onnx")
    words = ["-t", "boxes[1]", "--range", "-1,1", "--steps", 60, "-o", tmp_path / "out", "--json"]
    outcome = cli("maximize", tmp_path / "boxes.onnx", *words)
    (row,) = outcome.document["runs"]
    assert "3 rows of boxes" in row["message"]
    answer = onnx_runtime(tmp_path / "boxes.onnx", "boxes", {"x": saved(tmp_path / "out", "boxes[1]")})
    assert row["ort_score"] == pytest.approx(float(answer[:, 1].mean()), rel=1e-5)
    assert row["ort_score"] == pytest.approx(2, abs=0.05)
    assert row["score"] == pytest.approx(row["ort_score"], rel=1e-5)


def test_a_large_input_without_neighbors_is_searched_from_one_start(cli, tmp_path) -> None:
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> agraph (float[N, 5000] x) => (float[N, 5000] y) { y = Neg(x) }'
    )
    onnx.save(proto, tmp_path / "large.onnx")
    outcome = cli("maximize", tmp_path / "large.onnx", "-t", "y[3]", "--json")
    (row,) = outcome.document["runs"]
    assert row["restarts"] == 1
    assert row["steps"] <= 64
    assert "5000 numbers" in outcome.err
    (asked,) = cli("maximize", tmp_path / "large.onnx", "-t", "y[3]", "--restarts", 2, "--json").document["runs"]
    assert asked["restarts"] == 2


SERIES = """agraph (float[5, 1, 2] x) => (float[5, 1, 1, 1] y)
<float[1, 4, 2] w = {0.9, -0.4, 0.3, 0.8, -0.2, 0.5, 0.7, 0.6}, float[1, 4, 1] r = {0.3, 0.1, -0.5, 0.4}>
{ y, h, c = LSTM<hidden_size = 1>(x, w, r) }"""


def test_a_series_without_a_batch_moves_whole(cli, written, tmp_path, onnx_runtime) -> None:
    path = written(SERIES)
    outcome = cli("maximize", path, "-t", "y", "--range", "-1,1", "-o", tmp_path / "out", "--json")
    (row,) = outcome.document["runs"]
    assert "LSTM steps along its first axis" in outcome.err
    found = saved(tmp_path / "out", "y")
    assert found.shape == (5, 1, 2)
    assert row["ort_score"] == pytest.approx(float(onnx_runtime(path, "y", {"x": found}).mean()), rel=1e-5)
    assert row["score"] == pytest.approx(row["ort_score"], rel=1e-4)
    # Five copies of the best single step are one possible result.
    steps = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 2), -1).reshape(-1, 1, 1, 2).astype(np.float32)
    copied = [float(onnx_runtime(path, "y", {"x": step.repeat(5, 0)}).mean()) for step in steps]
    assert row["ort_score"] >= max(copied) - 1e-3


def test_a_single_number_without_a_batch_rises_inside_its_ball(cli, written, tmp_path) -> None:
    path = written("agraph (float[1] x) => (float[1] y) { y = Neg(x) }")
    (row,) = cli("maximize", path, "-t", "y", "-o", tmp_path / "out", "--json").document["runs"]
    assert row["ort_score"] == pytest.approx(1, abs=1e-3)
    assert saved(tmp_path / "out", "y").shape == (1,)
    refused = cli("maximize", path, "-t", "y - 0.1*l2(input)")
    assert refused.code == 2
    assert "has no batch" in refused.err
