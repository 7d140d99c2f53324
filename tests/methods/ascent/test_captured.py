"""A recorded network gives the values and gradients of the network; without a GPU nothing is recorded."""

from __future__ import annotations

import math

import pytest
import torch
from onnx import parser

import onnxviz
from onnxviz.methods.ascent.batching import Batched
from onnxviz.methods.ascent.captured import Captured

TEXT = """
    <ir_version: 8, opset_import: ["" : 17]>
    small (float[N, 3, 8, 8] image) => (float[N, 4, 8, 8] answer, float[N, 4, 8, 8] warmed)
    <float[4, 3, 3, 3] kernel = {KERNEL}>
    {
        made = Conv<pads = [1, 1, 1, 1]>(image, kernel)
        answer = Tanh(made)
        warmed = Softplus(answer)
    }
"""
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="recording needs a CUDA device")


def batched(device: str) -> Batched:
    kernel = ", ".join(f"{math.sin(7 * place):.4f}" for place in range(108))
    model = onnxviz.load(parser.parse_model(TEXT.replace("KERNEL", kernel)))
    network = model.network(["answer", "warmed"], device=device)
    return Batched(network, "image", {}, torch.zeros(1, 3, 8, 8, device=device))


def test_off_a_gpu_the_network_runs_as_it_is() -> None:
    network = batched("cpu")
    captured = Captured(network)
    image = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.equal(captured({"image": image})["answer"], network({"image": image})["answer"])
    assert not captured.recorded


@needs_gpu
@pytest.mark.parametrize("count", [1, 5])
def test_what_is_replayed_is_what_was_recorded(count) -> None:
    network = batched("cuda")
    captured = Captured(network)
    for seed in range(3):  # the first records, the others replay
        image = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed)).cuda().requires_grad_()
        gradients = []
        for run in (network, captured):
            answer = run({"image": image})
            value = answer["answer"].square().sum() + answer["warmed"].sum()
            gradients.append(torch.autograd.grad(value, image)[0])
        torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-5)
    assert captured.recorded


@needs_gpu
def test_passes_without_gradients_leave_a_recording_alone() -> None:
    captured = Captured(batched("cuda"))
    image = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).cuda().requires_grad_()
    alone = torch.autograd.grad(captured({"image": image})["answer"].square().sum(), image)[0]
    value = captured({"image": image})["answer"].square().sum()
    with torch.no_grad():
        captured({"image": image + 1})
    torch.testing.assert_close(torch.autograd.grad(value, image)[0], alone)
