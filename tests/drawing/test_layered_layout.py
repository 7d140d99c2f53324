"""Layered layouts: arrows point down, boxes of a layer do not touch, and a line begins and ends at its boxes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxviz.drawing.layered_layout import layered_layout

SIZES = st.integers(1, 24).flatmap(
    lambda count: st.tuples(
        st.lists(st.floats(20, 120), min_size=count, max_size=count),
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=40),
    )
)


@settings(max_examples=60, deadline=None)
@given(SIZES)
def test_every_drawing_keeps_its_promises(drawn) -> None:
    widths, pairs = drawn
    edges = list(dict.fromkeys((min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]))
    found = layered_layout(widths, edges, gap=(18.0, 30.0))
    for (start, end), route in zip(edges, found.routes, strict=True):
        assert found.y[start] < found.y[end]
        np.testing.assert_allclose(route[0], [found.x[start], found.y[start]])
        np.testing.assert_allclose(route[-1], [found.x[end], found.y[end]])
        assert (np.diff(route[:, 1]) > 0).all()
    for level in set(found.y):
        boxes = sorted((found.x[node], widths[node]) for node in range(len(widths)) if found.y[node] == level)
        for (left, first), (right, second) in pairwise(boxes):
            assert right - left >= (first + second) / 2 + 18 - 1e-6
    half = np.asarray(widths) / 2
    assert (found.x - half >= -1e-6).all()
    assert (found.x + half <= found.width + 1e-6).all()
    assert found.y.max() < found.height


def test_a_chain_is_straight() -> None:
    found = layered_layout([40.0, 90.0, 60.0], [(0, 1), (1, 2)])
    np.testing.assert_allclose(found.x, found.x[0])


def test_a_long_arrow_passes_beside_what_lies_between() -> None:
    found = layered_layout([40.0] * 4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    route = found.routes[3]
    assert len(route) == 4
    for x, y in route[1:-1]:
        for node in (1, 2):
            assert y != found.y[node] or abs(x - found.x[node]) > 20


def test_two_crossing_arrows_are_uncrossed() -> None:
    found = layered_layout([40.0] * 4, [(0, 3), (1, 2)])
    assert (found.x[0] < found.x[1]) == (found.x[3] < found.x[2])


def test_an_edge_that_leads_back_is_refused() -> None:
    with pytest.raises(ValueError, match="forward"):
        layered_layout([1.0, 1.0], [(1, 0)])
