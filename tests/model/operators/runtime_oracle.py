"""ONNX Runtime as the oracle: a model's outputs by torch must equal its outputs by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx

import onnxviz

Compare = Callable[..., None]
"""The type of the fixture `compare`: `assert_equal_outputs` as a function."""


def assert_same(name: str, ours: np.ndarray, theirs: np.ndarray, rtol: float, atol: float) -> None:
    """Assert that an output of torch has the shape and, within tolerances, the values of the output of ONNX Runtime."""
    assert ours.shape == theirs.shape, f"{name}: shape {ours.shape}, should be {theirs.shape}"
    wide = np.complex128 if np.iscomplexobj(theirs) else np.float64
    np.testing.assert_allclose(ours.astype(wide), theirs.astype(wide), rtol=rtol, atol=atol, err_msg=name)


def assert_equal_outputs(
    model: onnx.ModelProto, inputs: Mapping[str, np.ndarray], rtol: float = 1e-4, atol: float = 1e-5
) -> None:
    """Run a model by torch and by ONNX Runtime, and assert equal shapes and values of every output."""
    opened = onnxviz.load(model)
    theirs = opened.session()(inputs)
    ours = opened.network()(inputs)
    for name, wanted in theirs.items():
        assert_same(name, ours[name].detach().numpy(), np.asarray(wanted), rtol, atol)
