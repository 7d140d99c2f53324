"""CDist: against ONNX Runtime and against differences, also for two equal rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.distances import cdist

A = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
B = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)


@pytest.mark.parametrize("attributes", ["", '<metric="sqeuclidean">', '<metric="euclidean">'])
def test_distances_are_those_of_onnx_runtime(attributes, compare):
    call, inputs = f"y = com.microsoft.CDist{attributes}(a, b)", {"a": A, "b": B}
    compare(written(call, inputs, 17), inputs)
    assert gradients_agree(call, inputs, 17)


def test_equal_rows_are_at_distance_zero_and_have_a_finite_gradient():
    for metric in ("euclidean", "sqeuclidean"):
        a = torch.tensor(A, requires_grad=True)
        distances = cdist(a, torch.tensor(A), metric=metric)
        assert not distances.diagonal().any()
        (gradient,) = torch.autograd.grad(distances.diagonal().sum(), a)
        assert not gradient.any()


def test_squares_are_squares():
    (square,) = outputs_of("y = com.microsoft.CDist(a, b)", {"a": A, "b": B}, 17)
    (plain,) = outputs_of('y = com.microsoft.CDist<metric="euclidean">(a, b)', {"a": A, "b": B}, 17)
    torch.testing.assert_close(square, plain**2)


def test_another_metric_is_refused():
    with pytest.raises(EvaluationError, match='metric="cosine"'):
        cdist(torch.ones(1, 1), torch.ones(1, 1), metric="cosine")
