"""The chosen samples of a unit, and the distribution of its scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

from onnxviz.methods.samples.exemplars import PERCENTILES, distribution, exemplars

SCORES = arrays.arrays(
    np.float32, some.integers(1, 40), elements=some.floats(-4, 4, width=16) | some.just(np.float32(np.nan))
)


@given(SCORES, some.integers(1, 12))
def test_the_lists_are_those_of_a_plain_sort(scores, k) -> None:
    chosen = exemplars(scores, k)
    finite = [place for place in range(len(scores)) if np.isfinite(scores[place])]
    falling = sorted(finite, key=lambda place: (-scores[place], place))
    assert list(chosen.highest) == falling[:k]
    assert list(chosen.lowest) == sorted(finite, key=lambda place: (scores[place], place))[:k]
    between = falling[k : len(falling) - k] if len(falling) > 2 * k else []
    assert list(chosen.spread) == sorted(set(chosen.spread), key=falling.index)
    assert len(chosen.spread) == min(k, len(between))
    assert set(chosen.spread) <= set(between)


def test_the_spread_is_even() -> None:
    assert exemplars(np.arange(100.0)[::-1], 4).spread == (4 + 11, 4 + 34, 4 + 57, 4 + 80)


@given(SCORES)
def test_the_distribution_is_numpys(scores) -> None:
    known = distribution(scores)
    finite = scores[np.isfinite(scores)].astype(np.float64)
    assert (known.count, known.not_finite) == (len(finite), len(scores) - len(finite))
    assert known.counts.sum() == len(finite)
    if len(finite):
        np.testing.assert_allclose(known.percentiles, np.percentile(finite, PERCENTILES))
        assert (known.low, known.high) == (finite.min(), finite.max())
        assert known.zeros == pytest.approx((finite == 0).mean())
        assert known.constant == (finite.min() == finite.max())
    else:
        assert not known.constant


@pytest.mark.parametrize("size", [1.0, -3.0, 1e9, 1e30])
def test_scores_that_differ_in_their_last_digit_have_a_distribution(size: float) -> None:
    scores = np.array([size, np.nextafter(size, np.inf), size])
    found = distribution(scores)
    assert (found.counts[0], found.counts[-1], found.counts.sum()) == (2, 1, 3)
    assert (found.low, found.high) == (size, np.nextafter(size, np.inf))


def test_bins_are_those_of_numpy() -> None:
    scores = np.random.default_rng(0).normal(size=1000)
    counts, _ = np.histogram(scores, 32)
    assert distribution(scores).counts.tolist() == counts.tolist()
