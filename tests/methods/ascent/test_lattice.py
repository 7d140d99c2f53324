"""Whole numbers and one-hot groups: nearest points and neighbors, by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from onnxviz.methods.ascent.lattice import Lattice

LATTICE = Lattice(
    np.array([True, False, False, False, False]),
    ((2, 3, 4),),
    np.array([-1.5, -np.inf, 0, 0, 0]),
    np.array([2.5, np.inf, 1, 1, 1]),
)
ALLOWED = [np.array([whole, 0.3, *code]) for whole, code in itertools.product((-1.0, 0, 1, 2), np.eye(3))]


@pytest.mark.parametrize("seed", range(20))
def test_the_nearest_point_is_the_nearest_of_all(seed):
    point = np.random.default_rng(seed).normal(scale=2, size=5)
    point[1] = 0.3
    distances = [np.linalg.norm(point - other) for other in ALLOWED]
    np.testing.assert_array_equal(LATTICE.nearest(point), ALLOWED[int(np.argmin(distances))])


def test_it_works_on_whole_batches_and_keeps_the_type():
    points = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    settled = LATTICE.nearest(points)
    assert settled.dtype == np.float32
    np.testing.assert_array_equal(settled, np.stack([LATTICE.nearest(point) for point in points]))


def test_neighbors_are_allowed_and_differ_in_one_thing():
    point = np.array([0.0, 0.3, 0, 1, 0])
    neighbors = LATTICE.neighbors(point)
    # One up, one down (which is the lower bound), the upper bound; two other codes.
    assert len(neighbors) == 5
    for other in neighbors:
        np.testing.assert_array_equal(other, LATTICE.nearest(other))
        assert (other[0] != 0) != (other[2:] != point[2:]).any()


def test_a_vector_without_whole_numbers_has_no_neighbors():
    free = Lattice(np.zeros(2, bool), (), np.full(2, -np.inf), np.full(2, np.inf))
    assert free.empty
    assert free.neighbors(np.zeros(2)).shape == (0, 2)


def test_groups_of_a_plane_are_places_of_the_flattened_sample():
    own = (4, 3)
    places = np.arange(12).reshape(own).T
    plane = Lattice(np.zeros(own, bool), tuple(map(tuple, places)), np.zeros(own), np.ones(own))
    points = np.random.default_rng(0).normal(size=(5, *own))
    np.testing.assert_array_equal(plane.nearest(points), np.eye(4)[points.argmax(1)].transpose(0, 2, 1))
    others = plane.neighbors(plane.nearest(points[0]))
    assert others.shape == (9, *own)
    np.testing.assert_array_equal(others.sum(1), np.ones((9, 3)))
