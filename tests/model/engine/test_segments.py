"""Gradients of deep graphs in segments: the same to the bit, in less memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

import onnxviz
from onnxviz.model.engine.network import Network
from onnxviz.model.engine.segments import Segments

LAYERS = 100


@pytest.fixture
def network(written) -> Network:
    """Residual layers, with a Split whose second part is read far behind it."""
    lines = ["p, q = Split <axis = 1, num_outputs = 2> (x)", "h0 = Conv <pads = [1, 1, 1, 1]> (p, w)"]
    for layer in range(LAYERS):
        lines += [f"c{layer} = Conv <pads = [1, 1, 1, 1]> (h{layer}, w)", f"r{layer} = Tanh (c{layer})"]
        lines += [f"h{layer + 1} = Add (r{layer}, h{layer})"]
    lines += [f"y = Mul (h{LAYERS}, q)"]
    text = "agraph (float[N, 8, 6, 6] x) => (float[N, 4, 6, 6] y) {" + "\n".join(lines) + "}"
    weights = np.random.default_rng(0).normal(0, 0.1, (4, 4, 3, 3)).astype(np.float32)
    return onnxviz.load(written(text, w=weights, opset=18)).network(["y", "r50"])


def gradient(segments: Segments, sample: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor, int]:
    """Return the outputs, the gradient, and how many bytes were kept for it."""
    kept = 0

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    moving = sample.clone().requires_grad_()
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = segments.run([moving])
    (found,) = torch.autograd.grad(sum(one.square().sum() for one in outputs), moving)
    return [one.detach() for one in outputs], found, kept


def test_values_and_gradients_are_the_same_to_the_bit(network) -> None:
    sample = torch.as_tensor(np.random.default_rng(1).normal(size=(2, 8, 6, 6)).astype(np.float32))
    whole, parts = gradient(Segments(network.plan), sample), gradient(Segments(network.plan, limit=0), sample)
    for one, other in zip(whole[0], parts[0], strict=True):
        assert torch.equal(one, other)
    assert torch.equal(whole[1], parts[1])
    assert whole[1].abs().sum() > 0
    # Only between the segments: these hooks do not see recomputed tensors.
    assert parts[2] < whole[2] / 4


def test_only_what_is_large_and_asks_for_a_gradient_is_cut(network, monkeypatch) -> None:
    cut = []
    monkeypatch.setattr(Segments, "_in_segments", lambda self, inputs, redirect: cut.append(len(inputs[0])))
    segments = Segments(network.plan, limit=4 * LAYERS * 3 * 4 * 36 * 4)
    for batch, moves in ((1, True), (16, False), (16, True)):
        segments.run([torch.ones(batch, 8, 6, 6, requires_grad=moves)])
    with torch.no_grad():
        segments.run([torch.ones(16, 8, 6, 6, requires_grad=True)])
    assert cut == [16]


def test_another_gradient_for_an_operator_holds_in_segments_too(network) -> None:
    sample = torch.ones(1, 8, 6, 6)
    found = []
    for limit in (1 << 30, 0):
        moving = sample.clone().requires_grad_()
        redirect = lambda declaration: torch.relu if declaration.operator == "Tanh" else None  # noqa: E731
        outputs = Segments(network.plan, limit).run([moving], redirect)
        found.append(torch.autograd.grad(outputs[0].sum(), moving)[0])
    assert torch.equal(*found)
