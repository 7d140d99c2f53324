"""Sizes that a file does not declare, and targets with a small receptive field: through the whole command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from PIL import Image

import onnxviz
from onnxviz.analyses.maximization.size_and_window import seen_window
from onnxviz.formats.array_files import read_npz
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.model.expectations.contract_reading import contract
from onnxviz.target import Target

KERNELS = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
# A model for each way to declare a picture: the shape, the path to the convolution, the weights, the options.
LAYOUTS = {
    "nchw": ("1, 3, 24, 20", "c = Conv(x, w)", KERNELS, ()),
    "bgr": ("1, 3, 24, 20", "c = Conv(x, w)", KERNELS, ("--channels", "bgr")),
    "nhwc": ("1, 24, 20, 3", "t = Transpose <perm = [0, 3, 1, 2]> (x) c = Conv(t, w)", KERNELS, ("--layout", "nhwc")),
    "gray": ("1, 1, 24, 20", "c = Conv(x, w)", KERNELS[:, :1], ()),
    "nine channels": ("1, 9, 24, 20", "c = Conv(x, w)", np.tile(KERNELS, (1, 3, 1, 1)), ("--range", "-1,1")),
    "batch of two": ("2, 3, 24, 20", "c = Conv(x, w)", KERNELS, ()),
    "open size": ('"n", 3, "h", "w"', "c = Conv(x, w)", KERNELS, ("--size", "24x20")),
}


def picture_model(written, name: str) -> Path:
    shape, nodes, kernels, _ = LAYOUTS[name]
    return written(f"g (float[{shape}] x) => (float[n, 4, a, b] y) {{ {nodes} y = LeakyRelu(c) }}", w=kernels)


@pytest.mark.parametrize("parameterization", ["fourier", "pixel", "maco"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_under_every_parameterization(cli, written, tmp_path, name, parameterization) -> None:
    path = picture_model(written, name)
    words = ("maximize", path, "-t", "y[1]", "--steps", 12, "--parameterization", parameterization, *LAYOUTS[name][3])
    outcome = cli(*words, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    (run,) = outcome.document["runs"]
    assert run["ort_score"] > run["initial_ort_score"]
    folder = Path(run["files"][0]).parent
    with Image.open(folder / "picture.png") as picture:
        assert picture.size[0] < picture.size[1] or name == "nine channels"
    arrays = read_npz(folder / "arrays.npz")
    assert ("transparency" in arrays) == (parameterization == "maco")
    # The saved input gives the reported score on the untouched file.
    saved = np.repeat(arrays["input"], 2 if name == "batch of two" else 1, axis=0)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    assert session.run(["y"], {"x": saved})[0][0, 1].mean() == pytest.approx(run["ort_score"], rel=1e-4)


def test_a_fixed_size_is_relaxed_where_the_part_allows_it(cli, samples, tmp_path) -> None:
    words = ("maximize", samples / "digits.onnx", "--steps", 4, "--json")
    outcome = cli(*words, "-t", "conv3[3]", "--size", "12x16", "-o", tmp_path / "out")
    (run,) = outcome.document["runs"]
    assert run["shape"] == [1, 12, 16]
    assert "scored at 1x12x16, by ONNX Runtime on the file's graph; the file itself takes 1x8x8" in run["message"]
    assert run["ort_score"] == pytest.approx(run["score"], rel=1e-3)
    refused = cli(*words, "-t", "logits[3]", "--size", "16")
    assert refused.code == 2
    assert "the part up to logits does not take image at 1x16x16" in refused.err


def test_a_reshape_to_a_fixed_size_is_refused(cli, written) -> None:
    path = written(
        "g (float[1, 3, 8, 8] x) => (float[a, 48] y) <int64[2] s = {-1, 48}> { r = Relu(x) y = Reshape(r, s) }"
    )
    refused = cli("maximize", path, "-t", "y[3]", "--size", "16")
    assert refused.code == 2
    assert "something reshapes to a fixed size" in refused.err


@pytest.mark.parametrize("text", ["0", "8x8x8", "large", "8x"])
def test_what_is_no_size_is_refused(cli, samples, text) -> None:
    refused = cli("maximize", samples / "digits.onnx", "-t", "conv3[3]", "--size", text)
    assert refused.code == 2
    assert "--size" in refused.err


def test_a_neuron_is_rendered_in_what_it_sees(cli, samples, tmp_path) -> None:
    words = ("maximize", samples / "photo_patches.onnx", "--steps", 6, "--json", "-o", tmp_path / "out")
    outcome = cli(*words, "-t", "conv1[3, 5, 6]", "-t", "conv1[3]")
    neuron, channel = outcome.document["runs"]
    assert "conv1[3, 5, 6]: sees height 10 to 20, width 12 to 22" in outcome.err
    assert neuron["window"][1:] == [[10, 21], [12, 23]]
    assert channel["window"] is None
    array = read_npz(Path(neuron["files"][0]).parent / "arrays.npz")["input"][0]
    outside = np.ones(array.shape, bool)
    outside[:, 10:21, 12:23] = False
    assert np.ptp(array[outside]) == 0
    assert np.ptp(array[~outside]) > 0
    assert neuron["ort_score"] > neuron["initial_ort_score"]


def test_a_tensor_that_is_declared_with_fewer_axes_than_it_has_is_seen_whole() -> None:
    head = '<ir_version: 11, opset_import: ["" : 23]> g (float[2, 3, 8, 8] x, float[8] w) => (float[n, 2] y)'
    text = head + " { y = RMSNormalization(x, w) }"
    model = onnxviz.load(onnx.parser.parse_model(text))
    assert seen_window(model, Objective.of(Target("y")), "x", (2, 3, 8, 8), contract(model, "x")) is None
