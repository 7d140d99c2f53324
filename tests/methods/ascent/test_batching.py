"""Samples are run in batches only if each sample gives the same result alone."""

from __future__ import annotations

import pytest
import torch

from onnxviz.errors import EvaluationError
from onnxviz.methods.ascent.batching import Batched

SAMPLE = torch.linspace(-1, 1, 3)[None]


def test_a_network_that_works_row_by_row_is_batchable() -> None:
    batched = Batched(lambda inputs: {"y": inputs["x"].square()}, "x", {}, SAMPLE)
    assert batched.batchable
    assert torch.equal(batched({"x": SAMPLE.expand(4, 3)})["y"], SAMPLE.expand(4, 3).square())


def test_a_sample_of_a_single_number_is_enough_to_find_out() -> None:
    assert Batched(lambda inputs: {"y": inputs["x"].exp()}, "x", {}, torch.zeros(1, 1)).batchable


def fixed(inputs):
    if len(inputs["x"]) != 1:
        raise EvaluationError("a batch of one is wanted")
    return {"y": inputs["x"]}


def mixed(inputs):
    return {"y": inputs["x"] - inputs["x"].mean(0)}


def reduced(inputs):
    return {"y": inputs["x"].sum()}


def first_alone(inputs):
    return {"y": inputs["x"][:1].expand_as(inputs["x"])}


def listed(inputs):
    return {"y": [inputs["x"]]}


@pytest.mark.parametrize("network", [fixed, mixed, reduced, first_alone, listed])
def test_a_network_whose_samples_are_not_alone_is_not_batchable(network) -> None:
    assert not Batched(network, "x", {}, SAMPLE).batchable


def joined(inputs):
    x, held = inputs["x"], inputs["held"]
    if len(x) != len(held):
        raise EvaluationError(f"{len(x)} rows beside {len(held)}")
    return {"y": torch.cat((x, held), 1)}


def test_held_inputs_are_repeated_where_the_network_wants_it() -> None:
    held = torch.tensor([[5.0, 6.0]])
    batched = Batched(joined, "x", {"held": held}, SAMPLE)
    assert batched.batchable
    rows = batched({"x": torch.zeros(3, 3)})["y"]
    assert torch.equal(rows[:, 3:], held.expand(3, 2))


def test_held_inputs_that_broadcast_stay_as_they_are() -> None:
    seen = []

    def network(inputs):
        seen.append(inputs["held"].shape)
        return {"y": inputs["x"] * inputs["held"]}

    batched = Batched(network, "x", {"held": torch.full((1, 3), 2.0)}, SAMPLE)
    assert batched.batchable
    assert torch.equal(batched({"x": torch.ones(5, 3)})["y"], torch.full((5, 3), 2.0))
    assert set(seen) == {torch.Size((1, 3))}


def test_a_held_scalar_is_never_repeated() -> None:
    batched = Batched(lambda inputs: {"y": inputs["x"] * inputs["gain"]}, "x", {"gain": torch.tensor(3.0)}, SAMPLE)
    assert batched.batchable
    assert torch.equal(batched({"x": torch.ones(2, 3)})["y"], torch.full((2, 3), 3.0))


def test_another_network_takes_over_the_held_inputs() -> None:
    batched = Batched(joined, "x", {"held": torch.tensor([[5.0]])}, SAMPLE)
    twin = batched.running(lambda inputs: {"y": -joined(inputs)["y"]})
    inputs = {"x": torch.ones(2, 3)}
    assert torch.equal(twin(inputs)["y"], -batched(inputs)["y"])


def test_rounding_alone_does_not_forbid_a_batch() -> None:
    weight = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    assert Batched(lambda inputs: {"y": 1e6 * (inputs["x"] @ weight)}, "x", {}, SAMPLE).batchable


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_compared_like_others(value: float) -> None:
    def overflowing(inputs):
        return {"y": torch.cat((inputs["x"], torch.full_like(inputs["x"], value)), 1)}

    assert Batched(overflowing, "x", {}, SAMPLE).batchable
    assert not Batched(lambda inputs: {"y": inputs["x"].sum(0, keepdim=True) * value}, "x", {}, SAMPLE).batchable


def test_what_the_network_tells_of_gradients_is_handed_on() -> None:
    class Telling:
        def __call__(self, inputs):
            return {"y": inputs["x"] * 2}

        def obstacle(self, name, tensors=None):
            return f"nothing moves {name} by {tensors}"

    sample = torch.ones(1, 3)
    assert Batched(Telling(), "x", {}, sample).obstacle("x", ["y"]) == "nothing moves x by ['y']"
    assert Batched(lambda inputs: {"y": inputs["x"]}, "x", {}, sample).obstacle("x") == ""


def counted(inputs):
    return {"y": inputs["x"][inputs["x"] > 0][None]}


def nothing(inputs):
    return {"y": inputs["x"][:0]}


@pytest.mark.parametrize("network", [counted, nothing])
def test_outputs_whose_length_depends_on_the_data_are_not_batched(network) -> None:
    assert not Batched(network, "x", {}, SAMPLE, other=-SAMPLE - 2).batchable
