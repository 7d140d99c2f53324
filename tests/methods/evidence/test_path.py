"""A path is like those of real samples where its channels are, whatever their units; noise is not."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.methods.evidence.path import LayerStatistics, path

RNG = np.random.default_rng(0)
EVERY = RNG.standard_normal((64, 24))
KIN = RNG.standard_normal(24)
BEST = KIN + 0.5 * RNG.standard_normal((8, 24))


def measured(found: np.ndarray, every: np.ndarray = EVERY, best: np.ndarray = BEST):
    layer = LayerStatistics.of(every, best)
    assert layer is not None
    told = path({"relu": layer}, {"relu": found})
    assert told is not None
    return told


def test_the_numbers_are_pearson_correlations_of_standardized_means() -> None:
    found = RNG.standard_normal(24)
    told = measured(found)
    own, best = ((values - EVERY.mean(0)) / EVERY.std(0) for values in (found, BEST))
    table = np.corrcoef(np.vstack([own, best]))
    assert told.similarity == pytest.approx(table[0, 1:].mean())
    assert told.between_samples == pytest.approx(table[1:, 1:][np.triu_indices(8, 1)].mean())
    assert told.layers == [{"tensor": "relu", "similarity": told.similarity, "between_samples": told.between_samples}]
    assert told.samples == 8
    assert told.statement == f"path {told.similarity:.2f} of {told.between_samples:.2f} between real samples"


def test_a_real_sample_is_like_the_best_ones_and_noise_is_not() -> None:
    real, noise = measured(KIN + 0.5 * RNG.standard_normal(24)), measured(RNG.standard_normal(24))
    assert real.share == pytest.approx(1, abs=0.25)
    assert noise.similarity < 0.5 * real.similarity


def test_units_of_channels_do_not_matter() -> None:
    scale, shift = np.exp(3 * RNG.standard_normal(24)), 100 * RNG.standard_normal(24)
    found = RNG.standard_normal(24)
    plain = measured(found)
    # A channel that varies by less than a twentieth of the usual counts less, so all are of similar spread here.
    scale = np.clip(scale, 0.5, 2)
    other = measured(found * scale + shift, EVERY * scale + shift, BEST * scale + shift)
    assert other.similarity == pytest.approx(plain.similarity)


def test_where_nothing_can_be_compared_there_is_no_path() -> None:
    assert LayerStatistics.of(np.ones((5, 24)), np.ones((2, 24))) is None
    assert LayerStatistics.of(EVERY[:, :2], BEST[:, :2]) is None
    one = LayerStatistics.of(EVERY, BEST[:1])
    assert one is not None
    assert path({"relu": one}, {"relu": KIN}) is None
    assert path({}, {}) is None
    layer = LayerStatistics.of(EVERY, BEST)
    assert layer is not None
    assert path({"relu": layer}, {"relu": KIN * np.nan}) is None
