"""Batch statistics made under a known range give that range back."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from onnx import numpy_helper

import onnxviz
from onnxviz.model.expectations.batch_statistics import IMAGENET_MEAN, IMAGENET_STD
from onnxviz.model.expectations.contract_reading import contract

RANGES = {
    "0 to 1": (np.zeros(3), np.ones(3)),
    "0 to 255": (np.zeros(3), np.full(3, 255.0)),
    "-1 to 1": (-np.ones(3), np.ones(3)),
    "ImageNet": (
        (0 - np.array(IMAGENET_MEAN)) / IMAGENET_STD,
        (1 - np.array(IMAGENET_MEAN)) / IMAGENET_STD,
    ),
}


def photographs() -> np.ndarray:
    from skimage import data, transform

    sources = (data.astronaut(), data.cat(), data.coffee(), data.rocket())
    return np.stack([transform.resize(one, (160, 160), anti_aliasing=True).transpose(2, 0, 1) for one in sources])


def model(mean: np.ndarray, variance: np.ndarray, kernels: np.ndarray, bias: np.ndarray) -> onnxviz.Model:
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1, 3, 160, 160] x) => (float[1, 16, 158, 158] y) {
            c = Conv(x, w, b)
            y = BatchNormalization(c, s, o, m, v)
        }"""
    )
    weights = {"w": kernels, "b": bias, "s": np.ones(16), "o": np.zeros(16), "m": mean, "v": variance}
    for name, value in weights.items():
        proto.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    return onnxviz.load(proto)


@pytest.mark.parametrize("name", RANGES)
def test_the_range_of_real_photographs_is_found(name: str) -> None:
    low, high = RANGES[name]
    generator = np.random.default_rng(0)
    kernels, bias = generator.standard_normal((16, 3, 3, 3)) * 0.3, generator.standard_normal(16) * 0.1
    pictures = low[:, None, None] + (high - low)[:, None, None] * photographs()
    patches = sliding_window_view(pictures, (3, 3), (2, 3))
    answers = np.einsum("nchwij,fcij->fnhw", patches, kernels, optimize=True).reshape(16, -1) + bias[:, None]
    found = contract(model(answers.mean(1), answers.var(1), kernels, bias), "x")
    assert np.allclose(np.broadcast_to(found.low, 3), low)
    assert np.allclose(np.broadcast_to(found.high, 3), high)
    assert "batch normalization" in found.evidence[-1]


def test_statistics_that_fit_no_range_better_than_the_next_tell_nothing() -> None:
    kernels = np.random.default_rng(0).standard_normal((16, 3, 3, 3))
    found = contract(model(np.zeros(16), np.full(16, 1e12), kernels, np.zeros(16)), "x")
    assert not any("batch normalization" in note for note in found.evidence)
