"""Exact sums: the chosen type holds the largest possible sum, and a wider type is not chosen too early."""

from __future__ import annotations

import pytest
import torch
from onnx import TensorProto

from onnxviz.model.operators.numbers.exact_sums import centered, exact_type

T = TensorProto


@pytest.mark.parametrize("terms", [1, 9, 258, 259, 4608])
def test_the_largest_sum_is_exact(terms):
    dtype = exact_type(terms, T.UINT8, T.UINT8)
    left = torch.full((1, terms), 255, dtype=torch.uint8)
    product = torch.matmul(centered(left, None, dtype), centered(left.mT, None, dtype))
    assert product.item() == 255 * 255 * terms


def test_unknown_types_are_taken_for_wide_ones():
    assert exact_type(1, 0, T.UINT8) == torch.float64
    assert exact_type(1, T.FLOAT, T.UINT8) == torch.float64
    assert exact_type(258, T.UINT8, T.INT8) == torch.float32
    assert exact_type(259, T.UINT8, T.INT8) == torch.float64
    assert exact_type(1, T.INT16, T.INT16) == torch.float64


def test_a_zero_point_leaves_the_range_of_eight_bits_without_wrapping():
    values = torch.tensor([0, 255], dtype=torch.uint8)
    assert centered(values, torch.tensor(255, dtype=torch.uint8), torch.float32).tolist() == [-255.0, 0.0]
