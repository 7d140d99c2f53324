"""Beside the picture of a unit whose convolution reads the input stands its kernel, drawn as `filters` draws it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import onnxviz
from onnxviz.analyses.kernel_pictures import drawn_kernel, kernel_colors
from onnxviz.drawing.pictures import enlarge
from onnxviz.drawing.sheet import Sheet
from onnxviz.model.expectations.first_layer import first_layer
from onnxviz.model.tensors.linear_answers import first_convolution

QUICK = {"steps": 4, "restarts": 1}


def network(folder: Path, side: int = 96) -> Path:
    """Write two convolutions, a scale between the first one and its rectifier, and a class for each channel."""
    random = np.random.default_rng(0)
    weights = {
        "w": random.normal(size=(6, 3, 3, 3)),
        "s": np.full((1, 6, 1, 1), 2.0),
        "v": random.normal(size=(4, 6, 3, 3)),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Mul", ["conv", "s"], ["scaled"]),
        helper.make_node("Relu", ["scaled"], ["relu"]),
        helper.make_node("Conv", ["relu", "v"], ["deep"]),
        helper.make_node("Relu", ["deep"], ["deep_relu"]),
        helper.make_node("GlobalAveragePool", ["deep_relu"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "kernels",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, side, side])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    path = folder / "kernels.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    return path


def opened(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("target", ["conv[2]", "scaled[2]", "max(conv[2])", "conv[-4]"])
def test_a_unit_of_the_first_convolution_has_its_kernel(tmp_path: Path, target: str) -> None:
    model = onnxviz.load(network(tmp_path))
    found = onnxviz.maximize(model, target, output=tmp_path / "out", channels="bgr", **QUICK)
    (file,) = [one for one in found.files if Path(one).name == "kernel.png"]
    layer = first_layer(model)
    expected = onnxviz.filters(model, channels="bgr").expected
    drawn = drawn_kernel(layer, 2, kernel_colors(layer, expected))
    assert drawn.shape == (3, 3, 3)
    assert (opened(file) == enlarge(drawn, 85)).all()
    assert (found.kernel == opened(file)).all()


@pytest.mark.parametrize("target", ["deep[2]", "logits[2]", "relu[2]", "conv[:2]", "conv[1] + conv[2]", "-conv[2]"])
def test_other_targets_have_none(tmp_path: Path, target: str) -> None:
    found = onnxviz.maximize(network(tmp_path), target, output=tmp_path / "out", **QUICK)
    assert found.kernel is None
    assert not any(Path(one).name == "kernel.png" for one in found.files)
    assert not list((tmp_path / "out").rglob("kernel.png"))


def test_the_convolution_behind_a_linear_answer_is_known(tmp_path: Path) -> None:
    model = onnxviz.load(network(tmp_path))
    made = {name: first_convolution(model, name) for name in ("conv", "scaled", "relu", "deep", "image")}
    assert made == {"conv": "conv", "scaled": "conv", "relu": None, "deep": None, "image": None}


@pytest.fixture
def sheets(monkeypatch: pytest.MonkeyPatch) -> list[Sheet]:
    """The sheets that are drawn."""
    drawn: list[Sheet] = []
    draw = Sheet.draw

    def noted(sheet: Sheet) -> np.ndarray:
        drawn.append(sheet)
        return draw(sheet)

    monkeypatch.setattr(Sheet, "draw", noted)
    return drawn


def test_a_sheet_stretches_faint_pictures_alone_and_says_so(tmp_path: Path, sheets: list[Sheet]) -> None:
    model = onnxviz.load(network(tmp_path))
    found = onnxviz.maximize(model, ["conv[0]", "conv[1]", "logits[2]"], output=tmp_path / "out", **QUICK)
    (made,) = sheets
    factor = int(made.subtitle.rpartition("contrast of faint pictures x ")[2])
    assert factor >= 2
    assert [tile.beside is not None for tile in made.tiles] == [True, True, False]
    for one, tile, by in zip(found, made.tiles, (factor, factor, 1), strict=True):
        kept = opened(next(Path(file) for file in one.files if file.endswith("picture.png"))).astype(int)
        assert (kept == one.picture()).all()
        whole = np.clip((kept - 127.5) * by + 127.5, 0, 255)
        assert np.abs(tile.picture - whole).max() <= 0.5


def test_a_sheet_without_faint_pictures_says_nothing_of_contrast(tmp_path: Path, sheets: list[Sheet]) -> None:
    found = onnxviz.maximize(network(tmp_path), ["logits[1]", "logits[2]"], **QUICK)
    assert isinstance(found, list)
    found.picture()
    (made,) = sheets
    assert "contrast" not in made.subtitle
    for one, tile in zip(found, made.tiles, strict=True):
        assert (tile.picture == one.picture()).all()
        assert tile.beside is None
