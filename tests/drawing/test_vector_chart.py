"""The chart of a vector input."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.drawing.colors import BLUE, VERMILION
from onnxviz.drawing.feature_vector import FeatureVector
from onnxviz.drawing.vector_chart import vector_chart, vector_figure
from onnxviz.errors import DataError

RANDOM = np.random.default_rng(0)


def texts(figure):
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [text.get_text() for text in axes.texts] + [label.get_text() for label in axes.get_yticklabels()]
        found += [text.get_text() for text in axes.get_legend().get_texts()] if axes.get_legend() else []
        found.append(axes.get_xlabel())
    return found


def bars(figure):
    return [patch.get_width() for patch in figure.axes[0].patches]


def test_bars_are_standard_deviations_from_the_mean_the_longest_first():
    mean, std = np.array([10.0, 0.0, -5.0]), np.array([2.0, 0.1, 50.0])
    figure = vector_figure(FeatureVector([14.0, -0.5, 0.0], ["age", "dose", "size"], mean, std))
    np.testing.assert_allclose(bars(figure), [-5, 2, 0.1])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["dose", "age", "size"]
    shown = texts(figure)
    assert "standard deviations from the mean" in shown
    assert {"value", "mean", "14", "−0.5", "10", "−5"} <= set(shown)


def test_negative_and_positive_bars_differ_in_color():
    from matplotlib.colors import to_hex

    colors = [
        to_hex(patch.get_facecolor()).upper() for patch in vector_figure(FeatureVector([2.0, -1.0])).axes[0].patches
    ]
    assert colors == [VERMILION, BLUE]


def test_without_std_bars_are_in_own_units():
    figure = vector_figure(FeatureVector([3.0, -4.0], start=[1.0, 2.0], units="mmol/l"))
    np.testing.assert_allclose(bars(figure), [-4, 3])
    assert {"mmol/l", "start", "1", "2"} <= set(texts(figure))


def test_a_feature_that_never_varies_is_in_own_units():
    assert FeatureVector([3.0, 3.0], mean=1.0, std=[0.0, 4.0]).standardized([3.0, 3.0]).tolist() == [2.0, 0.5]


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (40, 40), (41, 30), (675, 30)])
def test_of_many_features_the_farthest_are_shown_and_told(count, shown):
    values = RANDOM.normal(size=count)
    vector = FeatureVector(values, mean=np.zeros(count), std=np.ones(count))
    figure = vector_figure(vector, "logits[0]", "wide.onnx")
    assert len(bars(figure)) == shown
    assert np.abs(bars(figure)).min() == np.sort(np.abs(values))[-shown]
    told = f"30 of {count} shown, the farthest from the mean first"
    assert any(told in text for text in texts(figure)) == (count > 40)
    assert len(figure.axes) == (2 if count > 40 else 1)
    if count > 40:
        assert len(figure.axes[1].collections[0].get_segments()) == count


def test_restarts_are_dots_and_bounds_lines():
    restarts = RANDOM.normal(size=(5, 3))
    figure = vector_figure(
        FeatureVector([1.0, 2.0, 3.0], restarts=restarts, low=-1.0, high=[4.0, np.inf, 5.0], start=np.zeros(3))
    )
    assert {"bounds", "each of 5 restarts", "start"} <= set(texts(figure))
    clouds = [np.asarray(cloud.get_offsets()) for cloud in figure.axes[0].collections if len(cloud.get_offsets()) == 15]
    (dots,) = clouds
    np.testing.assert_allclose(np.sort(dots[:, 0]), np.sort(restarts.ravel()))
    for row, feature in enumerate([2, 1, 0]):
        np.testing.assert_allclose(np.sort(dots[dots[:, 1] == row, 0]), np.sort(restarts[:, feature]))


def test_everything_drawn_lies_inside_the_axes():
    vector = FeatureVector([1.0, -2.0], restarts=[[9.0, 0.0]], start=[-7.0, 0.0], low=-1e9, high=1e9)
    low, high = vector_figure(vector).axes[0].get_xlim()
    assert low < -7 < 9 < high
    assert high - low < 20  # far bounds do not flatten the bars


def test_near_bounds_widen_the_axes():
    low, high = vector_figure(FeatureVector([1.0, -1.0], low=-1.5, high=1.5)).axes[0].get_xlim()
    assert low < -1.5 < 1.5 < high


def test_bounds_that_differ_give_each_feature_a_scale_of_its_own():
    low, high = np.array([0.0, 1000.0, -1.0, 7.0]), np.array([0.001, 3000.0, 1.0, 7.0])
    vector = FeatureVector([0.001, 1500.0, 0.0, 7.0], ["tiny", "huge", "unit", "fixed"], low=low, high=high)
    figure = vector_figure(vector)
    axes = figure.axes[0]
    # Bars begin in the middle of each scale; a feature without a range has no bar.
    np.testing.assert_allclose(bars(figure), [0.5, -0.25, 0, 0])
    assert {patch.get_x() for patch in axes.patches} == {0.5}
    assert axes.get_xlim()[0] < 0 < 1 < axes.get_xlim()[1]
    assert {"bounds", "0 to 0.001", "1000 to 3000", "−1 to 1", "7"} <= set(texts(figure))
    assert "on a scale of its own" in axes.get_xlabel()
    # Values and their bounds share the scale.
    np.testing.assert_allclose(vector.standardized(np.stack([low, high]))[:, :3], [[0] * 3, [1] * 3])


def test_a_reference_is_where_bars_on_own_scales_begin():
    vector = FeatureVector([2.0, 30.0], low=[0, 0], high=[4, 40], reference=[1.0, 40.0], drops=[1.0, 2.0])
    patches = vector_figure(vector).axes[0].patches
    np.testing.assert_allclose([(bar.get_x(), bar.get_width()) for bar in patches], [(1, -0.25), (0.25, 0.25)])


@pytest.mark.parametrize(
    "given",
    [
        {"low": -1.0, "high": 1.0},  # one range for all: in its own units
        {"low": [-1.0, -2.0], "high": [1.0, 2.0], "std": 1.0},
        {"low": [-1.0, -np.inf], "high": [1.0, 2.0]},
        {"low": [-1.0, -2.0]},
    ],
)
def test_else_all_features_share_an_axis(given):
    vector = FeatureVector([0.5, 0.25], **given)
    assert not vector.scaled
    np.testing.assert_allclose(bars(vector_figure(vector)), [0.5, 0.25])


def test_nothing_but_zeros_can_be_drawn():
    assert vector_figure(FeatureVector(np.zeros(3))).axes[0].get_xlim() == (-1, 1)
    assert vector_chart(FeatureVector([0.0])).shape[2] == 3


def test_names_of_attackers_are_escaped_and_cut():
    figure = vector_figure(FeatureVector([2.0, 1.0], ["a\n\u202e", "x" * 500]))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "a\\n\\u202e"
    assert "…" in labels[1]
    assert len(labels[1]) < 60


def test_features_without_names_have_numbers():
    figure = vector_figure(FeatureVector([1.0, 2.0]))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["[1]", "[0]"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"values": [[1.0]]}, r"shape \(1, 1\) is no vector"),
        ({"values": []}, r"shape \(0,\) is no vector"),
        ({"values": [1.0, np.nan]}, "feature 1 is not finite, so the vector cannot be drawn"),
        ({"values": [1.0], "names": ["a", "b"]}, "2 names were given for 1 features"),
        ({"values": [1.0, 2.0], "std": [1.0]}, r"std has the shape \(1,\), the vector \(2,\)"),
        ({"values": [1.0, 2.0], "restarts": [[1.0]]}, r"restarts has the shape \(1, 1\)"),
        ({"values": [1.0, 2.0], "restarts": [1.0, 2.0]}, r"restarts has the shape \(2,\)"),
        ({"values": [1.0, 2.0], "restarts": np.zeros((0, 2))}, r"restarts has the shape \(0, 2\)"),
        ({"values": [1.0, 2.0], "restarts": [[1.0, np.nan]]}, "restarts has values that are not finite"),
        ({"values": [1.0], "start": np.inf}, "start has values that are not finite"),
        ({"values": [1.0], "low": np.nan}, "low has values that are not finite"),
        ({"values": [1.0], "std": -1.0}, "std has values below zero"),
    ],
)
def test_what_does_not_fit_is_told(given, message):
    with pytest.raises(DataError, match=message):
        FeatureVector(**given)


def test_contributions_stand_beside_their_features_the_largest_first():
    vector = FeatureVector([1.0, 5.0, 3.0], ["a", "b", "c"], drops=[2.0, np.nan, -7.0], reference=np.zeros(3))
    figure = vector_figure(vector)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["c", "a", "b"]
    assert [patch.get_width() for patch in figure.axes[1].patches] == [-7, 2]
    assert {"−7", "2"} <= set(texts(figure))
    assert "zero" in figure.axes[1].get_xlabel()


def test_contributions_of_nothing_have_an_axis_to_read():
    axes = vector_figure(FeatureVector([1.0, 2.0], drops=[0.0, 0.0])).axes[1]
    low, high = axes.get_xlim()
    assert low <= 0 < 1 <= high


def test_real_rows_are_marks_at_their_values():
    rows = np.array([[0.5, -0.5], [1.5, 0.0]])
    figure = vector_figure(FeatureVector([1.0, 2.0], rows=rows, row_names=["one", "two"]))
    clouds = [np.asarray(c.get_offsets()) for c in figure.axes[0].collections if c.get_label() in ("one", "two")]
    np.testing.assert_allclose([cloud[:, 0] for cloud in clouds], rows[:, [1, 0]])
    legends = [
        text.get_text()
        for legend in figure.axes[0].get_children()
        if hasattr(legend, "get_texts")
        for text in legend.get_texts()
    ]
    assert {"one", "two"} <= set(legends)
