"""Regions of interest: against ONNX Runtime, closed forms, gradients against finite differences."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from runtime_oracle import Compare
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import AllocationError, EvaluationError, UnsupportedOperators
from onnxviz.model.operators.resampling.regions import crop_and_resize, roi_align

RANDOM = np.random.default_rng(8)
X = RANDOM.standard_normal((3, 2, 7, 9)).astype(np.float32)
# Inside, half outside, outside, small, with exchanged corners.
BOXES = np.array(
    [[1.2, 0.7, 6.9, 5.1], [-3, 2.5, 4.2, 12], [20, 20, 24, 23], [3.3, 3.1, 3.6, 3.2], [6, 5, 2, 1]], np.float32
)
BATCH = np.array([0, 2, 1, 1, 0])
INPUTS = {"x": X, "r": BOXES, "b": BATCH}

ALIGNED = [
    f'RoiAlign<mode="{m}", output_height=2, output_width=3, sampling_ratio={s}, spatial_scale={z}'
    for m, s, z in product(["avg", "max"], [0, 2], [1.0, 0.6])
]


@pytest.mark.parametrize("operator", ALIGNED)
@pytest.mark.parametrize(
    ("opset", "more"), [(10, ""), (16, ""), (16, ', coordinate_transformation_mode="output_half_pixel"')]
)
def test_aligned_regions_are_those_of_onnx_runtime(operator: str, opset: int, more: str, compare: Compare) -> None:
    compare(written(f"y = {operator}{more}>(x, r, b)", INPUTS, opset), INPUTS)


def test_latest_revision_means_the_same() -> None:
    call = f"y = {ALIGNED[0]}>(x, r, b)"
    assert torch.equal(outputs_of(call, INPUTS, 22)[0], outputs_of(call, INPUTS, 16)[0])


def test_a_region_per_pixel_is_the_picture() -> None:
    x = torch.from_numpy(X)
    whole = torch.tensor([[0.0, 0, 9, 7]])
    ours = roi_align(x, whole, torch.tensor([2]), output_height=7, output_width=9, sampling_ratio=1)
    assert torch.allclose(ours[0], x[2], atol=1e-5)


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_no_regions_give_nothing(mode: str) -> None:
    none = roi_align(torch.from_numpy(X), torch.zeros(0, 4), torch.zeros(0).long(), mode=mode, output_height=2)
    assert none.shape == (0, 2, 2, 1)


@pytest.mark.parametrize(("shape", "scale"), [((2, 3), 1.0), ((1, 1), 0.5), ((4, 4), 0.7)])
def test_pooled_regions_are_those_of_onnx_runtime(shape: tuple[int, int], scale: float, compare: Compare) -> None:
    inputs = {"x": X, "r": np.concatenate((BATCH[:, None], BOXES), 1).astype(np.float32)}
    call = f"y = MaxRoiPool<pooled_shape=[{shape[0]}, {shape[1]}], spatial_scale={scale}>(x, r)"
    compare(written(call, inputs), inputs)


CROPS = {
    "x": X,
    "r": np.array([[0, 0, 1, 1], [0.1, 0.3, 0.8, 1.2], [0.9, 0.2, -0.2, 0.4]], np.float32),
    "b": np.array([0, 2, 1], np.int32),
}


@pytest.mark.parametrize("size", [(7, 9), (3, 5), (1, 4)])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_crops_are_those_of_onnx_runtime(mode: str, size: tuple[int, int], compare: Compare) -> None:
    inputs = {**CROPS, "s": np.array(size, np.int32)}
    call = f'y = com.microsoft.CropAndResize<mode="{mode}", extrapolation_value=2.5>(x, r, b, s)'
    compare(written(call, inputs, 13, ["s"]), inputs)


def test_the_whole_picture_cropped_is_the_picture() -> None:
    x = torch.from_numpy(X)
    ours = crop_and_resize(x, torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([1]), (7, 9))
    assert torch.allclose(ours[0], x[1], atol=1e-6)


SLOPED = {"x": X[:1, :1, :4, :5], "r": np.array([[0.31, 0.42, 3.17, 2.93]], np.float32), "b": np.array([0])}
SLOPES = [
    "y = RoiAlign<output_height=2, output_width=3, sampling_ratio=2>(x, r, b)",
    'y = RoiAlign<output_height=2, output_width=2, sampling_ratio=1, mode="max">(x, r, b)',
]


@pytest.mark.parametrize("call", SLOPES)
def test_gradients_agree_with_finite_differences(call: str) -> None:
    assert gradients_agree(call, SLOPED, 16)


def test_crops_have_the_slopes_of_finite_differences() -> None:
    x = torch.randn(1, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor([[0.11, 0.23, 0.87, 0.71]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, r: crop_and_resize(x, r, torch.tensor([0]), (2, 3)), (x, boxes))


REFUSALS = [
    ('y = RoiAlign<mode="median">(x, r, b)', "mode 'median'; avg and max are known"),
    ('y = RoiAlign<coordinate_transformation_mode="pixel">(x, r, b)', "'pixel'; half_pixel and output_half_pixel"),
]


@pytest.mark.parametrize(("call", "sentence"), REFUSALS)
def test_refusals_say_what_would_do(call: str, sentence: str) -> None:
    with pytest.raises((EvaluationError, UnsupportedOperators), match=sentence):
        outputs_of(call, INPUTS, 16)


def test_an_absurd_region_is_refused() -> None:
    with pytest.raises(AllocationError, match="RoiAlign asks for"):
        outputs_of("y = RoiAlign(x, r, b)", {**INPUTS, "r": BOXES * 1e6}, 16)
    with pytest.raises(AllocationError, match="CropAndResize asks for"):
        outputs_of("y = com.microsoft.CropAndResize(x, r, b, s)", {**CROPS, "s": np.array([10**6] * 2, np.int32)})
