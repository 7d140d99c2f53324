"""Ranges of operators, against the values of ONNX Runtime for wide inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest

import onnxviz
from onnxviz.model.tensors.output_range import output_range

WIDE = np.concatenate([np.linspace(-40, 40, 81), [-1e4, 1e4]]).astype(np.float32)[:, None]
OPERATORS = {
    "Sigmoid (x)": (0, 1),
    "HardSigmoid (x)": (0, 1),
    "Tanh (x)": (-1, 1),
    "Erf (x)": (-1, 1),
    "Relu (x)": (0, math.inf),
    "Clip (x, zero, six)": (0, 6),
    "Clip (x, , six)": (-math.inf, 6),
    "Neg (x)": (-math.inf, math.inf),
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_nothing_lies_outside_and_finite_ends_are_reached(written, onnx_runtime, operator: str) -> None:
    graph = f"agraph (float[N, 1] x) => (float[N, 1] y) {{ a = {operator}\ny = Identity (a) }}"
    path = written(graph, zero=np.array(0, np.float32), six=np.array(6, np.float32))
    low, high, name = output_range(onnxviz.load(path), "y")
    assert (low, high) == OPERATORS[operator]
    assert name == (operator.split()[0] if (low, high) != (-math.inf, math.inf) else "")
    values = onnx_runtime(path, "y", {"x": WIDE})
    for end, met in ((low, values.min()), (high, values.max())):
        assert not math.isfinite(end) or met == pytest.approx(end, abs=1e-3)


def test_a_clip_whose_bound_is_computed_is_open_there(written) -> None:
    graph = "agraph (float[N, 1] x) => (float[N, 1] y) { top = ReduceMax <keepdims = 0> (x)\ny = Clip (x, zero, top) }"
    model = onnxviz.load(written(graph, zero=np.array(0, np.float32)))
    assert output_range(model, "y") == (0, math.inf, "Clip")


def test_a_pool_stays_within_the_range_of_what_it_pools(written) -> None:
    graph = "agraph (float[N, 2, 4, 4] x) => (float[N, 2, 1, 1] y) { a = Relu (x)\ny = GlobalAveragePool (a) }"
    assert output_range(onnxviz.load(written(graph)), "y") == (0, math.inf, "Relu")
