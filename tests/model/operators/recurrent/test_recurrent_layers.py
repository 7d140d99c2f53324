"""RNN, GRU and LSTM: against ONNX Runtime, against torch's layers, and against consequences of their definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from single_node import outputs_of, written

import onnxviz
from onnxviz.errors import EvaluationError

TIME, BATCH, WIDTH, HIDDEN = 6, 3, 4, 5
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
OUTPUTS = {"RNN": "y, h", "GRU": "y, h", "LSTM": "y, h, c"}
DIRECTIONS = ("forward", "reverse", "bidirectional")

ALPHAS = "activation_alpha=[0.3, 0.5, 0.2, 0.6, 0.7, 0.8], activation_beta=[0.4, 0.7, 0.5, 0.6]"

# Attributes of one direction.
VARIANTS = [
    ("RNN", ""),
    ("RNN", "clip=0.4"),
    ("RNN", 'activations=["Relu"]'),
    ("RNN", 'activations=["LeakyRelu"]'),
    ("RNN", 'activations=["Softplus"]'),
    ("RNN", 'activations=["HardSigmoid"], activation_alpha=[0.3, 0.3], activation_beta=[0.4, 0.4]'),
    ("RNN", 'activations=["Affine"], activation_alpha=[0.3, 0.3], activation_beta=[0.4, 0.4]'),
    ("GRU", ""),
    ("GRU", "clip=0.4"),
    ("GRU", "linear_before_reset=1"),
    ("GRU", "linear_before_reset=1, clip=0.4"),
    ("GRU", f'activations=["HardSigmoid", "Softsign"], {ALPHAS}'),
    ("LSTM", ""),
    ("LSTM", "clip=0.4"),
    ("LSTM", "input_forget=1"),
    ("LSTM", f'activations=["HardSigmoid", "ScaledTanh", "Elu"], {ALPHAS}'),
    ("LSTM", f'activations=["Tanh", "HardSigmoid", "ThresholdedRelu"], {ALPHAS}'),
]

SHORT = np.array([3, 6, 1], np.int32)
WITH_EMPTY = np.array([0, 5, 2], np.int32)

Inputs = dict[str, np.ndarray]


def layer(operator: str, directions: int, *, seed: int = 0, states: bool = True, peepholes: bool = False) -> Inputs:
    """Return X, W, R, B and initial states of a layer."""
    generator = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return (0.7 * generator.standard_normal(shape)).astype(np.float32)

    gates = GATES[operator] * HIDDEN
    inputs = {
        "x": draw(TIME, BATCH, WIDTH),
        "w": draw(directions, gates, WIDTH),
        "r": draw(directions, gates, HIDDEN),
        "b": draw(directions, 2 * gates),
    }
    if states:
        inputs["h0"] = draw(directions, BATCH, HIDDEN)
        if operator == "LSTM":
            inputs["c0"] = draw(directions, BATCH, HIDDEN)
    if peepholes:
        inputs["p"] = draw(directions, 3 * HIDDEN)
    return inputs


def call(operator: str, inputs: Inputs, attributes: str = "", direction: str = "forward") -> str:
    """Return the node in ONNX's text form."""
    order = ["x", "w", "r", "b", "l", "h0", *(["c0", "p"] if operator == "LSTM" else [])]
    names = [name if name in inputs else "" for name in order]
    while not names[-1]:
        names.pop()
    attributes = ", ".join(filter(None, (f'hidden_size={HIDDEN}, direction="{direction}"', attributes)))
    return f"{OUTPUTS[operator]} = {operator}<{attributes}>({', '.join(names)})"


def for_directions(attributes: str, directions: int) -> str:
    """Repeat the activations of one direction for the second."""
    start, found, rest = attributes.partition("activations=[")
    names, _, end = rest.partition("]")
    return f"{start}{found}{', '.join([names] * directions)}]{end}" if found else attributes


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(("operator", "attributes"), VARIANTS)
def test_variants_are_those_of_onnx_runtime(
    operator: str, attributes: str, direction: str, compare: Callable[..., None]
) -> None:
    directions = 1 + (direction == "bidirectional")
    inputs = layer(operator, directions)
    compare(written(call(operator, inputs, for_directions(attributes, directions), direction), inputs, 14), inputs)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("lengths", [SHORT, WITH_EMPTY, np.full(BATCH, TIME, np.int32), np.zeros(BATCH, np.int32)])
@pytest.mark.parametrize("attributes", ["", "clip=0.4"], ids=["kernel", "loop"])
@pytest.mark.parametrize("operator", ["RNN", "GRU", "LSTM"])
def test_short_sequences_are_those_of_onnx_runtime(
    operator: str, attributes: str, lengths: np.ndarray, direction: str, compare: Callable[..., None]
) -> None:
    inputs = {**layer(operator, 1 + (direction == "bidirectional")), "l": lengths}
    if operator == "GRU" and not attributes:
        attributes = "linear_before_reset=1"
    compare(written(call(operator, inputs, attributes, direction), inputs, 22), inputs)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("attributes", ["", "clip=0.4", "input_forget=1"])
def test_peepholes_are_those_of_onnx_runtime(attributes: str, direction: str, compare: Callable[..., None]) -> None:
    inputs = layer("LSTM", 1 + (direction == "bidirectional"), peepholes=True)
    compare(written(call("LSTM", inputs, attributes, direction), inputs, 7), inputs)


@pytest.mark.parametrize("operator", ["RNN", "GRU", "LSTM"])
def test_optional_inputs_and_outputs_may_be_missing(operator: str, compare: Callable[..., None]) -> None:
    inputs = layer(operator, 1, states=False)
    del inputs["b"]
    compare(written(call(operator, inputs), inputs, 14), inputs)
    last_only = written(call(operator, inputs), inputs, 14)
    last_only.graph.node[0].output[0] = ""
    del last_only.graph.output[0]
    compare(last_only, inputs)


REORDERED = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}
"""torch's gates in ONNX's order."""


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("time", [2, TIME], ids=["loop", "kernel"])
@pytest.mark.parametrize("operator", ["RNN", "GRU", "LSTM"])
def test_a_layer_is_that_of_torch(operator: str, time: int, bidirectional: bool) -> None:
    torch.manual_seed(0)
    reference = getattr(torch.nn, operator)(WIDTH, HIDDEN, bidirectional=bidirectional)
    suffixes = ("", "_reverse") if bidirectional else ("",)

    def gathered(name: str) -> np.ndarray:
        parts = [getattr(reference, f"{name}_l0{suffix}").detach() for suffix in suffixes]
        return torch.stack(
            [torch.cat([part.chunk(GATES[operator])[g] for g in REORDERED[operator]]) for part in parts]
        ).numpy()

    x = torch.randn(time, BATCH, WIDTH, requires_grad=True)
    inputs = {
        "x": x.detach().numpy(),
        "w": gathered("weight_ih"),
        "r": gathered("weight_hh"),
        "b": np.concatenate([gathered("bias_ih"), gathered("bias_hh")], 1),
    }
    attributes = "linear_before_reset=1" if operator == "GRU" else ""
    text = call(operator, inputs, attributes, "bidirectional" if bidirectional else "forward")
    hidden, state = reference(x)
    wanted = [hidden.unflatten(2, (len(suffixes), -1)).transpose(1, 2), *(state if operator == "LSTM" else [state])]
    leaf = x.detach().clone().requires_grad_(True)
    ours = list(onnxviz.load(written(text, inputs, 14)).network()({**inputs, "x": leaf}).values())
    for one, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    directions = [torch.randn_like(one) for one in wanted]
    (gradient,) = torch.autograd.grad(ours, leaf, directions)
    (other_gradient,) = torch.autograd.grad(wanted, x, directions)
    torch.testing.assert_close(gradient, other_gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("lengths", [None, SHORT], ids=["full", "short"])
@pytest.mark.parametrize(("operator", "attributes"), [("RNN", ""), ("GRU", "linear_before_reset=1"), ("LSTM", "")])
def test_the_kernel_and_the_loop_are_one_function(
    operator: str, attributes: str, lengths: np.ndarray | None, direction: str
) -> None:
    inputs = layer(operator, 1 + (direction == "bidirectional"))
    if lengths is not None:
        inputs["l"] = lengths
    gradients = []
    for clip in ("", "clip=1e6"):  # a clip without effect excludes torch's kernel
        leaf = torch.tensor(inputs["x"], requires_grad=True)
        text = call(operator, inputs, ", ".join(filter(None, (attributes, clip))), direction)
        outputs = onnxviz.load(written(text, inputs, 14)).network()({**inputs, "x": leaf}).values()
        gradients.append(torch.autograd.grad(sum(one.square().sum() for one in outputs), leaf)[0])
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("operator", ["RNN", "GRU", "LSTM"])
def test_a_reverse_layer_is_a_forward_one_on_the_flipped_sequence(operator: str) -> None:
    inputs = layer(operator, 1)
    backward, *states = outputs_of(call(operator, inputs, direction="reverse"), inputs, 14)
    flipped = {**inputs, "x": inputs["x"][::-1].copy()}
    forward, *other_states = outputs_of(call(operator, flipped), flipped, 14)
    torch.testing.assert_close(backward, forward.flip(0))
    torch.testing.assert_close(states, other_states)


@pytest.mark.parametrize("operator", ["RNN", "GRU", "LSTM"])
def test_batch_major_layout_is_time_major_transposed(operator: str) -> None:
    inputs = layer(operator, 2)
    y, *states = outputs_of(call(operator, inputs, direction="bidirectional"), inputs, 14)
    turned = {name: a.swapaxes(0, 1).copy() if name in ("x", "h0", "c0") else a for name, a in inputs.items()}
    y1, *states1 = outputs_of(call(operator, turned, "layout=1", "bidirectional"), turned, 14)
    torch.testing.assert_close(y1, y.permute(2, 0, 1, 3))
    torch.testing.assert_close(states1, [state.transpose(0, 1) for state in states])


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("operator", ["RNN", "GRU", "LSTM"])
def test_a_short_sequence_is_that_sequence_alone(operator: str, direction: str) -> None:
    inputs = {**layer(operator, 1 + (direction == "bidirectional"), states=False), "l": SHORT}
    y, *states = outputs_of(call(operator, inputs, direction=direction), inputs, 14)
    for sample, length in enumerate(SHORT):
        alone = {name: a for name, a in inputs.items() if name != "l"}
        alone["x"] = inputs["x"][:length, sample : sample + 1]
        y1, *states1 = outputs_of(call(operator, alone, direction=direction), alone, 14)
        torch.testing.assert_close(y[:length, :, sample], y1[:, :, 0])
        assert not y[length:, :, sample].any()
        torch.testing.assert_close([state[:, sample] for state in states], [state[:, 0] for state in states1])


@pytest.mark.parametrize("lengths", [None, WITH_EMPTY], ids=["full", "short"])
@pytest.mark.parametrize(("operator", "attributes"), VARIANTS)
def test_gradients(operator: str, attributes: str, lengths: np.ndarray | None) -> None:
    inputs = layer(operator, 1, peepholes=operator == "LSTM")
    if lengths is not None:
        inputs["l"] = lengths
    wide = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in inputs.items()}
    network = onnxviz.load(written(call(operator, wide, attributes), wide, 14)).network()
    names = [name for name in wide if name != "l"]

    def function(*leaves: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(network({**wide, **dict(zip(names, leaves, strict=True))}).values())

    leaves = [torch.tensor(wide[name], requires_grad=True) for name in names]
    assert torch.autograd.gradcheck(function, leaves, fast_mode=True)


@pytest.mark.parametrize(("operator", "opset"), [("RNN", 1), ("GRU", 1), ("GRU", 3), ("LSTM", 1)])
def test_the_first_revisions_mean_the_same(operator: str, opset: int) -> None:
    inputs = layer(operator, 1)
    text = call(operator, inputs).replace(
        'direction="forward"', "output_sequence=1"
    )  # the default direction of GRU 1 is misspelled
    for old, new in zip(outputs_of(text, inputs, opset), outputs_of(call(operator, inputs), inputs, 7), strict=True):
        torch.testing.assert_close(old, new)


REFUSALS = [
    ("hidden_size=7", {}, "hidden_size is 7, but that of the recurrent weight is 5; they must be equal"),
    ('direction="sideways"', {}, "direction is 'sideways'; it must be forward, reverse or bidirectional"),
    ('direction="bidirectional"', {}, r"the weights are those of 1 direction\(s\)"),
    ("clip=-1.0", {}, "clip is -1.0; a threshold must be positive"),
    ('activations=["Sine", "Tanh", "Tanh"]', {}, "activations has 'sine'; a recurrent operator knows relu"),
    ('activations=["Tanh"]', {}, r"activations has 1 names; 1 direction\(s\) need 3"),
    ('activations=["Affine", "Tanh", "Tanh"]', {}, "the activation affine has no activation_alpha"),
    (
        'activations=["ThresholdedRelu", "Tanh", "Tanh"]',
        {},
        "thresholdedrelu has no activation_alpha; give its value, because ONNX and ONNX Runtime have different defaults",
    ),
    ('activations=["Tanh", "ScaledTanh", "Tanh"], activation_alpha=[2.0]', {}, "scaledtanh has no activation_beta"),
    ("", {"l": np.array([7, 1, 1], np.int32)}, "each must lie between 0 and the 6 steps of X"),
    ("", {"l": np.array([1, 1], np.int32)}, "sequence_lens has 2 lengths for a batch of 3"),
]


@pytest.mark.parametrize(("attributes", "more", "sentence"), REFUSALS)
def test_refusals(attributes: str, more: Inputs, sentence: str) -> None:
    inputs = {**layer("LSTM", 1), **more}
    text = call("LSTM", inputs).replace(
        f'<hidden_size={HIDDEN}, direction="forward">', f"<{attributes}>" if attributes else ""
    )
    with pytest.raises(EvaluationError, match=sentence):
        outputs_of(text, inputs, 14)
