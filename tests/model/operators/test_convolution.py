"""Convolutions: against ONNX Runtime, the transposed one against the plain one, gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from runtime_oracle import Compare
from single_node import gradients_agree, outputs_of, written

import onnxviz
from onnxviz.errors import AllocationError, EvaluationError, UnsupportedOperators
from onnxviz.model.operators.convolution import conv, conv_transpose
from onnxviz.model.operators.numbers.fused_activations import activate

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


LINE = {"x": normal(2, 4, 9), "w": normal(6, 4, 3), "b": normal(6)}
PLANE = {"x": normal(2, 4, 7, 6), "w": normal(6, 4, 3, 2), "b": normal(6)}
GROUPS = {"x": normal(2, 4, 7, 6), "w": normal(6, 2, 3, 2), "b": normal(6)}
VOLUME = {"x": normal(1, 2, 5, 4, 6), "w": normal(3, 2, 2, 3, 2), "b": normal(3)}

BACK_LINE = {"x": normal(2, 4, 5), "w": normal(4, 3, 3), "b": normal(3)}
BACK_PLANE = {"x": normal(2, 4, 4, 3), "w": normal(4, 3, 3, 2), "b": normal(3)}
BACK_GROUPS = {"x": normal(2, 4, 4, 3), "w": normal(4, 3, 3, 2), "b": normal(6)}
BACK_VOLUME = {"x": normal(1, 2, 3, 2, 3), "w": normal(2, 3, 2, 3, 2), "b": normal(3)}

CONVOLUTIONS = [
    ("y = Conv(x, w, b)", LINE),
    ("y = Conv<pads=[1, 1], strides=[2]>(x, w)", LINE),
    ("y = Conv<pads=[0, 2]>(x, w, b)", LINE),
    ('y = Conv<auto_pad="SAME_LOWER", strides=[2]>(x, w, b)', LINE),
    ("y = Conv(x, w)", PLANE),
    ("y = Conv<pads=[1, 0, 1, 0], strides=[2, 1], dilations=[2, 1]>(x, w, b)", PLANE),
    ("y = Conv<pads=[1, 0, 0, 2], kernel_shape=[3, 2]>(x, w, b)", PLANE),
    ('y = Conv<auto_pad="SAME_UPPER">(x, w, b)', PLANE),
    ('y = Conv<auto_pad="SAME_LOWER", strides=[3, 2]>(x, w, b)', PLANE),
    ('y = Conv<auto_pad="VALID", strides=[2, 2]>(x, w, b)', PLANE),
    ("y = Conv<group=2, pads=[1, 1, 1, 1]>(x, w, b)", GROUPS),
    ("y = Conv(x, w, b)", VOLUME),
    ("y = Conv<pads=[1, 0, 1, 0, 2, 1], strides=[2, 1, 2]>(x, w)", VOLUME),
    ('y = com.microsoft.FusedConv<pads=[1, 0, 1, 0], activation="Relu">(x, w, b)', PLANE),
    ('y = com.microsoft.FusedConv<activation="LeakyRelu", activation_params=[0.3]>(x, w)', PLANE),
    ('y = com.microsoft.FusedConv<activation="Clip", activation_params=[-0.5, 0.7]>(x, w, b)', PLANE),
    ('y = com.microsoft.FusedConv<activation="HardSigmoid", activation_params=[0.3, 0.4]>(x, w, b)', PLANE),
]


@pytest.mark.parametrize(("call", "inputs"), CONVOLUTIONS)
def test_convolution_is_that_of_onnx_runtime(call: str, inputs: dict[str, np.ndarray], compare: Compare) -> None:
    compare(written(call, inputs, 22), inputs)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("length", [4, 7, 8, 9, 10])
def test_kernels_shorter_than_their_stride_leave_out_what_onnx_runtime_leaves_out(
    length: int, kernel: int, auto_pad: str, compare: Compare
) -> None:
    inputs = {"x": normal(1, 2, length), "w": normal(3, 2, kernel)}
    for stride in (3, 4, 5):
        compare(written(f'y = Conv<strides=[{stride}], auto_pad="{auto_pad}">(x, w)', inputs, 22), inputs)


@pytest.mark.parametrize("opset", [1, 11])
def test_convolution_of_old_files_is_that_of_onnx_runtime(opset: int, compare: Compare) -> None:
    compare(written('y = Conv<auto_pad="SAME_LOWER">(x, w)', PLANE, opset), PLANE)
    compare(written("y = ConvTranspose<pads=[1, 0, 0, 0]>(x, w)", BACK_PLANE, opset), BACK_PLANE)


TRANSPOSED = [
    ("y = ConvTranspose(x, w, b)", BACK_LINE),
    ("y = ConvTranspose<strides=[3], output_padding=[2], pads=[1, 1]>(x, w)", BACK_LINE),
    ("y = ConvTranspose<strides=[2], pads=[0, 2]>(x, w, b)", BACK_LINE),
    ("y = ConvTranspose<strides=[2], pads=[2, 1], output_padding=[1]>(x, w, b)", BACK_LINE),
    ("y = ConvTranspose<strides=[2], output_shape=[10]>(x, w, b)", BACK_LINE),
    ("y = ConvTranspose<strides=[2], output_shape=[12]>(x, w, b)", BACK_LINE),
    ('y = ConvTranspose<strides=[2], output_shape=[10], auto_pad="SAME_UPPER">(x, w, b)', BACK_LINE),
    ('y = ConvTranspose<strides=[5], auto_pad="SAME_LOWER">(x, w, b)', BACK_LINE),
    ("y = ConvTranspose(x, w)", BACK_PLANE),
    ("y = ConvTranspose<strides=[2, 3], dilations=[2, 1], pads=[1, 0, 1, 0]>(x, w, b)", BACK_PLANE),
    ('y = ConvTranspose<strides=[2, 2], auto_pad="SAME_UPPER">(x, w, b)', BACK_PLANE),
    ('y = ConvTranspose<strides=[2, 2], auto_pad="SAME_LOWER">(x, w, b)', BACK_PLANE),
    ('y = ConvTranspose<strides=[2, 2], auto_pad="VALID">(x, w, b)', BACK_PLANE),
    ("y = ConvTranspose<strides=[2, 2], output_shape=[9, 7]>(x, w, b)", BACK_PLANE),
    ("y = ConvTranspose<group=2, strides=[2, 1], pads=[1, 1, 0, 0]>(x, w, b)", BACK_GROUPS),
    ("y = ConvTranspose<strides=[2, 1, 2], output_padding=[1, 0, 1]>(x, w, b)", BACK_VOLUME),
]


@pytest.mark.parametrize(("call", "inputs"), TRANSPOSED)
def test_transposed_convolution_is_that_of_onnx_runtime(
    call: str, inputs: dict[str, np.ndarray], compare: Compare
) -> None:
    compare(written(call, inputs, 22), inputs)


def test_output_padding_that_no_window_reaches_is_the_bias() -> None:
    x, w, b = (torch.from_numpy(BACK_LINE[name]) for name in "xwb")
    longer = conv_transpose(x, w, b, strides=(2,), output_padding=(4,))
    plain = conv_transpose(x, w, b, strides=(2,))
    assert torch.allclose(longer[..., : plain.shape[2]], plain)
    assert torch.equal(longer[..., plain.shape[2] :], b[None, :, None].expand(2, 3, 4))


@pytest.mark.parametrize(("sizes", "pads"), [((6, 8), (1, 1, 0, 0)), ((7, 9), (1, 0, 1, 0))])
def test_transposed_convolution_is_the_gradient_of_the_convolution(
    sizes: tuple[int, int], pads: tuple[int, ...]
) -> None:
    x = torch.randn(1, 2, *sizes, requires_grad=True)
    w = torch.randn(3, 2, 3, 3)
    y = conv(x, w, strides=(2, 2), pads=pads)
    back = torch.randn_like(y)
    (slope,) = torch.autograd.grad(y, x, back)
    assert torch.allclose(conv_transpose(back, w, strides=(2, 2), pads=pads), slope, atol=1e-5)


def test_dynamic_pads_are_pads(compare: Compare) -> None:
    x, w, b = (torch.from_numpy(BACK_PLANE[name]) for name in "xwb")
    inputs = {**BACK_PLANE, "p": np.array([1, 0, 1, 1])}
    model = written("y = com.microsoft.ConvTransposeWithDynamicPads<strides=[2, 2]>(x, w, p, b)", inputs)
    (ours,) = onnxviz.load(model).network(["y"])(inputs).values()
    assert torch.equal(ours, conv_transpose(x, w, b, strides=(2, 2), pads=(1, 0, 1, 1)))


def test_fused_convolution_adds_before_it_activates() -> None:
    x, w, b = (torch.from_numpy(PLANE[name]) for name in "xwb")
    inputs = {**PLANE, "z": normal(2, 6, 5, 5)}
    (ours,) = outputs_of('y = com.microsoft.FusedConv<activation="Tanh">(x, w, b, z)', inputs)
    assert torch.allclose(ours, torch.tanh(conv(x, w, b) + torch.from_numpy(inputs["z"])), atol=1e-6)


CAUSAL = {"x": normal(2, 3, 6), "w": normal(3, 1, 3), "b": normal(3), "s": normal(2, 3, 2)}


@pytest.mark.parametrize("activation", ["none", "silu"])
@pytest.mark.parametrize(("domain", "opset"), [("", 27), ("com.microsoft.", 21)])
def test_state_of_a_causal_convolution_continues_it(domain: str, opset: int, activation: str) -> None:
    call = f'y, t = {domain}CausalConvWithState<activation="{activation}">'
    whole, end = outputs_of(f"{call}(x, w, b, s)", CAUSAL, opset)
    first = {**CAUSAL, "x": CAUSAL["x"][..., :4]}
    start, state = outputs_of(f"{call}(x, w, b, s)", first, opset)
    rest, last = outputs_of(f"{call}(x, w, b, s)", {**CAUSAL, "x": CAUSAL["x"][..., 4:], "s": state.numpy()}, opset)
    assert torch.allclose(torch.cat((start, rest), -1), whole, atol=1e-6)
    assert torch.equal(last, end)


CAUSAL_CALLS = [
    "y, t = com.microsoft.CausalConvWithState(x, w)",
    'y, t = com.microsoft.CausalConvWithState<activation="swish">(x, w, b, s)',
    "y, t = com.microsoft.CausalConvWithState<dilation=2>(x, w, b)",
]


@pytest.mark.parametrize("call", CAUSAL_CALLS)
def test_causal_convolution_is_that_of_onnx_runtime(call: str, compare: Compare) -> None:
    compare(written(call, CAUSAL), CAUSAL)


SLOPES = [
    ("y = Conv<pads=[0, 1], strides=[2]>(x, w, b)", LINE, 22),
    ('y = Conv<auto_pad="SAME_UPPER", group=2>(x, w, b)', GROUPS, 22),
    ("y = ConvTranspose<strides=[2], pads=[0, 2]>(x, w, b)", BACK_LINE, 22),
    ("y = ConvTranspose<strides=[2], output_shape=[12]>(x, w, b)", BACK_LINE, 22),
    ('y, t = CausalConvWithState<activation="silu">(x, w, b, s)', CAUSAL, 27),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), SLOPES)
def test_gradients_agree_with_finite_differences(call: str, inputs: dict[str, np.ndarray], opset: int) -> None:
    assert gradients_agree(call, inputs, opset)


REFUSALS = [
    ("y = Conv(x, w)", {"x": normal(1, 1, 2, 2, 2, 2), "w": normal(1, 1, 1, 1, 1, 1)}, 22, "4 spatial axes"),
    ('y = Conv<auto_pad="SAME">(x, w)', PLANE, 22, "auto_pad is 'SAME'; ONNX knows NOTSET"),
    ('y = com.microsoft.FusedConv<activation="Sine">(x, w)', PLANE, 22, "'Sine' is not supported; Clip"),
    ("y, t = com.microsoft.CausalConvWithState<channels_last=1>(x, w)", CAUSAL, 22, "channels_last=1; only 0"),
    ("y, t = com.microsoft.CausalConvWithState<ndim=2>(x, w)", CAUSAL, 22, "ndim=2; only 1"),
    ('y, t = CausalConvWithState<activation="relu">(x, w)', CAUSAL, 27, "activation 'relu'; none, silu and swish"),
    ("y = ConvTranspose<pads=[1, 0, 0]>(x, w)", BACK_LINE, 22, "pads has 3 values"),
]


@pytest.mark.parametrize(("call", "inputs", "opset", "sentence"), REFUSALS)
def test_refusals_say_what_would_do(call: str, inputs: dict[str, np.ndarray], opset: int, sentence: str) -> None:
    with pytest.raises((EvaluationError, UnsupportedOperators), match=sentence):
        outputs_of(call, inputs, opset)


def test_an_absurd_output_shape_is_refused() -> None:
    with pytest.raises(AllocationError, match="ConvTranspose asks for"):
        outputs_of("y = ConvTranspose<output_shape=[1000000000]>(x, w)", BACK_LINE)


def test_named_activation_parameters_replace_defaults_one_by_one() -> None:
    x = torch.linspace(-2, 2, 9)
    assert torch.equal(activate(x, "Selu", gamma=2.0, alpha=None), activate(x, "Selu", 1.67326319217681884765625, 2.0))
    assert torch.equal(activate(x, ""), x)
