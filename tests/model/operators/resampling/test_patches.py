"""DeformConv and Col2Im: against ONNX Runtime, against convolution and its adjoint, and by finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from runtime_oracle import Compare
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import AllocationError, EvaluationError
from onnxviz.model.operators.convolution import conv
from onnxviz.model.operators.resampling.patches import col2im, deform_conv

RANDOM = np.random.default_rng(1)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


BENT = {
    "x": normal(2, 4, 6, 7),
    "w": normal(6, 2, 3, 2),
    "o": normal(2, 24, 4, 6),
    "b": normal(6),
    "m": normal(2, 12, 4, 6),
}
BENT_CALLS = [
    "y = DeformConv<group=2, offset_group=2>(x, w, o)",
    "y = DeformConv<group=2, offset_group=2>(x, w, o, b, m)",
    "y = DeformConv<group=2, offset_group=2>(x, w, o, , m)",
]


@pytest.mark.parametrize("call", BENT_CALLS)
@pytest.mark.parametrize("opset", [19, 22])
def test_deformed_convolution_is_that_of_onnx_runtime(call: str, opset: int, compare: Compare) -> None:
    compare(written(call, BENT, opset), BENT, rtol=1e-3, atol=1e-4)


def test_deformed_convolution_with_strides_dilations_and_pads_is_that_of_onnx_runtime(compare: Compare) -> None:
    inputs = {"x": normal(1, 2, 9, 8), "w": normal(2, 2, 2, 3), "o": normal(1, 12, 5, 6)}
    call = "y = DeformConv<strides=[2, 1], dilations=[2, 1], pads=[1, 0, 1, 0]>(x, w, o)"
    compare(written(call, inputs), inputs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_without_offsets_it_is_a_convolution(rank: int) -> None:
    x, w = torch.randn(2, 2, *[6] * rank), torch.randn(3, 2, *[3] * rank)
    pads = (1, 0, 1, 0, 1, 0)[: 2 * rank]
    plain = conv(x, w, pads=pads)
    offset = torch.zeros(2, 3**rank * rank, *plain.shape[2:])
    assert torch.allclose(deform_conv(x, w, offset, pads=pads), plain, atol=1e-4)


def test_a_whole_offset_shifts_the_picture() -> None:
    x, w = torch.randn(1, 1, 8, 8), torch.randn(1, 1, 1, 1)
    offset = torch.zeros(1, 2, 8, 8)
    offset[:, 0], offset[:, 1] = 1, -2
    moved = F.pad(x, (2, 0, 0, 1))[..., 1:, :8] * w
    assert torch.allclose(deform_conv(x, w, offset), moved, atol=1e-5)


def test_deformed_convolution_has_the_slopes_of_finite_differences() -> None:
    # Offsets between pixels: at a pixel the slope jumps.
    offset = 0.3 + 0.4 * RANDOM.random((1, 8, 3, 3))
    inputs = {"x": normal(1, 1, 4, 4), "w": normal(1, 1, 2, 2), "o": offset, "b": normal(1), "m": normal(1, 4, 3, 3)}
    assert gradients_agree("y = DeformConv(x, w, o, b, m)", inputs, 22)


def columns(sizes: tuple[int, ...], block: tuple[int, ...], patches: int) -> dict[str, np.ndarray]:
    return {"x": normal(2, 3 * int(np.prod(block)), patches), "i": np.array(sizes), "k": np.array(block)}


COLUMNS = [
    ("y = Col2Im(x, i, k)", columns((5, 4), (2, 3), 8)),
    ("y = Col2Im<pads=[1, 1, 1, 1], strides=[2, 1]>(x, i, k)", columns((5, 4), (2, 3), 12)),
    ("y = Col2Im<pads=[0, 1, 1, 0], dilations=[2, 1]>(x, i, k)", columns((5, 4), (2, 3), 12)),
    ("y = Col2Im<pads=[1, 0]>(x, i, k)", columns((7,), (3,), 6)),
    ("y = Col2Im<strides=[2, 1, 1]>(x, i, k)", columns((4, 3, 3), (2, 2, 1), 12)),
]


@pytest.mark.parametrize(("call", "inputs"), COLUMNS)
def test_image_of_columns_is_that_of_onnx_runtime(call: str, inputs: dict[str, np.ndarray], compare: Compare) -> None:
    compare(written(call, inputs, 18, ["i", "k"]), inputs)


@pytest.mark.parametrize(("pads", "dilations"), [((0, 0), (2,)), ((1, 0), (1,)), ((2, 1), (3,))])
def test_image_of_columns_is_the_adjoint_of_taking_patches(pads: tuple[int, int], dilations: tuple[int]) -> None:
    image = torch.randn(1, 1, 9, requires_grad=True)
    kernel = torch.eye(3).reshape(3, 1, 3)
    patches = conv(image, kernel, pads=pads, dilations=dilations)
    back = torch.randn_like(patches)
    (slope,) = torch.autograd.grad(patches, image, back)
    assert torch.allclose(col2im(back, (9,), (3,), pads=pads, dilations=dilations), slope)


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(EvaluationError, match="needs a multiple of 3 rows and 5 patches"):
        outputs_of("y = Col2Im(x, i, k)", columns((7,), (3,), 4))
    with pytest.raises(AllocationError, match="Col2Im asks for"):
        outputs_of("y = Col2Im(x, i, k)", columns((70000, 70000), (1, 1), 4))


def test_nothing_is_remembered_in_a_form_that_autograd_refuses() -> None:
    with torch.inference_mode():
        col2im(torch.ones(1, 2, 6), (7,), (2,))
    columns = torch.ones(1, 2, 6, requires_grad=True)
    col2im(columns, (7,), (2,)).sum().backward()
    assert torch.equal(columns.grad, torch.ones(1, 2, 6))


@pytest.mark.parametrize("attributes", ["size=3", "size=2, dim=1, step=2", "size=4, dim=-2, step=3"])
def test_windows_along_an_axis_are_those_of_onnx_runtime(compare: Compare, attributes: str) -> None:
    call = f"y = com.microsoft.UnfoldTensor<{attributes}>(x)"
    inputs = {"x": np.random.default_rng(0).standard_normal((2, 7, 5)).astype(np.float32)}
    compare(written(call, inputs, 17), inputs)
    assert gradients_agree(call, inputs, 17)
