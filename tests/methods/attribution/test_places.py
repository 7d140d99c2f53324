"""Places: elements that form one, windows, groups, and the way back to a sample's axes."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.methods.attribution.places import Places, flat_order

CASES = [
    (Places((3, 8, 6), ("channel", "height", "width")), (8, 6), (0,)),
    (Places((8, 6, 3), ("height", "width", "channel")), (8, 6), (2,)),
    (Places((2, 50), ("channel", "time")), (50,), (0,)),
    (Places((7,), ("feature",)), (7,), ()),
    (Places((9, 4), ("token", "dimension")), (9,), (1,)),
    (Places((5,), ("channel",)), (5,), ()),
]


@pytest.mark.parametrize(("places", "sizes", "shared"), CASES)
def test_channels_and_dimensions_belong_to_one_place(places, sizes, shared) -> None:
    assert (places.sizes, places.shared) == (sizes, shared)
    assert places.count == np.prod(sizes)


@pytest.mark.parametrize(("places", "sizes", "shared"), CASES)
def test_a_lifted_array_totals_to_itself(places, sizes, shared) -> None:
    array = np.arange(places.count, dtype=float).reshape(sizes)
    lifted = places.lift(array)
    np.testing.assert_array_equal(places.total(lifted), array)
    spread = np.broadcast_to(lifted, places.shape)
    np.testing.assert_array_equal(places.total(spread), array * np.prod([places.shape[axis] for axis in shared]))
    np.testing.assert_array_equal(places.largest(-spread), array)


@pytest.mark.parametrize(("places", "sizes", "shared"), CASES)
def test_windows_fit_and_span_what_is_shared(places, sizes, shared) -> None:
    for side in (None, 1, 1000):
        sides, steps = places.window(side)
        assert all(1 <= step <= wide <= size for wide, step, size in zip(sides, steps, places.shape, strict=True))
        assert all(sides[axis] == places.shape[axis] for axis in shared)


@pytest.mark.parametrize(("places", "sizes", "shared"), CASES)
def test_groups_are_numbered_without_gaps(places, sizes, shared) -> None:
    groups = places.groups()
    assert groups.shape == sizes
    assert set(groups.reshape(-1).tolist()) == set(range(groups.max() + 1))


def test_groups_are_bounded_for_large_pictures_and_single_for_features() -> None:
    assert Places((3, 224, 200), ("channel", "height", "width")).groups().max() + 1 == 64
    assert Places((675,), ("feature",)).groups().max() + 1 == 675
    assert Places((24000,), ("time",)).groups().max() + 1 == 64


def test_an_axis_of_one_place_does_not_count() -> None:
    series = Places((28, 1), ("time", "feature"))
    assert series.dimensions == 1
    assert series.evenly_spaced
    assert series.groups().max() + 1 == 28
    assert not Places((1, 7), ("time", "feature")).evenly_spaced


def test_the_order_runs_from_the_highest_value_over_all_inputs() -> None:
    assert flat_order([np.array([1.0, 5.0]), np.array([[3.0], [5.0]])]).tolist() == [1, 3, 2, 0]
