"""DynamicQuantizeLSTM: against ONNX Runtime, against the LSTM of its dequantized weights, and its gradient."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from single_node import outputs_of, written

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.model.operators.recurrent.quantized import dynamic_quantize_lstm, rounded_dynamically

TIME, BATCH, WIDTH, HIDDEN = 6, 3, 4, 8
Inputs = dict[str, np.ndarray]


def layer(directions: int, kind: type = np.uint8, per_gate: bool = False, peepholes: bool = True) -> Inputs:
    """Return the inputs of a layer; int8 weights stay small, since ONNX Runtime's products of large ones overflow on some processors."""
    generator = np.random.default_rng(0)
    low, high, zero = (0, 255, 128) if kind is np.uint8 else (-60, 60, 0)
    scales = (directions, 4 * HIDDEN) if per_gate else (directions,)

    def draw(*shape: int) -> np.ndarray:
        return (0.7 * generator.standard_normal(shape)).astype(np.float32)

    inputs = {
        "x": draw(TIME, BATCH, WIDTH),
        "w": generator.integers(low, high, (directions, WIDTH, 4 * HIDDEN)).astype(kind),
        "r": generator.integers(low, high, (directions, HIDDEN, 4 * HIDDEN)).astype(kind),
        "b": draw(directions, 8 * HIDDEN),
        "h0": draw(directions, BATCH, HIDDEN),
        "c0": draw(directions, BATCH, HIDDEN),
    }
    if peepholes:
        inputs["p"] = draw(directions, 3 * HIDDEN)
    for name in ("w", "r"):
        inputs[f"{name}s"] = (0.01 * generator.random(scales)).astype(np.float32)
        inputs[f"{name}z"] = np.full(scales, zero, kind)
    return inputs


def call(inputs: Inputs, direction: str = "forward", attributes: str = "") -> str:
    order = ["x", "w", "r", "b", "l", "h0", "c0", "p", "ws", "wz", "rs", "rz"]
    names = ", ".join(name if name in inputs else "" for name in order)
    return f'y, h, c = com.microsoft.DynamicQuantizeLSTM<hidden_size={HIDDEN}, direction="{direction}"{attributes}>({names})'


def compare(model: onnx.ModelProto, inputs: Inputs) -> None:
    """Compare with ONNX Runtime in one thread: with several it cuts the batch into parts, each of which has its own range."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    ours = onnxviz.load(model).network()(inputs)
    theirs = session.run(None, {name: inputs[name] for name in names})
    for output, wanted in zip(session.get_outputs(), theirs, strict=True):
        np.testing.assert_allclose(ours[output.name].numpy(), wanted, rtol=1e-4, atol=1e-5, err_msg=output.name)


@pytest.mark.parametrize("per_gate", [False, True], ids=["per tensor", "per gate"])
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_layers_are_those_of_onnx_runtime(direction: str, kind: type, per_gate: bool) -> None:
    inputs = layer(1 + (direction == "bidirectional"), kind, per_gate)
    compare(written(call(inputs, direction), inputs, 14, constants=("w", "r", "ws", "wz", "rs", "rz")), inputs)


@pytest.mark.parametrize("lengths", [[3, 6, 5], [4, 3, 2]], ids=["one is full", "none is full"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_short_sequences_are_those_of_onnx_runtime(direction: str, lengths: list[int]) -> None:
    inputs = {**layer(1 + (direction == "bidirectional"), peepholes=False), "l": np.array(lengths, np.int32)}
    compare(written(call(inputs, direction), inputs, 14), inputs)


def test_attributes_are_those_of_onnx_runtime() -> None:
    inputs = layer(1)
    names = 'activations=["HardSigmoid", "Tanh", "Softsign"], activation_alpha=[0.3], activation_beta=[0.4]'
    compare(written(call(inputs, attributes=f", clip=0.5, input_forget=1, {names}"), inputs, 14), inputs)


def test_it_is_near_the_lstm_of_the_dequantized_weights_and_so_is_its_gradient() -> None:
    inputs = layer(1, peepholes=False)
    plain = {name: inputs[name] for name in ("x", "b", "h0", "c0")}
    for name in ("w", "r"):
        wide = (inputs[name].astype(np.float32) - inputs[f"{name}z"].astype(np.float32)) * inputs[f"{name}s"]
        plain[name] = wide.transpose(0, 2, 1).copy()
    lstm = f"y, h, c = LSTM<hidden_size={HIDDEN}>(x, w, r, b, , h0, c0)"
    leaves, ends = [], []
    for text, given in ((call(inputs), inputs), (lstm, plain)):
        leaf = torch.tensor(given["x"], requires_grad=True)
        outputs = onnxviz.load(written(text, given, 14)).network()({**given, "x": leaf})
        leaves.append(torch.autograd.grad(outputs["y"].sum(), leaf)[0])
        ends.append(outputs["y"].detach())
    torch.testing.assert_close(*ends, rtol=0, atol=0.03)
    torch.testing.assert_close(*leaves, rtol=0, atol=0.03)
    assert leaves[1].abs().max() > 0.1


def test_rounding_keeps_zero_and_the_range() -> None:
    values = torch.tensor([[-1.0, 0.0, 0.3], [0.001, 2.0, 1.5]], requires_grad=True)
    rounded = rounded_dynamically(values)
    assert rounded[0, 1] == 0
    assert (rounded - values).abs().max() <= 3 / 255
    levels = (rounded / (3 / 255)).detach()
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
    rounded.sum().backward()
    torch.testing.assert_close(values.grad, torch.ones_like(values))


def test_zeros_stay_zeros() -> None:
    assert not rounded_dynamically(torch.zeros(2, 3)).any()


def test_all_of_the_outputs_come_from_the_node() -> None:
    inputs = layer(2)
    y, h, c = outputs_of(call(inputs, "bidirectional"), inputs, 14)
    torch.testing.assert_close(h, torch.stack([y[-1, 0], y[0, 1]]))
    assert c.shape == h.shape


def test_missing_scales_are_refused() -> None:
    x, w, r = torch.zeros(1, 1, 2), torch.zeros(1, 2, 4), torch.zeros(1, 1, 4)
    with pytest.raises(
        EvaluationError,
        match="a scale or a zero point of the weights is missing; the operator needs those of W and of R",
    ):
        dynamic_quantize_lstm(x, w, r)
