"""Deletion and insertion: identities for sums, areas of straight lines, and the comparison with chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onnxviz.methods.attribution.faithfulness import Faithfulness, faithfulness
from onnxviz.methods.attribution.places import Places

VECTOR = Places((6,), ("feature",))
SHARES = torch.tensor([5.0, -1.0, 3.0, 0.5, 2.0, 1.0])
INPUT, START = torch.ones(1, 6), torch.zeros(1, 6)


def score(x):
    return (x * SHARES).sum(1) + 10


def test_the_curves_begin_and_end_at_the_input_and_the_baseline() -> None:
    found = faithfulness(score, [INPUT], [START], [VECTOR], [SHARES.numpy()])
    assert (found.start, found.end) == (10.0, 20.5)
    assert found.deletion[-1] == found.insertion[0] == 10.0
    assert found.insertion[-1] == found.deletion[0] == 20.5
    assert (found.shares[0], found.shares[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_the_right_order_takes_the_largest_shares_first(at_once: int) -> None:
    found = faithfulness(score, [INPUT], [START], [VECTOR], [SHARES.numpy()], at_once)
    rising = np.concatenate([[0], np.cumsum(np.sort(SHARES.numpy())[::-1])])
    np.testing.assert_allclose(found.insertion, 10 + rising, rtol=1e-6)
    np.testing.assert_allclose(found.deletion, 20.5 - rising, rtol=1e-6)
    assert found.summary["beats_chance"]


def test_of_a_sum_what_is_deleted_and_what_is_inserted_make_up_the_whole() -> None:
    for maps in (SHARES.numpy(), -SHARES.numpy(), np.arange(6.0)):
        found = faithfulness(score, [INPUT], [START], [VECTOR], [maps])
        np.testing.assert_allclose(np.add(found.insertion, found.deletion), 30.5, rtol=1e-6)
        areas = found.summary
        assert areas["insertion"] + areas["deletion"] == pytest.approx(1, abs=1e-6)
        assert areas["chance_insertion"] + areas["chance_deletion"] == pytest.approx(1, abs=1e-6)


def test_the_wrong_order_does_not_beat_chance() -> None:
    found = faithfulness(score, [INPUT], [START], [VECTOR], [-SHARES.numpy()])
    assert found.summary["gain"] < 0
    assert not found.summary["beats_chance"]


def test_a_score_that_falls_is_judged_the_same_way() -> None:
    found = faithfulness(lambda x: -score(x), [INPUT], [START], [VECTOR], [-SHARES.numpy()])
    up = faithfulness(score, [INPUT], [START], [VECTOR], [-SHARES.numpy()])
    assert found.summary["beats_chance"]
    assert found.summary["gain"] == pytest.approx(-up.summary["gain"], abs=1e-6)


def test_straight_lines_have_half_the_area_and_equal_scores_none() -> None:
    line = (0.0, 0.5, 1.0)
    even = Faithfulness(line, (4.0, 3.0, 2.0), (2.0, 3.0, 4.0), (4.0, 3.0, 2.0), (2.0, 3.0, 4.0), (0.0,))
    assert even.summary["deletion"] == even.summary["insertion"] == pytest.approx(0.5)
    flat = Faithfulness(line, (2.0, 3.0, 2.0), (2.0, 3.0, 2.0), (2.0, 2.0, 2.0), (2.0, 2.0, 2.0), (0.0,))
    assert flat.area(flat.deletion) is None
    assert flat.summary["beats_chance"] is None


def test_pixels_are_taken_with_all_of_their_channels() -> None:
    picture = Places((2, 3, 3), ("channel", "height", "width"))
    seen = []

    def watch(x):
        seen.append(x.clone())
        return x.sum((1, 2, 3))

    faithfulness(watch, [torch.ones(1, 2, 3, 3)], [torch.zeros(1, 2, 3, 3)], [picture], [np.arange(9.0).reshape(3, 3)])
    assert all(torch.equal(x[:, 0], x[:, 1]) for x in seen)
    assert {int(x[:, 0].sum()) for x in seen} == set(range(10))


def test_chance_follows_the_seed() -> None:
    maps = [np.arange(6.0)]
    one, same, other = (faithfulness(score, [INPUT], [START], [VECTOR], maps, 8, seed) for seed in (0, 0, 5))
    assert one == same
    assert one.chance_insertion != other.chance_insertion
