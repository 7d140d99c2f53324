"""A sum of targets: read as it is written, and data that no arithmetic changes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxviz.errors import TargetError
from onnxviz.methods.objectives import Objective
from onnxviz.model.target import EACH, Target

# Names as exporters write them: scopes with slashes, spaces, signs, dots, numbers and nothing else.
names = st.from_regex(r"[a-zA-Z/0-9_](?:[a-zA-Z0-9/_.: +*-]{0,10}[a-zA-Z0-9/_.])?", fullmatch=True)
indices = st.lists(
    st.one_of(st.integers(0, 99), st.just(Ellipsis), st.just(slice(None)), st.just(slice(2, 5))), max_size=3
)
weights = st.sampled_from([1.0, -1.0, 0.5, -2.0, 1e-7, -3e12, 0.125])


@given(names, indices, weights)
@settings(deadline=None)
def test_one_term_is_read_back_as_it_was_written(name: str, index: list, weight: float) -> None:
    objective = weight * Objective.of(Target(name, tuple(index)))
    assert Objective.parse(str(objective), [name]) == objective


@given(st.lists(st.tuples(st.sampled_from(["a", "conv-1", "b/c d", "2", "0", "x.y:0", "e+f"]), weights), min_size=1))
@settings(deadline=None)
def test_a_sum_is_read_back_as_it_was_written(terms: list[tuple[str, float]]) -> None:
    known = ["a", "conv-1", "b/c d", "2", "0", "x.y:0", "e+f"]
    objective = sum(
        (w * Objective.of(Target(name, (3,))) for name, w in terms[1:]),
        terms[0][1] * Objective.of(Target(terms[0][0], (3,))),
    )
    assert Objective.parse(str(objective), known) == objective


def test_a_tensor_whose_name_is_a_number_does_not_hide_a_factor() -> None:
    objective = Objective.parse("0.5*493[281] - 2*0[1]", ["0", "2", "493"])
    assert [(weight, str(term)) for weight, term in objective.terms] == [(0.5, "493[281]"), (-2.0, "0[1]")]


def test_a_name_that_looks_like_a_sum_is_taken_whole() -> None:
    assert Objective.parse("a - b", ["a", "b", "a - b"]) == Objective.of(Target("a - b"))
    assert Objective.parse("a - b[2]", ["a", "b", "a - b"]) == Objective.of(Target("a - b", (2,)))
    assert Objective.parse("2*a[1]", ["2*a", "a"]) == Objective.of(Target("2*a", (1,)))
    assert Objective.parse("-a[1]", ["-a"]) == Objective.of(Target("-a", (1,)))
    assert Objective.parse("a[0]", ["a", "a[0]"]) == Objective.of(Target("a[0]"))


@pytest.mark.parametrize(
    "text", ["", "  ", "a[0] +", "a[0] - ", "2*", "a[x]", "a[1.5]", "[3]", "a[0] + 2*", "1e400*a[0]"]
)
def test_what_is_no_sum_is_refused(text: str) -> None:
    with pytest.raises(TargetError):
        Objective.parse(text, ["a", "b"])


def test_an_unknown_name_is_kept_as_it_was_written() -> None:
    assert Objective.parse("conv9[3] - 0.5*a[1]", ["a"]).tensors == ("conv9", "a")


def test_the_sign_and_the_factor_act_on_the_score() -> None:
    values = {"a": torch.tensor([[1.0, 2.0], [3.0, 5.0]]), "b": torch.tensor([[10.0], [20.0]])}
    score = Objective.parse("-a[1] + .5*b[0] - 2 * a[0]", ["a", "b"])(values)
    assert torch.equal(score, torch.tensor([-2.0 + 5.0 - 2.0, -5.0 + 10.0 - 6.0]))


def test_arithmetic_is_that_of_the_scores_and_changes_nothing() -> None:
    values = {"a": torch.randn(4, 3), "b": torch.randn(4, 2)}
    a, b = Objective.of(Target("a", (1,))), Objective.of(Target("b"))
    before = a.terms, b.terms
    assert torch.allclose((a + b)(values), a(values) + b(values))
    assert torch.allclose((a - b)(values), a(values) - b(values))
    assert torch.allclose((3 * a / 2 - b * 0.5)(values), 1.5 * a(values) - 0.5 * b(values))
    assert torch.equal((-(a * -1))(values), a(values))
    assert (a.terms, b.terms) == before
    with pytest.raises(dataclasses.FrozenInstanceError):
        a.terms = ()  # type: ignore[misc]  # the very thing that must fail


def test_equal_objectives_are_equal_and_hash_alike() -> None:
    one, other = Objective.parse("a[1] - b[2:]"), Objective.parse(" a[1]  -  b[2:] ")
    assert one == other
    assert hash(one) == hash(other)


def test_gradients_reach_every_term() -> None:
    a, b = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    Objective.parse("a[0] - 2*b", ["a", "b"])({"a": a, "b": b}).sum().backward()
    assert torch.equal(a.grad, torch.tensor([[1.0, 0, 0]]).expand(2, 3))
    assert torch.allclose(b.grad, torch.full((2, 3), -2 / 3))


def test_a_star_is_one_objective_for_each_place() -> None:
    starred = Objective.parse("a[*] - b[0]", ["a", "b"])
    assert [str(one) for one in starred.expand({"a": (3,)})] == [f"a[{place}] - b[0]" for place in range(3)]
    assert starred.terms[0][1].target.index == (EACH,)
    with pytest.raises(TargetError, match="only one target"):
        Objective.parse("a[*] - b[*]", ["a", "b"]).expand({"a": (3,), "b": (2,)})


def test_only_a_plain_target_is_one() -> None:
    assert Objective.parse("a[1]").target == Target("a", (1,))
    assert all(Objective.parse(text, ["a"]).target is None for text in ("-a[1]", "2*a[1]", "a[1] + a[2]"))
