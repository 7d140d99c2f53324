"""Two computations of a tensor, compared by the tensor's range."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxviz.errors import EvaluationError
from onnxviz.methods.verification import AMPLIFIED, Agreement, agreement, explain, suspects, verify


@given(st.floats(1e-3, 1e6), st.floats(1e-6, 1e6))
@settings(deadline=None)
def test_the_error_is_relative_to_the_tensors_own_range(spread: float, factor: float) -> None:
    theirs = np.array([-spread, 0.25 * spread, spread])
    ours = theirs + np.array([0.0, 0.02 * spread, 0.0])
    row = agreement("a", factor * ours, factor * theirs, 0.02)
    # From -spread to spread the range is twice the spread.
    assert row.max_rel_error == pytest.approx(0.01)
    assert row.max_abs_error == pytest.approx(0.02 * spread * factor)
    assert row.ok
    assert not agreement("a", factor * ours, factor * theirs, 0.009).ok


def test_values_far_from_zero_are_relative_to_their_size() -> None:
    theirs = np.array([1000.0, 1000.001])
    assert agreement("a", theirs + 0.1, theirs, 1e-3).max_rel_error == pytest.approx(1e-4, rel=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_has_to_stand_in_the_same_places(bad: float) -> None:
    theirs = np.array([1.0, bad, 3.0], np.float32)
    assert agreement("a", theirs.copy(), theirs, 0.0).ok
    for ours in (np.array([1.0, 2.0, 3.0]), np.array([bad, bad, 3.0]), np.array([bad, 1.0, 3.0])):
        row = agreement("a", ours, theirs, 1e9)
        assert not row.ok
        assert row.note


def test_opposite_infinities_and_a_nan_for_an_infinity_differ() -> None:
    for ours, theirs in ((np.inf, -np.inf), (np.nan, np.inf), (np.inf, np.nan)):
        assert not agreement("a", np.array([ours, 1.0]), np.array([theirs, 1.0]), 1e9).ok


def test_another_shape_is_never_the_same() -> None:
    row = agreement("a", np.zeros((2, 1)), np.zeros((1, 2)), 1.0)
    assert not row.ok
    assert row.shape == (1, 2)
    assert "2x1" in row.note


@pytest.mark.parametrize("value", [np.zeros((0, 3)), np.zeros(3), np.full(2, np.nan), np.float32(2.0)])
def test_equal_values_agree_exactly(value: np.ndarray) -> None:
    row = agreement("a", np.asarray(value), np.asarray(value), 0.0)
    assert (row.ok, row.max_abs_error, row.max_rel_error) == (True, 0.0, 0.0)


def test_a_tensor_of_zeros_admits_no_error() -> None:
    assert not agreement("a", np.array([0.0, 1e-6]), np.zeros(2), 1.0).ok


def test_rows_come_in_the_order_asked_for_and_lists_are_left_out() -> None:
    def session(inputs):
        return {"a": inputs["x"] + 1, "list": [inputs["x"]], "b": inputs["x"] * 2}

    def network(inputs):
        x = torch.as_tensor(inputs["x"]).requires_grad_()
        return {"a": x + 1, "list": [x], "b": x * 2.5}

    rows = verify(network, session, {"x": np.ones((1, 3), np.float32)}, ["b", "list", "a"], 1e-3)
    assert [(row.name, row.ok) for row in rows] == [("b", False), ("a", True)]
    assert rows[0].max_abs_error == pytest.approx(0.5)


# x -> a -> b -> c, and a -> k, a whole number of unknown error.
READS = {"a": ("x",), "b": ("a",), "k": ("a",), "c": ("b", "k")}


def reads(name: str) -> tuple[str, ...]:
    return READS.get(name, ())


def row(name: str, error: float) -> Agreement:
    return Agreement(name, (2,), "float32", error, error, error <= 1e-3)


def alone(**errors: float):
    """Return a stand-in for single operators: each is off by so much of its range, 1."""
    return lambda name: (np.array([0.0, 1.0 + errors.get(name, 0.0)]), np.array([0.0, 1.0]))


def test_only_what_may_have_had_a_part_is_looked_at_again() -> None:
    assert suspects([row("a", 1e-7), row("b", 1e-7), row("c", 1e-7)], reads, 1e-3) == ()
    assert suspects([row("a", 1e-7), row("b", 1e-7), row("c", 0.5)], reads, 1e-3) == ("k", "c")
    every = suspects([row("a", 4e-4), row("b", 4e-4), row("c", 0.5)], reads, 1e-3)
    assert set(every) == {"a", "b", "k", "c"}
    assert all(every.index(one) < every.index(name) for name in every for one in reads(name) if one in every)


def test_rounding_that_grew_is_told_from_an_operator_that_differs() -> None:
    rows = [row("a", 1e-7), row("b", 0.1), row("c", 0.2)]
    grown = explain(rows, alone(), reads, 1e-3)
    assert [one.amplified for one in grown] == [False, True, True]
    assert [one.diverges for one in grown] == [False, False, False]
    assert [one.note for one in grown] == ["", AMPLIFIED, AMPLIFIED]
    # The errors are reported unchanged, for every cause.
    assert [(one.max_rel_error, one.ok) for one in grown] == [(1e-7, True), (0.1, False), (0.2, False)]
    wrong = explain(rows, alone(b=0.1), reads, 1e-3)
    assert [one.diverges for one in wrong] == [False, True, True]
    assert "on the same inputs" in wrong[1].note
    assert "that of b is off by 1.0e-01 on the same inputs" in wrong[2].note


def test_an_error_that_is_no_rounding_excuses_nothing_behind_it() -> None:
    # The operator of a is within the tolerance, but its error is larger than rounding: it causes the errors after it.
    rows = [row("a", 5e-4), row("b", 5e-4), row("c", 0.2)]
    assert not explain(rows, alone(), reads, 1e-3)[2].diverges
    assert explain(rows, alone(a=5e-4), reads, 1e-3)[2].diverges
    # The same holds for whole numbers, whose error is not in the rows.
    assert explain([row("a", 1e-7), row("b", 1e-7), row("c", 0.2)], alone(k=1.0), reads, 1e-3)[2].diverges


def test_what_differs_though_nothing_before_it_does_is_a_divergence() -> None:
    assert explain([row("a", 0.1)], alone(), reads, 1e-3)[0].diverges
    assert explain([row("a", 0.0), row("b", 0.1)], alone(), reads, 1e-3)[1].diverges


def test_an_operator_that_cannot_be_run_alone_is_not_excused() -> None:
    def refusing(name: str):
        raise EvaluationError(name)

    assert explain([row("a", 1e-7), row("b", 0.1)], refusing, reads, 1e-3)[1].diverges


def test_sequences_are_compared_tensor_by_tensor() -> None:
    rows = [row("a", 1e-7), row("b", 0.1)]
    listed = [np.zeros(2), np.ones(2)]
    assert not explain(rows, lambda name: (listed, listed), reads, 1e-3)[1].diverges
    assert explain(rows, lambda name: (listed[:1], listed), reads, 1e-3)[1].diverges
    assert explain(rows, lambda name: (listed[::-1], listed), reads, 1e-3)[1].diverges


def test_a_tight_tolerance_does_not_make_rounding_a_fault_of_what_stands_before() -> None:
    rows = [row("a", 3e-7), row("b", 1e-2), row("c", 1e-2)]
    found = explain(rows, alone(a=3e-7), reads, 1e-6)
    assert [one.diverges for one in found] == [False, False, False]
    assert explain(rows, alone(a=3e-7, b=2e-6), reads, 1e-6)[1].diverges
