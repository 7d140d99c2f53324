"""A sum of targets: it is read as it is written, and arithmetic does not change its data."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from onnxviz.errors import TargetError
from onnxviz.methods.objectives.directions import Direction, Inversion, Likeness
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.methods.objectives.regularizers import L1, L2, Blur, TotalVariation
from onnxviz.methods.objectives.sets import Alignment, Diversity, Interpolation
from onnxviz.methods.objectives.terms import Activation, Energy
from onnxviz.target import EACH, Target

# Names as exporters write them: scopes with slashes, spaces, signs, dots, and numbers alone.
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


# Functions of tensors.

known_names = st.sampled_from(["a", "conv-1", "b/c d", "2", "x.y:0", "e+f", "g(h)", "like(a)", "power=2", "p, q"])
targets = st.builds(Target, known_names, st.sampled_from([(), (3,), (Ellipsis, 3), (slice(2, 5), 1), (EACH,)]))
files = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1).filter(str.strip)
powers = st.floats(0, 1e9, allow_subnormal=False)
terms = st.one_of(
    st.builds(Activation, targets),
    st.builds(Energy, targets),
    st.builds(Direction, targets, files, powers),
    st.builds(Likeness, targets, powers),
    *(st.builds(kind, targets) for kind in (Inversion, Diversity, Alignment, TotalVariation, L1, L2, Blur)),
    st.builds(Interpolation, targets, targets),
)
any_weight = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
KNOWN = ["a", "conv-1", "b/c d", "2", "x.y:0", "e+f", "g(h)", "like(a)", "power=2", "p, q"]


@given(st.lists(st.tuples(any_weight, terms), min_size=1, max_size=4))
@settings(deadline=None)
def test_functions_are_read_back_as_they_were_written(summands: list) -> None:
    objective = Objective(tuple(summands))
    # A tensor of that very name comes first, as everywhere.
    assume(not any(str(term).startswith("like(a)") and isinstance(term, Likeness) for _, term in summands))
    # A file with the name of a tensor stays the file, since only the name is kept.
    assert Objective.parse(str(objective), KNOWN) == objective


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("energy( a )", "energy(a)"),
        ("2 *  direction(a[1,:] , v.npy ,power = 2.0)-l1(a)", "2*direction(a[1, :], v.npy, power=2)-l1(a)"),
        ('direction(a, "my (1), v.npy")', "direction(a, 'my (1), v.npy')"),
        ("direction(a, v (1).npy)", "direction(a, 'v (1).npy')"),
        ("like(a, power=2)", "like(a)"),
        ("-.25*total_variation(input)", "-0.25*total_variation(a)"),
        ("interpolate(input[3],a[4])", "interpolate(a[3], a[4])"),
    ],
)
def test_one_thing_may_be_written_in_several_ways(written: str, same: str) -> None:
    assert Objective.parse(written, ["a"], "a") == Objective.parse(same, ["a"], "a")


def test_a_tensor_whose_name_looks_like_a_function_is_found() -> None:
    assert Objective.parse("energy(a)", ["a", "energy(a)"]) == Objective.of(Target("energy(a)"))
    assert Objective.parse("2*l1(a)[3] - a", ["a", "l1(a)"]).targets == (Target("l1(a)", (3,)), Target("a"))
    assert Objective.parse("energy(l1(a)[3])", ["a", "l1(a)"]).targets == (Target("l1(a)", (3,)),)
    assert Objective.parse("energy", ["energy"]) == Objective.of(Target("energy"))
    assert Objective.parse("energy(energy)", ["energy"]).terms[0][1] == Energy(Target("energy"))


def test_the_word_input_is_a_tensor_where_there_is_one_of_that_name() -> None:
    assert Objective.parse("l1(input)", ["input", "a"], "a").tensors == ("input",)
    assert Objective.parse("l1(input)", ["data", "a"], "data").tensors == ("data",)
    assert Objective.parse("input", ["data"], "data").tensors == ("input",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "entropy(a)",
            r"no function 'entropy'; the functions are energy\(TENSOR\), direction.*, mean\(TARGET\), max\(TARGET\), center\(TARGET\)",
        ),
        ("energy()", r"0 arguments; write energy\(TENSOR\)"),
        ("energy(a, a)", "2 arguments"),
        ("direction(a)", "FILE.npy"),
        ("like(a, power=x)", "power is 'x'"),
        ("like(a, power=-1)", "0 or more"),
        ("like(a, strength=2)", r"no option 'strength'; write like\(TENSOR, power=2\)"),
        ("interpolate(a[1])", "1 argument;"),
        ("energy(a", "not closed"),
        ("direction(a, 'v.npy)", "not closed"),
        ("direction(a, v (1.npy)", "quotes"),
        ("energy(a) a", r"expected \+ or -"),
        ("energy(a[x])", "is no index"),
    ],
)
def test_what_is_no_function_is_told_what_there_is(text: str, words: str) -> None:
    with pytest.raises(TargetError, match=words):
        Objective.parse(text, ["a", "b"])


def test_a_star_inside_a_function_is_one_objective_for_each_place() -> None:
    (first, second) = Objective.parse("energy(a[*]) - 100*diversity(b)", ["a", "b"]).expand({"a": (2,)})
    assert (str(first), str(second)) == ("energy(a[0]) - 100*diversity(b)", "energy(a[1]) - 100*diversity(b)")
    passage = Objective.parse("interpolate(a[*], b[0])", ["a", "b"])
    assert [str(one) for one in passage.expand({"a": (2,)})] == ["interpolate(a[0], b[0])", "interpolate(a[1], b[0])"]


def test_what_makes_a_set() -> None:
    assert [
        (one.members, one.compares, one.passes)
        for one in (
            Objective.parse(text, ["a"], "a")
            for text in ("a[1] - l1(a)", "a[1] - diversity(a)", "interpolate(a[0], a[1])", "-alignment(a)")
        )
    ] == [(0, False, False), (4, True, False), (6, False, True), (4, True, False)]
    both = Objective.parse("interpolate(a[0], a[1]) + alignment(a)", ["a"])
    assert (both.members, both.alone) == (6, Objective.parse("interpolate(a[0], a[1])", ["a"]))
    assert Objective.parse("diversity(a)", ["a"]).alone is None
