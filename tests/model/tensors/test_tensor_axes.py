"""The meaning of a tensor's axes, from the operator that made it."""

from __future__ import annotations

import numpy as np
import pytest

import onnxviz
from onnxviz.model.tensors.tensor_axes import tensor_axes

PICTURE = ("channel", "height", "width")


@pytest.mark.parametrize(
    ("name", "tensor", "rank", "axes"),
    [
        ("photo_patches", "relu2", 3, PICTURE),
        ("photo_patches", "image", 3, PICTURE),
        ("photo_patches", "logits", 1, ("unit",)),
        ("tones", "relu1", 2, ("channel", "time")),
        ("tones", "waveform", 2, ("channel", "time")),
        ("forest", "label", 0, ()),
        ("wine", "relu1", 1, ("unit",)),
    ],
)
def test_axes_of_the_sample_models(samples, name, tensor, rank, axes) -> None:
    assert tensor_axes(onnxviz.load(samples / f"{name}.onnx"), tensor, rank) == axes


def test_transposed_convolutions_count_channels_last(written) -> None:
    path = written(
        "agraph (float[N, 3, 8, 8] x) => (float[N, 8, 8, 4] z, float[N, 64, 4] r, float[N, 64, 5] y)"
        "{ c = Conv<pads = [1, 1, 1, 1]>(x, w)  t = Transpose<perm = [0, 2, 3, 1]>(c)  z = Relu(t)"
        "  r = Reshape(z, s)  y = MatMul(r, m) }",
        w=np.zeros((4, 3, 3, 3), np.float32),
        s=np.array([0, 64, 4]),
        m=np.zeros((4, 5), np.float32),
    )
    model = onnxviz.load(path)
    assert tensor_axes(model, "c", 3) == PICTURE
    assert tensor_axes(model, "z", 3) == ("height", "width", "channel")
    assert tensor_axes(model, "r", 2) == ("step", "feature")
    assert tensor_axes(model, "y", 2) == ("step", "feature")


def test_a_rank_that_the_file_does_not_have_is_numbered(samples) -> None:
    model = onnxviz.load(samples / "photo_patches.onnx")
    assert tensor_axes(model, "relu2", 4) == ("axis1", "axis2", "axis3", "axis4")
