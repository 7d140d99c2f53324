"""A model with its input at another size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.graph.resized import resized


def test_the_convolutions_take_it_and_torch_agrees(samples: Path) -> None:
    model = onnxviz.load(samples / "digits.onnx")
    larger = resized(model, "image", (1, 1, 20, 12))
    x = np.random.default_rng(0).uniform(0, 16, (1, 1, 20, 12)).astype(np.float32)
    theirs = larger.session(["conv3"])({"image": x})["conv3"]
    assert theirs.shape == (1, 32, 10, 6)
    np.testing.assert_allclose(theirs, larger.network(["conv3"])({"image": x})["conv3"].detach(), rtol=1e-4, atol=1e-4)
    assert larger.tensors["pool2"].shape == (1, 32, 10, 6)
    assert not larger.session(["conv3"]).untouched
    with pytest.raises(EvaluationError):
        larger.session(["logits"])({"image": x})


def test_the_same_size_is_the_same_model(samples: Path) -> None:
    model = onnxviz.load(samples / "photo_patches.onnx")
    name, info = next(iter(model.inputs.items()))
    assert info.shape is not None
    shape = tuple(size if isinstance(size, int) else 1 for size in info.shape)
    if info.shape == shape:
        assert resized(model, name, shape) is model
    assert resized(model, name, shape).inputs[name].shape == shape
