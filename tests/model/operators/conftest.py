"""The oracle: a model's outputs by torch against the same by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import pytest

import onnxviz

Compare = Callable[..., None]


def assert_same(name: str, ours: np.ndarray, theirs: np.ndarray, rtol: float, atol: float) -> None:
    assert ours.shape == theirs.shape, f"{name}: shape {ours.shape}, should be {theirs.shape}"
    wide = np.complex128 if np.iscomplexobj(theirs) else np.float64
    np.testing.assert_allclose(ours.astype(wide), theirs.astype(wide), rtol=rtol, atol=atol, err_msg=name)


@pytest.fixture
def compare() -> Compare:
    """Return a function that runs a model both ways and asserts equal values and shapes."""

    def run(model: onnx.ModelProto, inputs: Mapping[str, np.ndarray], rtol: float = 1e-4, atol: float = 1e-5) -> None:
        opened = onnxviz.load(model)
        theirs = opened.session()(inputs)
        ours = opened.network()(inputs)
        for name, wanted in theirs.items():
            assert_same(name, ours[name].detach().numpy(), np.asarray(wanted), rtol, atol)

    return run
