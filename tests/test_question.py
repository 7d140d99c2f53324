"""Questions: closed forms, the same numbers by numpy and by torch, and the notation that asks for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onnxviz.errors import TargetError
from onnxviz.question import ASKED, Question
from onnxviz.target import Target


@pytest.mark.parametrize("question", Question)
@pytest.mark.parametrize("kept", [1, 2])
def test_numpy_and_torch_answer_alike(question, kept) -> None:
    values = np.random.default_rng(0).standard_normal((3, 4, 5, 6))
    ours, theirs = question(torch.as_tensor(values), kept), question(values, kept)
    assert ours.shape == theirs.shape == values.shape[:kept]
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12)


def test_the_answers_are_those_of_their_names() -> None:
    values = np.array([[[-8.0, 1.0, 2.0], [4.0, 5.0, -1.0]]])
    assert Question.MEAN(values)[0] == pytest.approx(0.5)
    assert Question.HIGHEST(values)[0] == 5
    assert Question.CENTER(values)[0] == 5
    assert Question.RECTIFIED(values)[0] == pytest.approx(12 / 6)
    assert Question.LOUD(values)[0] == pytest.approx(((1 + 4 + 16 + 25) / 6) ** 0.5)


@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=9), st.floats(0.5, 64))
def test_loud_places_lie_between_the_mean_and_the_highest_and_scale(values, factor) -> None:
    array = np.array([values], np.float64)
    loud = Question.LOUD(array)[0]
    assert loud >= Question.RECTIFIED(array)[0] * (1 - 1e-9)
    assert loud <= max(0.0, array.max()) * (1 + 1e-9)
    assert Question.LOUD(factor * array)[0] == pytest.approx(factor * loud)


def test_loud_places_have_a_slope_that_is_finite_everywhere() -> None:
    values = torch.tensor([[0.0, -1.0], [0.0, 2.0]], requires_grad=True)
    Question.LOUD(values).sum().backward()
    assert torch.isfinite(values.grad).all()
    exact = torch.tensor([[0.5, 2.0, -1.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Question.LOUD, (exact,))


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("inside", ["conv1[12]", "relu[..., 3]", "logits", "a b[1:3, *]"])
def test_a_written_question_is_read_and_written_back(name, inside) -> None:
    target = Target.parse(f"{name}({inside})")
    assert target.asked is target.question is ASKED[name]
    assert str(target) == f"{name}({inside})"
    assert target.place_text == inside
    assert Target.parse(str(target)) == target
    assert target.tensor == Target.parse(inside).tensor


def test_a_tensor_that_has_the_name_of_a_question_is_taken_whole() -> None:
    names = {"max(a[1])", "max(b)", "a", "a[1]"}
    assert Target.parse("max(a[1])", names) == Target("max(a[1])")
    assert Target.parse("max(b)[2]", names) == Target("max(b)", (2,))
    assert Target.parse("mean(a[1])", names) == Target("a[1]", asked=Question.MEAN)


@pytest.mark.parametrize("text", ["max(mean(a))", "center(max(a[1]))"])
def test_one_target_has_one_question(text) -> None:
    with pytest.raises(TargetError, match="one question"):
        Target.parse(text)


def test_the_center_of_a_map_is_that_of_all_its_units() -> None:
    values = np.arange(2 * 3 * 5.0).reshape(1, 2, 3, 5)
    assert Target("a", (1,), Question.CENTER, units=0).select(values)[0] == values[0, 1, 1, 2]
    assert Target("a", (), Question.CENTER, units=0).select(values)[0] == values[0, :, 1, 2].mean()


@pytest.mark.parametrize(
    "index", [(), (1,), (slice(None), 1), (Ellipsis, slice(None, None, -2)), (-1, slice(1, None), 2)]
)
def test_the_highest_place_holds_the_highest_value(index) -> None:
    values = np.random.default_rng(1).standard_normal((1, 3, 4, 5))
    target = Target("a", index, Question.HIGHEST)
    assert values[(0, *target.highest(values))] == target.select(values)[0]
