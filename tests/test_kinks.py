"""Gradients exactly at a kink, for every version of torch: both bounds count as inside, and equal values share equally."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from single_node import written
from torch.utils.checkpoint import checkpoint

import onnxviz
from onnxviz import kinks
from onnxviz.model.operators.numbers.fused_activations import activate

# torch computes short rows and the ends of long rows number by number, and the rest in vectors, with other code.
LENGTHS = (1, 67)
INTERVALS = [
    (-1.0, 2.0),
    (0.0, 6.0),
    (0.1, 0.3),
    (-6.0, 0.0),
    (1.0, 1.0),
    (2.0, -1.0),
    (-1.0, None),
    (0.0, None),
    (None, 0.0),
]
TINY = torch.finfo(torch.float32).tiny


def slopes(function: Callable[..., torch.Tensor], *points: torch.Tensor) -> tuple[torch.Tensor, ...]:
    leaves = [point.clone().requires_grad_() for point in points]
    return torch.autograd.grad(function(*leaves).sum(), leaves)


def neighborhood(bound: float | None, dtype: torch.dtype) -> list[float]:
    """Return a bound as the type holds it, and the numbers next to it that are not subnormal."""
    if bound is None:
        return []
    exact = torch.tensor(bound, dtype=dtype)
    sides = [torch.nextafter(exact, torch.tensor(end, dtype=dtype)).item() for end in (-math.inf, math.inf)]
    tiny = torch.finfo(dtype).tiny
    return [exact.item(), *(sides if bound else [-tiny, tiny])]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("low", "high"), INTERVALS)
@pytest.mark.parametrize("tensors", [False, True], ids=["numbers", "tensors"])
def test_a_clamp_passes_the_gradient_inside_and_at_both_bounds(low, high, dtype, length, tensors):
    held = [None if bound is None else torch.tensor(bound, dtype=dtype) for bound in (low, high)]
    given = held if tensors else (low, high)
    least, most = (
        end if bound is None else bound.item() for bound, end in zip(held, (-math.inf, math.inf), strict=True)
    )
    for point in (*neighborhood(low, dtype), *neighborhood(high, dtype), -9.0, 0.5, 9.0, math.inf, -math.inf):
        x = torch.full((length,), point, dtype=dtype)
        (slope,) = slopes(lambda values: kinks.clamped(values, *given), x)
        assert slope.tolist() == [float(least <= point <= most)] * length, point


def test_no_gradient_enters_an_interval_that_begins_next_to_zero():
    x = torch.tensor([-TINY, 0.0, TINY])
    assert slopes(lambda values: kinks.clamped(values, TINY, 1.0), x)[0].tolist() == [0, 0, 1]
    assert slopes(lambda values: kinks.clamped(values, -1.0, -TINY), x)[0].tolist() == [1, 0, 0]


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor does not take subnormal numbers for 0")
def test_a_bound_of_zero_is_inside_where_subnormal_numbers_are_taken_for_zero():
    torch.set_flush_denormal(True)
    try:
        for given, expected in (((0, 6), [0, 1, 1]), ((0,), [0, 1, 1]), ((-6, 0), [1, 1, 0]), ((None, 0), [1, 1, 0])):
            for bounds in (given, [None if bound is None else torch.tensor(float(bound)) for bound in given]):
                found = slopes(lambda x, bounds=bounds: kinks.clamped(x, *bounds), torch.tensor([-1.0, 0.0, 1.0]))
                assert found[0].tolist() == expected
    finally:
        torch.set_flush_denormal(False)


@pytest.mark.parametrize(
    ("point", "low", "high", "expected"),
    [
        (0.0, 1.0, 2.0, (0, 1, 0)),
        (1.0, 1.0, 2.0, (1, 0, 0)),
        (1.5, 1.0, 2.0, (1, 0, 0)),
        (2.0, 1.0, 2.0, (1, 0, 0)),
        (3.0, 1.0, 2.0, (0, 0, 1)),
        (1.0, 1.0, 1.0, (1, 0, 0)),
        (0.0, 1.0, 1.0, (0, 1, 0)),
        (2.0, 1.0, 1.0, (0, 0, 1)),
        *((point, 2.0, 1.0, (0, 0, 1)) for point in (0.0, 1.0, 1.5, 2.0, 3.0)),
        (0.0, 1.0, None, (0, 1)),
        (1.0, 1.0, None, (1, 0)),
        (1.0, None, 1.0, (1, 0)),
        (3.0, None, 1.0, (0, 1)),
    ],
)
def test_outside_the_gradient_goes_to_the_bound_that_decides(point, low, high, expected):
    def function(x: torch.Tensor, *bounds: torch.Tensor) -> torch.Tensor:
        rest = list(bounds)
        return kinks.clamped(x, *(None if bound is None else rest.pop(0) for bound in (low, high)))

    given = [torch.tensor(number) for number in (point, low, high) if number is not None]
    assert [slope.item() for slope in slopes(function, *given)] == list(expected)


def test_bounds_that_broadcast_get_the_sum_of_what_they_decide():
    x = torch.tensor([[-2.0, 0.0, 5.0], [1.0, 2.0, 3.0]])
    found = slopes(kinks.clamped, x, torch.tensor([0.0, 0.0, 4.0]), torch.tensor([[1.0], [2.0]]))
    assert [slope.tolist() for slope in found] == [[[0, 1, 0], [1, 1, 0]], [1, 0, 0], [[1], [1]]]


@pytest.mark.parametrize(
    "given", [(0.0, 6.0), (0.0, None), (None, 6.0), (2.0, -1.0), (-math.inf, 6.0), (-math.inf, math.inf)]
)
def test_values_are_those_of_torch(given):
    x = torch.tensor([math.nan, -math.inf, -1.0, -0.0, 0.0, 1.0, 6.0, 7.0, math.inf])
    bounds = [None if bound is None else torch.tensor(bound) for bound in given]
    for leaf in (x, x.clone().requires_grad_()):
        for chosen in (given, bounds):
            torch.testing.assert_close(
                kinks.clamped(leaf, *chosen), torch.clamp(leaf, *chosen), equal_nan=True, rtol=0, atol=0
            )
    broken = kinks.clamped(x.clone().requires_grad_(), torch.tensor(math.nan), torch.tensor(6.0))
    assert broken.isnan().all()
    other = torch.ones(9)
    for ours, plain in ((kinks.minimum, torch.minimum), (kinks.maximum, torch.maximum)):
        torch.testing.assert_close(ours(leaf, other), plain(x, other), equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("value", [0.0, 3.0, math.inf, -math.inf])
@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("function", [kinks.minimum, kinks.maximum])
def test_equal_operands_share_the_gradient_equally(function, count, value, length):
    found = slopes(function, *[torch.full((length,), value)] * count)
    for slope in found:
        assert torch.equal(slope, torch.full((length,), 1 / count))


def test_only_those_that_are_equal_share_and_a_broadcast_one_gets_all_its_shares():
    a, b, c = torch.tensor([[0.0, 2.0, 2.0], [5.0, 2.0, 1.0]]), torch.tensor([2.0, 2.0, 1.0]), torch.tensor(2.0)
    third = float(torch.tensor(1.0) / 3)
    found = [slope.tolist() for slope in slopes(kinks.maximum, a, b, c)]
    assert found == [
        [[0, third, 0.5], [1, third, 0]],
        [0.5, 2 * third, 0],
        pytest.approx(0.5 + third + 0.5 + third + 1),
    ]
    found = [slope.tolist() for slope in slopes(kinks.minimum, -a, -b, -c)]
    assert found == [
        [[0, third, 0.5], [1, third, 0]],
        [0.5, 2 * third, 0],
        pytest.approx(0.5 + third + 0.5 + third + 1),
    ]


def test_a_constant_takes_its_share_along():
    x = torch.tensor([-1.0, 0.0, 1.0])
    assert slopes(lambda values: kinks.maximum(values, torch.tensor(0.0)), x)[0].tolist() == [0, 0.5, 1]
    assert slopes(lambda values: kinks.minimum(torch.tensor(0.0), values), x)[0].tolist() == [1, 0.5, 0]


@pytest.mark.parametrize("length", LENGTHS)
def test_hard_sigmoid_and_hard_swish(length, monkeypatch):
    for settled in (kinks._settled, lambda *_: False):
        monkeypatch.setattr(kinks, "_settled", settled)
        for point, sigmoid, swish in ((-3.0, 1 / 6, 0.0), (3.0, 1 / 6, 1.0)):
            x = torch.full((length,), point)
            assert torch.equal(slopes(kinks.hard_sigmoid, x)[0], torch.full((length,), sigmoid))
            assert torch.equal(slopes(kinks.hard_swish, x)[0], torch.full((length,), swish))
        x = torch.tensor([-math.inf, -9.0, -2.9, -1.0, 0.0, 0.5, 2.0, 2.9, 3.1, 9.0, math.inf])
        for ours, plain in ((kinks.hard_sigmoid, F.hardsigmoid), (kinks.hard_swish, F.hardswish)):
            torch.testing.assert_close(ours(x.clone().requires_grad_()), plain(x), equal_nan=True, rtol=0, atol=0)
            torch.testing.assert_close(slopes(ours, x), slopes(plain, x))


FUNCTIONS = {
    "two numbers": lambda x: kinks.clamped(x**2, 0.5, 2.0),
    "below": lambda x: kinks.clamped(x**2, high=2.0),
    "above": lambda x: kinks.clamped(x**2, 0.5),
    "tensors": lambda x: kinks.clamped(x**2, x[:1] ** 2, x[:, :1] ** 3),
    "maximum": lambda x: kinks.maximum(x**2, x[0], x[:, :1] ** 3),
    "hard sigmoid": lambda x: kinks.hard_sigmoid(x**2),
    "hard swish": lambda x: kinks.hard_swish(x**2),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_gradient_has_a_gradient(function, monkeypatch):
    monkeypatch.setattr(kinks, "_settled", lambda *_: False)
    x = torch.linspace(-2.1, 2.3, 12, dtype=torch.float64).reshape(3, 4).requires_grad_()
    assert torch.autograd.gradcheck(function, x)
    assert torch.autograd.gradgradcheck(function, x)


@pytest.mark.filterwarnings("ignore:.torch.cpu.amp.autocast:FutureWarning")  # torch 2.4 warns of itself
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_gradient_by_checkpoints_is_the_same(function):
    x = torch.linspace(-2.1, 2.3, 12).reshape(3, 4)
    again = slopes(lambda values: checkpoint(function, values, use_reentrant=False), x)
    assert torch.equal(again[0], slopes(function, x)[0])


def test_channels_stay_last():
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = kinks.clamped(x, 0, 6)
    (slope,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert slope.is_contiguous(memory_format=torch.channels_last)


def number(value: float) -> np.ndarray:
    return np.array(value, np.float32)


QUARTER = number(0.25)
ROW = {"t": np.full(5, 0.25, np.float32), "z": np.full(5, 128, np.uint8)}
ENDS = [(-32.25, 0), (-32, 4), (0.1, 4), (31.75, 4), (32, 0)]
NODES = {
    # The node, its other inputs, its opset, and pairs of an input and the slope there.
    "Clip": ("y = Clip(x, a, b)", {"a": number(-1), "b": number(2)}, 13, [(-1.5, 0), (-1, 1), (0, 1), (2, 1), (2.5, 0)]),
    "Clip from below": ("y = Clip(x, a)", {"a": number(-1)}, 13, [(-1.5, 0), (-1, 1), (9, 1)]),
    "Clip from above": ("y = Clip(x, , b)", {"b": number(2)}, 13, [(-9, 1), (2, 1), (2.5, 0)]),
    "old Clip": ("y = Clip<min=-1.0, max=2.0>(x)", {}, 6, [(-1.5, 0), (-1, 1), (2, 1), (2.5, 0)]),
    "ReLU6": ("y = Clip(x, a, b)", {"a": number(0), "b": number(6)}, 13, [(-1, 0), (0, 1), (3, 1), (6, 1), (7, 0)]),
    "old ReLU6": ("y = Clip<min=0.0, max=6.0>(x)", {}, 6, [(-1, 0), (0, 1), (6, 1), (7, 0)]),
    "Relu": ("y = Relu(x)", {}, 14, [(-1, 0), (0, 0), (1, 1)]),
    "ThresholdedRelu": ("y = ThresholdedRelu<alpha=2.0>(x)", {}, 10, [(1, 0), (2, 0), (3, 1)]),
    "HardSigmoid": ("y = HardSigmoid<alpha=0.25>(x)", {}, 6, [(-3, 0), (-2, 0.25), (2, 0.25), (3, 0)]),
    "HardSigmoid of a sixth": ("y = HardSigmoid<alpha=0.16666667>(x)", {}, 6, [(-4, 0), (-3, 1 / 6), (3, 1 / 6), (4, 0)]),
    "HardSwish": ("y = HardSwish(x)", {}, 14, [(-4, 0), (-3, 0), (0, 0.5), (3, 1), (4, 1)]),
    "Max": ("y = Max(x, a)", {"a": number(0)}, 13, [(-1, 0), (0, 0.5), (1, 1)]),
    "Max of three": ("y = Max(a, x, a)", {"a": number(0)}, 13, [(-1, 0), (0, 1 / 3), (1, 1)]),
    "Min": ("y = Min(a, x)", {"a": number(0)}, 13, [(-1, 1), (0, 0.5), (1, 0)]),
    # The numbers from 0 to 255 stand for -32 to 31.75.
    "uint8": ("y = QuantizeLinear(x, s, z)", {"s": QUARTER, "z": np.array(128, np.uint8)}, 13, ENDS),
    "int8": ("y = QuantizeLinear(x, s, z)", {"s": QUARTER, "z": np.array(0, np.int8)}, 13, ENDS),
    "zero points": ("y = QuantizeLinear<axis=0>(x, t, z)", ROW, 13, ENDS),
    "no zero point": ("y = QuantizeLinear(x, s)", {"s": QUARTER}, 13, [(-0.25, 0), (0, 4), (63.75, 4), (64, 0)]),
    "own range": ("y, s, z = DynamicQuantizeLinear(x)", {}, 11, [(-1, 100), (0, 100), (1.55, 100)]),
}  # fmt: skip


@pytest.mark.parametrize("name", NODES)
def test_operators_have_the_stated_gradient_at_their_bounds(name):
    call, others, opset, pairs = NODES[name]
    points, expected = torch.tensor(pairs, dtype=torch.float32).T
    model = onnxviz.load(written(call, {"x": points.numpy(), **others}, opset, others))
    assert torch.equal(slopes(lambda x: model.network()({"x": x})["y"], points)[0], expected)


def test_bounds_that_carry_a_gradient_change_nothing():
    others = {"a": number(-1), "b": number(2)}
    points = torch.tensor([-1.5, -1.0, 0.0, 2.0, 2.5])
    model = onnxviz.load(written("y = Clip(x, a, b)", {"x": points.numpy(), **others}, 13))
    found = slopes(
        lambda x, a, b: model.network()({"x": x, "a": a, "b": b})["y"], points, torch.tensor(-1.0), torch.tensor(2.0)
    )
    assert [slope.tolist() for slope in found] == [[0, 1, 1, 1, 0], 1, 1]
    assert slopes(lambda x: model.network()({"x": x, **others})["y"], points)[0].tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("operator", ["ReduceMax", "ReduceMin"])
def test_a_reduction_shares_among_all_that_are_equal(operator):
    points = torch.full((3,), 2.0)
    model = onnxviz.load(written(f"y = {operator}<axes=[0]>(x)", {"x": points.numpy()}, 13))
    assert torch.equal(slopes(lambda x: model.network()({"x": x})["y"], points)[0], torch.full((3,), 1 / 3))


@pytest.mark.parametrize(
    ("name", "parameters", "pairs"),
    [
        ("Clip", (-1.0, 2.0), [(-1.5, 0), (-1, 1), (2, 1), (2.5, 0)]),
        ("HardSigmoid", (0.25, 0.5), [(-3, 0), (-2, 0.25), (2, 0.25), (3, 0)]),
        ("Relu", (), [(-1, 0), (0, 0), (1, 1)]),
    ],
)
def test_fused_activations_have_it_too(name, parameters, pairs):
    points, expected = torch.tensor(pairs, dtype=torch.float32).T
    assert torch.equal(slopes(lambda x: activate(x, name, *parameters), points)[0], expected)


@pytest.mark.parametrize(
    ("attributes", "pairs"),
    [
        ('clip=2.0, activations=["Affine"], activation_alpha=[1.0]', [(-3, 0), (-2, 1), (2, 1), (3, 0)]),
        ('activations=["HardSigmoid"], activation_alpha=[0.25]', [(-3, 0), (-2, 0.25), (2, 0.25), (3, 0)]),
    ],
)
def test_recurrent_cells_have_it_too(attributes, pairs):
    points, expected = torch.tensor(pairs, dtype=torch.float32).T
    batch = points.reshape(1, -1, 1)
    others = {"w": np.ones((1, 1, 1), np.float32), "r": np.zeros((1, 1, 1), np.float32)}
    call = f"y = RNN<hidden_size=1, {attributes}>(x, w, r)"
    model = onnxviz.load(written(call, {"x": batch.numpy(), **others}, 14, others))
    (slope,) = slopes(lambda x: model.network()({"x": x})["y"], batch)
    assert torch.equal(slope.flatten(), expected)


def test_a_sign_that_passes_the_gradient_does_so_from_minus_one_to_one():
    points = torch.tensor([-1.5, -1.0, 0.0, 1.0, 1.5])
    network = onnxviz.load(written("y = Sign(x)", {"x": points.numpy()})).network(straight_through=True)
    assert slopes(lambda x: network({"x": x})["y"], points)[0].tolist() == [0, 1, 1, 1, 0]
