"""Values of attributes that are kept between the runs of a node."""

from __future__ import annotations

import numpy as np
import torch

from onnxviz.model.operators.classical.attributes import array, constant, remembered


def test_a_value_is_built_once_for_the_same_objects():
    calls: list[tuple[float, ...]] = []

    @remembered
    def total(values: tuple[float, ...], factor: int) -> float:
        calls.append(values)
        return factor * sum(values)

    first, equal = tuple(map(float, "12")), tuple(map(float, "12"))
    assert [total(first, 2), total(first, 2), total(first, 3), total(equal, 2)] == [6.0, 6.0, 9.0, 6.0]
    assert len(calls) == 3


def test_what_is_no_longer_asked_for_is_forgotten():
    calls: list[int] = []

    @remembered
    def build(number: int) -> int:
        calls.append(number)
        return number

    for number in range(1000):
        build(number)
    build(0)
    assert calls.count(0) == 2


def test_a_constant_made_in_inference_mode_can_take_part_in_a_backward_pass():
    values = (1.0, 2.0)
    with torch.inference_mode():
        constant(values, torch.float32, torch.device("cpu"))
    x = torch.ones(2, requires_grad=True)
    (slope,) = torch.autograd.grad((x * constant(values, torch.float32, torch.device("cpu"))).sum(), x)
    assert slope.tolist() == [1.0, 2.0]


def test_a_tensor_stands_in_for_a_list():
    assert array((), torch.tensor([[1.5], [2.5]], dtype=torch.float64)).tolist() == [1.5, 2.5]
    assert array((1, 2), None).dtype == np.int64
    assert array((1.0, 2.0), torch.zeros(0)).tolist() == [1.0, 2.0]
