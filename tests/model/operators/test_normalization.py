"""Normalization: against ONNX Runtime, old revisions against new ones, closed forms, gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from runtime_oracle import Compare
from single_node import gradients_agree, outputs_of, written

import onnxviz
from onnxviz.errors import EvaluationError, UnsupportedOperators
from onnxviz.model.operators.normalization import group_norm, lrn, skip_group_norm

RANDOM = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


X = normal(2, 4, 3, 5)
CHANNELS = {"x": X, "s": normal(4), "b": normal(4), "m": normal(4), "v": normal(4) ** 2}
MAPS = {"x": X, **{name: normal(4, 3, 5) for name in "sbm"}, "v": normal(4, 3, 5) ** 2}
AFFINE = {name: CHANNELS[name] for name in "xsb"}
GROUPS = {"x": X, "s": normal(2), "b": normal(2)}

CASES = [
    ("y = BatchNormalization<epsilon=0.01>(x, s, b, m, v)", CHANNELS, 7),
    ("y = BatchNormalization<spatial=0>(x, s, b, m, v)", MAPS, 7),
    ("y = BatchNormalization(x, s, b, m, v)", CHANNELS, 9),
    ("y, rm, rv = BatchNormalization<training_mode=1, momentum=0.7>(x, s, b, m, v)", CHANNELS, 14),
    ("y = BatchNormalization(x, s, b, m, v)", CHANNELS, 15),
    ("y = BatchNormalization(x, s, b, m, v)", {**CHANNELS, "x": normal(3, 4)}, 15),
    (
        "y = BatchNormalization(x, s, b, m, v)",
        {"x": normal(5), "s": normal(1), "b": normal(1), "m": normal(1), "v": normal(1) ** 2},
        15,
    ),
    ("y = InstanceNormalization<epsilon=0.1>(x, s, b)", AFFINE, 6),
    ("y = InstanceNormalization(x, s, b)", {**AFFINE, "x": X[:1, :, :1, :1]}, 22),
    ("y = GroupNormalization<num_groups=2>(x, s, b)", GROUPS, 18),
    ("y = GroupNormalization<num_groups=2, epsilon=0.1>(x, s, b)", AFFINE, 21),
    ("y = LRN<size=3, alpha=0.5, beta=0.6, bias=2.0>(x)", {"x": X}, 13),
    ("y = LpNormalization(x)", {"x": X}, 1),
    ("y = LpNormalization<p=1, axis=1>(x)", {"x": X}, 22),
    ("y = LpNormalization<p=2, axis=-2>(x)", {"x": X * (X > 1)}, 22),
    ("y = MeanVarianceNormalization(x)", {"x": X}, 9),
    ("y = MeanVarianceNormalization<axes=[1, 3]>(x)", {"x": X}, 13),
    ("y = MeanVarianceNormalization(x)", {"x": X}, 8),
    ("y = MeanVarianceNormalization<across_channels=1, normalize_variance=0>(x)", {"x": X}, 8),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), CASES)
def test_normalization_is_that_of_onnx_runtime(
    call: str, inputs: dict[str, np.ndarray], opset: int, compare: Compare
) -> None:
    compare(written(call, inputs, opset), inputs)


OLD = [
    ("y = BatchNormalization<consumed_inputs=[0, 0, 0, 1, 1], is_test=1>(x, s, b, m, v)", 1),
    ("y = BatchNormalization<is_test=1>(x, s, b, m, v)", 6),
    ("y = BatchNormalization(x, s, b, m, v)", 6),
]


@pytest.mark.parametrize(("call", "opset"), OLD)
def test_batch_normalization_of_old_files_uses_the_given_statistics(call: str, opset: int) -> None:
    (old,) = outputs_of(call, CHANNELS, opset)
    (new,) = outputs_of("y = BatchNormalization(x, s, b, m, v)", CHANNELS, 15)
    assert torch.equal(old, new)


@pytest.mark.parametrize("opset", [6, 7])
def test_several_outputs_of_old_files_mean_training(opset: int) -> None:
    old = outputs_of("y, rm, rv, sm, sv = BatchNormalization<momentum=0.7>(x, s, b, m, v)", CHANNELS, opset)
    new = outputs_of("y, rm, rv = BatchNormalization<momentum=0.7, training_mode=1>(x, s, b, m, v)", CHANNELS, 15)
    for ours, wanted in zip(old, new, strict=False):
        assert torch.allclose(ours, wanted, atol=1e-6)
    assert torch.allclose(old[3], torch.from_numpy(X).mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(old[4], torch.from_numpy(X).var((0, 2, 3), correction=0), atol=1e-6)


def test_instance_normalization_of_old_files_is_todays() -> None:
    (old,) = outputs_of("y = InstanceNormalization<consumed_inputs=[0, 0, 0]>(x, s, b)", AFFINE, 1)
    (new,) = outputs_of("y = InstanceNormalization(x, s, b)", AFFINE, 22)
    assert torch.equal(old, new)


@pytest.mark.parametrize("last", [0, 1])
def test_runtimes_group_norm_is_onnxs_in_either_layout(last: int) -> None:
    x, gamma, beta = (torch.from_numpy(AFFINE[name]) for name in "xsb")
    (wanted,) = outputs_of("y = GroupNormalization<num_groups=2>(x, s, b)", AFFINE, 21)
    layout = x.movedim(1, -1) if last else x
    ours = group_norm(layout, gamma, beta, groups=2, activation=1, channels_last=last)
    assert torch.allclose(ours.movedim(-1, 1) if last else ours, torch.nn.functional.silu(wanted), atol=1e-5)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("flat", [False, True])
def test_skip_is_added_before_the_groups_are_normalized(last: int, flat: bool) -> None:
    x, gamma, beta = (torch.from_numpy(AFFINE[name]) for name in "xsb")
    x = x.movedim(1, -1) if last else x
    skip, bias = torch.randn(2, 4) if flat else torch.randn_like(x), torch.randn(4)
    shape = (1, 1, -1) if last else (-1, 1, 1)
    total = x + (skip.reshape(2, *shape) if flat else skip) + bias.reshape(shape)
    ours, summed = skip_group_norm(x, gamma, beta, skip, bias, groups=2, channels_last=last)
    assert torch.allclose(summed, total)
    assert torch.allclose(ours, group_norm(total, gamma, beta, groups=2, channels_last=last), atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_neighbors_are_counted_from_floor_to_ceiling(size: int) -> None:
    # ONNX: from c - floor((size - 1) / 2) to c + ceil((size - 1) / 2), inside the channels. ONNX Runtime knows odd sizes only.
    x = torch.from_numpy(X)
    for channel in range(4):
        low, high = max(channel - (size - 1) // 2, 0), min(channel + size // 2, 3)
        energy = (x[:, low : high + 1] ** 2).sum(1)
        wanted = x[:, channel] / (1 + 0.3 / size * energy) ** 0.6
        assert torch.allclose(lrn(x, size=size, alpha=0.3, beta=0.6)[:, channel], wanted, atol=1e-6)


SMALL = {"x": normal(2, 2, 3), "s": normal(2), "b": normal(2), "m": normal(2), "v": normal(2) ** 2 + 0.1}
SLOPES = [
    ("y = BatchNormalization(x, s, b, m, v)", SMALL, 15),
    ("y, rm, rv = BatchNormalization<training_mode=1>(x, s, b, m, v)", SMALL, 15),
    ("y = InstanceNormalization(x, s, b)", {k: SMALL[k] for k in "xsb"}, 22),
    ("y = GroupNormalization<num_groups=1>(x, s, b)", {k: SMALL[k] for k in "xsb"}, 21),
    ("y = LRN<size=2>(x)", {"x": SMALL["x"]}, 13),
    ("y = LpNormalization<p=1>(x)", {"x": SMALL["x"]}, 22),
    ("y = LpNormalization(x)", {"x": SMALL["x"]}, 22),
    ("y = MeanVarianceNormalization<axes=[0, 2]>(x)", {"x": SMALL["x"]}, 13),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), SLOPES)
def test_gradients_agree_with_finite_differences(call: str, inputs: dict[str, np.ndarray], opset: int) -> None:
    assert gradients_agree(call, inputs, opset)


@pytest.mark.parametrize("call", ["y = LpNormalization(x)", "y = MeanVarianceNormalization<axes=[1]>(x)"])
def test_gradients_are_finite_where_there_is_nothing_to_divide_by(call: str) -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    (y,) = onnxviz.load(written(call, {"x": x.detach().numpy()}, 13)).network()({"x": x}).values()
    y.sum().backward()
    assert torch.equal(y, torch.zeros(2, 3))
    assert torch.isfinite(x.grad).all()


def test_other_norms_are_refused() -> None:
    with pytest.raises((EvaluationError, UnsupportedOperators), match="LpNormalization has p=3; 1 and 2 are known"):
        outputs_of("y = LpNormalization<p=3>(x)", {"x": X}, 22)
    with pytest.raises(EvaluationError, match="GroupNorm has activation 2"):
        group_norm(torch.ones(1, 1, 1, 2), torch.ones(2), torch.ones(2), groups=1, activation=2)
