"""Climbed values: the questions' own numbers, with a slope where the question has none or a kink."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from onnxviz.methods.objectives.climbed_values import climbed_value
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.question import Question
from onnxviz.target import Target


@pytest.mark.parametrize("question", Question)
def test_the_values_are_those_of_the_question(question) -> None:
    values = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(climbed_value(question, values), question(values))


def test_the_highest_place_is_raised_with_those_nearly_as_high_until_it_stands_out() -> None:
    level = torch.linspace(0, 1, 100).reshape(1, -1).requires_grad_()
    (slope,) = torch.autograd.grad(climbed_value(Question.HIGHEST, level).sum(), level)
    assert slope[0, -1] < 0.5
    assert slope[0, -5] > 0
    alone = torch.zeros(1, 400)
    alone[0, 7] = 5
    (slope,) = torch.autograd.grad(climbed_value(Question.HIGHEST, alone.requires_grad_()).sum(), alone)
    assert slope[0, 7] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("question", [Question.RECTIFIED, Question.LOUD])
def test_a_silent_answer_has_a_slope_towards_its_first_sound(question) -> None:
    values = torch.tensor([[-3.0, -1.0, -2.0]], requires_grad=True)
    score = climbed_value(question, values)
    (slope,) = torch.autograd.grad(score.sum(), values)
    assert score.item() == -1
    assert slope.argmax() == 1
    assert slope.sum() > 0


def _climbed(question: Question) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a kernel, and the input of norm 1 that drives the answer of its convolution to a question."""
    generator = torch.Generator().manual_seed(3)
    kernel = torch.randn(1, 1, 5, 5, generator=generator) + 0.3
    objective = Objective.of(Target("y", (0,), fitting=question)).climbed
    inputs = torch.randn(1, 1, 32, 32, generator=generator)
    for _ in range(400):
        inputs.requires_grad_()
        score = objective({"y": F.conv2d(inputs, kernel)})
        (slope,) = torch.autograd.grad(score.sum(), inputs)
        moved = inputs.detach() / inputs.detach().norm() + 0.1 * slope / slope.norm()
        inputs = moved / moved.norm()
    return kernel, inputs


def test_the_mean_of_a_linear_layer_answers_flat_color() -> None:
    _, inputs = _climbed(Question.MEAN)
    inside = inputs[0, 0, 5:-5, 5:-5]
    assert inside.std() < 1e-3 * inside.abs().mean()


def test_loud_places_of_a_linear_layer_answer_as_loud_as_any_input_of_that_norm_can() -> None:
    kernel, inputs = _climbed(Question.LOUD)
    answer = F.conv2d(inputs, kernel)
    count = answer.numel()
    # No input of norm 1 has an answer of more energy than the largest singular value squared.
    wave = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(0))
    for _ in range(300):
        wave = F.conv_transpose2d(F.conv2d(wave / wave.norm(), kernel), kernel)
    most = wave.norm().item()
    reached = Question.LOUD(answer[:, 0]).item() ** 2 * count
    # A wave is answered with both signs, and half of its energy counts.
    assert 0.45 * most < reached <= most * (1 + 1e-5)
    even = torch.full_like(inputs, inputs.numel() ** -0.5)
    assert reached > 1.1 * Question.LOUD(F.conv2d(even, kernel)[:, 0]).item() ** 2 * count


def test_rows_of_a_sample_are_reduced_by_the_question() -> None:
    rows = torch.tensor([[0.0, 1.0], [4.0, 3.0], [2.0, 2.0], [0.0, 8.0]])
    for asked, wanted in ((None, [2.0, 5.0]), (Question.MEAN, [2.0, 5.0]), (Question.HIGHEST, [3.0, 8.0])):
        objective = Objective.of(Target("boxes", (1,), asked))
        assert objective({"boxes": rows}, 2).tolist() == wanted
        assert objective.climbed({"boxes": rows}, 2).tolist() == pytest.approx(wanted)
