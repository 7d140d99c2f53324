"""The nearest rows, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.methods.evidence import neighbors
from onnxviz.methods.evidence.neighbors import nearest_rows


@pytest.mark.parametrize("stretch", [3, 4096])
def test_they_are_the_nearest_by_brute_force(monkeypatch, stretch):
    monkeypatch.setattr(neighbors, "_ROWS_AT_ONCE", stretch)
    random = np.random.default_rng(0)
    table, point, scale = (
        random.normal(size=(50, 4)) * [1, 10, 100, 1],
        random.normal(size=4),
        np.array([1.0, 10, 100, 0]),
    )
    found = nearest_rows(table, point, scale)
    standard = np.array([1.0, 10, 100, 1])  # a constant feature is measured in its own units
    distances = np.sqrt((((table - point) / standard) ** 2).sum(1))
    assert found.rows.tolist() == np.argsort(distances)[:3].tolist()
    assert found.distances == pytest.approx(np.sort(distances)[:3])
    among = np.sqrt((((table[:, None] - table[None]) / standard) ** 2).sum(2))
    np.fill_diagonal(among, np.inf)
    assert found.usual == pytest.approx(np.median(among.min(1)))


def test_fewer_rows_than_asked_for_are_all_returned():
    found = nearest_rows(np.array([[1.0, 2.0]]), np.zeros(2), np.ones(2))
    assert found.rows.tolist() == [0]
    assert found.usual == 0
