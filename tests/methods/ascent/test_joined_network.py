"""A vector instead of several inputs: the same values, the same gradients, the same obstacles."""

from __future__ import annotations

import numpy as np
import torch

from onnxviz.methods.ascent.joined_network import JoinedNetwork
from onnxviz.model.expectations.joined_inputs import JoinedInputs
from onnxviz.model.model import load

GRAPH = """agraph (float[N, 2] a, float[N, 1] b, float[N, 1] c) => (float[N, 2] y, float[N, 1] s) {
    y = Mul(a, b)
    s = Sign(c)
}"""


def joined(written, tensors):
    model = load(written(GRAPH))
    several = JoinedInputs.of(model, ["a", "b", "c"])
    return JoinedNetwork(model.network(tensors), several.name, several.inputs, several.split), several


def test_values_and_gradients_are_those_of_the_parts(written):
    network, several = joined(written, ["y"])
    vectors = torch.tensor(np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32), requires_grad=True)
    answers = network({several.name: vectors})
    torch.testing.assert_close(answers["y"], vectors[:, :2] * vectors[:, 2:3])
    assert answers[several.name] is vectors
    answers["y"].sum().backward()
    expected = torch.stack([*vectors[:, 2:3].expand(3, 2).T, vectors[:, :2].sum(1), torch.zeros(3)], 1)
    torch.testing.assert_close(vectors.grad, expected.detach())


def test_an_obstacle_is_one_for_all_parts(written):
    network, several = joined(written, ["y", "s"])
    assert network.obstacle(several.name, ["y", several.name]) == ""
    assert "Sign" in network.obstacle(several.name, ["s"])


def test_operators_can_be_replaced(written):
    network, several = joined(written, ["y"])
    twin = network.replacing({"Mul": lambda one, other, **_: one - other})
    torch.testing.assert_close(twin({several.name: torch.ones(2, 4)})["y"], torch.zeros(2, 2))
