"""The view of a tensor with its samples first, against numpy."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
import torch
from onnx import numpy_helper

import onnxviz
from onnxviz.model.tensors.sample_view import SampleView, placed, sample_view
from onnxviz.target import Target

STEPS = """<ir_version: 8, opset_import: ["" : 17]> g (float[%s, 5] x) => (float[A, B, C] s)
    { y, h, c = LSTM<hidden_size = 2>(x, w, r) one = Constant<value_ints = [1]>() s = Squeeze(y, one) }"""


def steps(sizes: str):
    model = onnx.parser.parse_model(STEPS % sizes)
    for name, size in (("w", 5), ("r", 2)):
        model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 8, size), np.float32), name))
    return onnxviz.load(model)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_samples_come_first_and_steps_last(kind) -> None:
    array = np.arange(4 * 3 * 2).reshape(4, 3, 2)
    found = np.asarray(SampleView(1, False, True)(kind(array)))
    assert found.shape == (3, 1, 2, 4)
    for sample in range(3):
        assert np.array_equal(found[sample, 0], array[:, sample].T)
    whole = np.asarray(SampleView(1, True, True)(kind(array)))
    assert np.array_equal(whole, array.transpose(1, 2, 0)[None])
    assert np.array_equal(np.asarray(SampleView(None, True)(kind(array))), array[None])
    assert SampleView()(array) is array


@pytest.mark.parametrize(
    "view", [SampleView(), SampleView(1, False, True), SampleView(1, True, True), SampleView(None, True)]
)
def test_the_sizes_are_those_of_the_values(view: SampleView) -> None:
    array = np.zeros((4, 1, 2))
    assert view(array).shape[1:] == view.sizes(array.shape)


def test_steps_first_are_one_sample() -> None:
    model = steps("7, 1")
    view = sample_view(model, "s")
    assert (view.batch, view.single, view.stepped) == (1, True, True)
    assert view.sizes((7, 1, 2)) == (1, 2, 7)
    assert sample_view(model, "h").sizes((1, 1, 2)) == (1, 2, 1)


def test_a_target_keeps_the_order_of_the_file_after_the_first_axis() -> None:
    model = steps("7, 1")
    assert str(placed(model, Target.parse("s[0, 1]"))) == "s[0, 1]"
    assert str(placed(model, Target.parse("s[..., 1]"))) == "s[:, 1]"
    assert str(placed(model, Target.parse("s[*]"))) == "s[:, *]"
    assert str(placed(model, Target.parse("s"))) == "s"
    values = np.random.default_rng(0).normal(size=(7, 1, 2))
    picked = placed(model, Target.parse("s[..., 1]")).select(sample_view(model, "s")(values))
    assert picked == pytest.approx(values[:, 0, 1].mean())


def test_a_usual_tensor_is_left_as_it_is(samples) -> None:
    model = onnxviz.load(samples / "photo_patches.onnx")
    assert all(sample_view(model, name).plain for name in model.tensors)
    assert placed(model, Target.parse("relu1[*]")) == Target.parse("relu1[*]")
