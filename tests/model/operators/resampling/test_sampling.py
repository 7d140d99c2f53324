"""GridSample and AffineGrid: against ONNX Runtime and the ONNX reference, identities, gradients against finite differences."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from runtime_oracle import Compare, assert_same
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import AllocationError, EvaluationError, UnsupportedOperators
from onnxviz.model.operators.resampling.sampling import affine_grid, grid_sample, interpolate

RANDOM = np.random.default_rng(7)
PADDINGS = ["zeros", "border", "reflection"]


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def grid(*shape: int) -> np.ndarray:
    return RANDOM.uniform(-1.6, 1.6, shape).astype(np.float32)


LINE = {"x": normal(2, 2, 5), "g": grid(2, 7, 1)}
PLANE = {"x": normal(2, 3, 4, 5), "g": grid(2, 3, 2, 2)}
VOLUME = {"x": normal(1, 2, 3, 4, 2), "g": grid(1, 2, 3, 2, 3)}

CASES = [
    *[
        (f'GridSample<mode="{m}", padding_mode="{p}", align_corners={c}>', PLANE, 22)
        for m, p, c in product(["linear", "nearest", "cubic"], PADDINGS, [0, 1])
    ],
    *[
        (f'GridSample<mode="{m}", padding_mode="{p}", align_corners={c}>', VOLUME, 20)
        for m, p, c in product(["linear", "nearest"], PADDINGS, [0, 1])
    ],
    *[(f'GridSample<mode="{m}">', PLANE, 16) for m in ["bilinear", "nearest", "bicubic"]],
    *[
        (f'com.microsoft.GridSample<mode="{m}", align_corners=1>', PLANE, 16)
        for m in ["bilinear", "nearest", "bicubic"]
    ],
]


@pytest.mark.parametrize(("operator", "inputs", "opset"), CASES)
def test_sampling_is_that_of_onnx_runtime(
    operator: str, inputs: dict[str, np.ndarray], opset: int, compare: Compare
) -> None:
    compare(written(f"y = {operator}(x, g)", inputs, opset), inputs)


# Cubic with a border in the plane is compared with ONNX Runtime only: the reference clamps the sample instead of its neighbors.
ELSEWHERE = [
    *[("cubic", p, c, VOLUME) for p, c in product(["zeros", "reflection"], [0, 1])],
    *[(m, p, 0, LINE) for m, p in product(["linear", "nearest"], PADDINGS)],
    *[("cubic", p, 1, LINE) for p in ["zeros", "reflection"]],
]


@pytest.mark.parametrize(("mode", "padding", "corners", "inputs"), ELSEWHERE)
def test_what_onnx_runtime_lacks_is_that_of_the_reference(
    mode: str, padding: str, corners: int, inputs: dict[str, np.ndarray]
) -> None:
    call = f'y = GridSample<mode="{mode}", padding_mode="{padding}", align_corners={corners}>(x, g)'
    (theirs,) = ReferenceEvaluator(written(call, inputs, 22)).run(None, inputs)
    (ours,) = outputs_of(call, inputs, 22)
    assert_same("y", ours.numpy(), theirs, 1e-4, 1e-5)


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("padding", PADDINGS)
def test_a_volume_of_one_plane_is_sampled_like_that_plane(padding: str, corners: int) -> None:
    x, place = torch.from_numpy(PLANE["x"]), torch.from_numpy(PLANE["g"])
    inside = torch.cat((place, torch.zeros_like(place[..., :1])), -1)[:, None]
    options = {"mode": "cubic", "padding_mode": padding, "align_corners": corners}
    volume = grid_sample(x[:, :, None], inside, **options)
    assert torch.allclose(volume[:, :, 0], grid_sample(x, place, **options), atol=1e-5)


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("sizes", [(4, 5), (3, 2, 4)])
def test_the_identity_grid_gives_the_input(sizes: tuple[int, ...], mode: str, corners: int) -> None:
    x = torch.randn(2, 3, *sizes)
    theta = torch.eye(len(sizes), len(sizes) + 1).expand(2, -1, -1)
    same = affine_grid(theta, (2, 3, *sizes), align_corners=corners)
    assert torch.allclose(grid_sample(x, same, mode=mode, align_corners=corners), x, atol=1e-5)


def test_whole_numbers_are_sampled_and_cut(compare: Compare) -> None:
    inputs = {"x": RANDOM.integers(0, 100, (1, 1, 4, 4)).astype(np.int32), "g": PLANE["g"][:1]}
    (ours,) = outputs_of("y = GridSample(x, g)", inputs, 22)
    (wanted,) = outputs_of("y = GridSample(x, g)", {**inputs, "x": inputs["x"].astype(np.float32)}, 22)
    assert torch.equal(ours, wanted.to(torch.int32))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_interpolation_meets_the_pixels_and_vanishes_outside(rank: int) -> None:
    x = torch.randn(1, 2, *[4] * rank)
    pixels = torch.cartesian_prod(*[torch.arange(4.0)] * rank).reshape(1, -1, rank)
    assert torch.allclose(interpolate(x, pixels), x.flatten(2), atol=1e-5)
    assert not interpolate(x, pixels + 5).any()
    assert torch.allclose(interpolate(x, torch.full((1, 1, rank), -0.5)), x.flatten(2)[..., :1] * 0.5**rank, atol=1e-5)


GRIDS = [("AffineGrid", (2, 2, 3), (2, 3, 4, 5)), ("AffineGrid<align_corners=1>", (2, 3, 4), (2, 3, 4, 5, 2))]


@pytest.mark.parametrize(("operator", "theta", "size"), GRIDS)
def test_affine_grid_is_that_of_onnx_runtime(
    operator: str, theta: tuple[int, ...], size: tuple[int, ...], compare: Compare
) -> None:
    inputs = {"t": normal(*theta), "s": np.array(size)}
    compare(written(f"y = {operator}(t, s)", inputs, 20, ["s"]), inputs)


SLOPES = [
    ("y = GridSample(x, g)", {"x": normal(1, 1, 3, 4), "g": grid(1, 2, 2, 2) / 2}),
    ('y = GridSample<mode="cubic">(x, g)', {"x": normal(1, 1, 3, 2, 2), "g": grid(1, 1, 2, 2, 3) / 2}),
    ('y = GridSample<mode="cubic", padding_mode="reflection">(x, g)', {"x": normal(1, 1, 4), "g": grid(1, 3, 1)}),
]


@pytest.mark.parametrize(("call", "inputs"), SLOPES)
def test_gradients_agree_with_finite_differences(call: str, inputs: dict[str, np.ndarray]) -> None:
    assert gradients_agree(call, inputs, 22)


REFUSALS = [
    ('y = GridSample<mode="area">(x, g)', PLANE, "mode 'area' and padding_mode 'zeros'"),
    ("y = GridSample(x, g)", {"x": normal(1, 1, 2, 2, 2, 2), "g": grid(1, 1, 1, 1, 1, 4)}, "over 4 spatial axes"),
]


@pytest.mark.parametrize(("call", "inputs", "sentence"), REFUSALS)
def test_refusals_say_what_would_do(call: str, inputs: dict[str, np.ndarray], sentence: str) -> None:
    with pytest.raises((EvaluationError, UnsupportedOperators), match=sentence):
        outputs_of(call, inputs, 22)


def test_an_absurd_grid_is_refused() -> None:
    with pytest.raises(AllocationError, match="AffineGrid asks for"):
        outputs_of("y = AffineGrid(t, s)", {"t": normal(1, 2, 3), "s": np.array([1, 1, 10**6, 10**6])}, 20)
