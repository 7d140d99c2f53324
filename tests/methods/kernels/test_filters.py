"""Descriptions of kernels: textbook operators, Gabor functions of known parameters, symmetries, duplicates."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from onnxviz.errors import DataError, UsageError
from onnxviz.methods.kernels.filters import KINDS, FilterDescription, describe, duplicates, order
from onnxviz.methods.kernels.spectra import measure

SOBEL = np.array([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]])
PREWITT = np.array([[1.0, 1, 1], [0, 0, 0], [-1, -1, -1]])
SCHARR = np.array([[3.0, 10, 3], [0, 0, 0], [-3, -10, -3]])
DIAGONAL = np.array([[0.0, 1, 2], [-1, 0, 1], [-2, -1, 0]])
LINE = np.array([[-1.0, -1, -1], [2, 2, 2], [-1, -1, -1]])
SLANTED_LINE = np.array([[-1.0, -1, 2], [-1, 2, -1], [2, -1, -1]])
LAPLACIAN = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
WIDE_LAPLACIAN = np.array([[1.0, 1, 1], [1, -8, 1], [1, 1, 1]])
SHARPEN = np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]])
BINOMIAL = np.outer([1.0, 2, 1], [1, 2, 1])
FORWARD = np.array([[0.0, 0, 0], [0, -1, 1], [0, 0, 0]])
ROBERTS = np.array([[1.0, 0], [0, -1]])
SADDLE = np.array([[1.0, 0, -1], [0, 0, 0], [-1, 0, 1]])


def one(kernel: np.ndarray, color: str | None = None) -> FilterDescription:
    """Describe a single kernel of one channel, or of several if it has three axes and a color."""
    array = np.asarray(kernel, np.float64)
    return describe(array[None] if color else array[None, None], color)[0]


def turned(degrees: float, reference: float) -> float:
    """Return the angle between two lines."""
    return abs((degrees - reference + 90) % 180 - 90)


def gaussian(size: int, sigma: float) -> np.ndarray:
    places = np.arange(size) - (size - 1) / 2
    profile = np.exp(-(places**2) / (2 * sigma**2))
    return np.outer(profile, profile)


def gabor(size: int, orientation: float, frequency: float, phase: float) -> np.ndarray:
    """Return a Gabor function whose lines run at an angle, counterclockwise as seen with the first row on top."""
    down, right = np.mgrid[:size, :size] - (size - 1) / 2
    angle = math.radians(orientation)
    across = math.sin(angle) * right + math.cos(angle) * down
    envelope = np.exp(-(down**2 + right**2) / (2 * (size / 4) ** 2))
    return envelope * np.cos(2 * math.pi * frequency * across + phase)


@pytest.mark.parametrize(
    ("kernel", "kind", "orientation"),
    [
        (SOBEL, "edge", 0),
        (SOBEL.T, "edge", 90),
        (PREWITT, "edge", 0),
        (SCHARR.T, "edge", 90),
        (DIAGONAL, "edge", 135),
        (np.fliplr(DIAGONAL), "edge", 45),
        (FORWARD, "edge", 90),
        (ROBERTS, "edge", 45),
        (LINE, "line", 0),
        (LINE.T, "line", 90),
        (SLANTED_LINE, "line", 45),
    ],
)
def test_oriented_operators(kernel, kind, orientation):
    found = one(kernel)
    assert found.kind == kind
    assert turned(found.orientation, orientation) < 1e-6
    assert found.text.startswith(f"{kind} at {orientation}°")


@pytest.mark.parametrize(
    ("kernel", "kind", "words"),
    [
        (LAPLACIAN, "Laplacian-like", "negative center"),
        (-LAPLACIAN, "Laplacian-like", "positive center"),
        (WIDE_LAPLACIAN, "Laplacian-like", "negative center"),
        (SHARPEN, "Laplacian-like", "positive center"),
        (
            gaussian(7, 1.0) / gaussian(7, 1.0).sum() - gaussian(7, 2.0) / gaussian(7, 2.0).sum(),
            "Laplacian-like",
            "positive center",
        ),
        (BINOMIAL, "blob", "positive blob"),
        (-gaussian(7, 1.5), "blob", "negative blob"),
        (np.eye(3)[1][:, None] * np.eye(3)[1], "impulse", "passes its input unchanged"),
        (np.ones((3, 3)), "flat", "a mean over its window"),
        (SADDLE, "mixed", "mixed"),
    ],
)
def test_operators_without_a_direction(kernel, kind, words):
    found = one(kernel)
    assert found.kind == kind
    assert found.orientation is None
    assert words in found.text


def test_a_blob_beside_the_middle_is_a_blob():
    assert one(np.pad(BINOMIAL, ((0, 2), (2, 0)))).kind == "blob"


def test_several_periods_make_a_grating_and_few_do_not():
    assert one(gabor(11, 30, 0.25, 1.0)).kind == "grating"
    assert one(gabor(11, 30, 0.1, 0.0)).kind == "line"
    assert one(gabor(11, 30, 0.1, math.pi / 2)).kind == "edge"


def test_a_grating_that_fills_its_window_needs_no_zero_mean():
    wave = 1 + np.cos(2 * math.pi * 0.3 * np.arange(9))
    found = one(np.tile(wave, (9, 1)))
    assert found.kind == "grating"
    assert turned(found.orientation, 90) < 1e-6
    assert found.frequency == pytest.approx(0.3, rel=0.03)


@settings(deadline=None, max_examples=150)
@given(size=st.integers(5, 15), orientation=st.floats(0, 180), share=st.floats(0, 1), phase=st.floats(0, 2 * math.pi))
def test_gabor_functions_are_recovered(size, orientation, share, phase):
    # From one and a half periods per window up to 0.4 cycles per pixel, beyond which the window's skirts wrap around.
    least = 1.5 / size
    frequency = least + share * (0.4 - least)
    found = one(gabor(size, orientation, frequency, phase))
    assert found.kind in ("edge", "line", "grating")
    # Small kernels hold little more than a period. A search over the whole range errs by at most 6.1, 3.8, 2.3 and 1.2 degrees.
    assert turned(found.orientation, orientation) < {5: 8, 6: 5, 7: 3}.get(size, 2)
    assert found.frequency == pytest.approx(frequency, rel=1 / size)


@settings(deadline=None, max_examples=60)
@given(size=st.integers(3, 9), orientation=st.floats(0, 180), share=st.floats(0, 1), phase=st.floats(0, 2 * math.pi))
def test_a_quarter_turn_adds_90_degrees(size, orientation, share, phase):
    kernel = gabor(size, orientation, 1 / size + share * (0.4 - 1 / size), phase)
    # Exactly between odd and even, rounding decides between an edge and a line.
    assume(abs(measure(kernel[None]).symmetry) > 1e-9)
    before, after = one(kernel), one(np.rot90(kernel))
    assert after.kind == before.kind
    if before.orientation is not None and after.orientation is not None:
        assert turned(after.orientation, before.orientation + 90) < 1e-4
    assert after.frequency == pytest.approx(before.frequency, rel=1e-6)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 7), scale=st.floats(1e-6, 1e6))
def test_scale_changes_the_norm_alone_and_sign_no_direction(seed, size, scale):
    kernel = np.random.default_rng(seed).standard_normal((size, size))
    base, scaled, flipped = one(kernel), one(scale * kernel), one(-kernel)
    assert scaled.norm == pytest.approx(scale * base.norm)
    for other in (scaled, flipped):
        assert other.kind == base.kind
        assert (
            other.frequency == pytest.approx(base.frequency, rel=1e-6)
            if base.frequency is not None
            else other.frequency is None
        )
        if base.orientation is not None:
            assert turned(other.orientation, base.orientation) < 1e-4
    assert scaled.text == base.text


def test_statistics_are_those_of_the_weights():
    kernel = np.random.default_rng(0).standard_normal((3, 5, 5))
    found = describe(kernel[None])[0]
    assert (found.norm, found.mean, found.std) == pytest.approx((np.linalg.norm(kernel), kernel.mean(), kernel.std()))


def test_noise_is_told_from_structure():
    found = describe(np.random.default_rng(0).standard_normal((200, 1, 9, 9)))
    assert sum(description.kind == "noise" for description in found) > 180


@pytest.mark.parametrize(
    ("colors", "color", "words"),
    [
        ((1, -1, 0), "rgb", ("red", "cyan")),
        ((-1, -1, 2), "rgb", ("blue", "yellow")),
        ((2, -1, -1), "bgr", ("blue", "yellow")),
        ((1, -2, 1), "rgb", ("magenta", "green")),
    ],
)
def test_opposed_colors(colors, color, words):
    kernel = np.multiply.outer(np.array(colors, float), gaussian(5, 1.0))
    found = one(kernel, color)
    assert found.kind == "color-opponent"
    if colors != (1, -1, 0):  # red against green lies between two names
        assert f"{words[0]} against {words[1]}" in found.text


def test_a_color_edge_keeps_its_direction():
    found = one(np.multiply.outer(np.array([1.0, 0, -1]), DIAGONAL), "rgb")
    assert found.kind == "color-opponent"
    assert turned(found.orientation, 135) < 1e-6


def test_gray_kernels_of_three_channels_are_not_colored():
    assert one(np.stack([SOBEL] * 3), "rgb").kind == "edge"


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ([-1, 1], "difference"),
        ([-1, 0, 1], "difference"),
        ([1, 1, -1, -1], "difference"),
        ([1, -2, 1], "high-pass"),
        ([1, -1, 1, -1], "high-pass"),
        ([1, 2, 1], "low-pass"),
        ([1, 1, 1, 1], "flat"),
        ([0, 0, 1], "impulse"),
    ],
)
def test_one_dimension(kernel, kind):
    assert one(np.array(kernel)).kind == kind


@settings(deadline=None, max_examples=60)
@given(frequency=st.floats(0.18, 0.35), phase=st.floats(0, 2 * math.pi), size=st.integers(21, 41))
def test_band_pass_filters_are_recovered(frequency, phase, size):
    places = np.arange(size) - (size - 1) / 2
    found = one(np.exp(-(places**2) / (2 * (size / 5) ** 2)) * np.cos(2 * math.pi * frequency * places + phase))
    assert found.kind == "band-pass"
    assert found.frequency == pytest.approx(frequency, rel=0.03)
    assert found.orientation is None


def test_axes_of_one_pixel_do_not_count():
    assert describe(np.array([[-1.0, 0, 1]])[None, None])[0].kind == "difference"
    assert describe(np.ones((2, 3, 1, 1)))[0].kind == "weights"


def test_volumes():
    step = np.zeros((3, 3, 3)) + np.array([-1.0, 0, 1])[:, None, None]
    found = one(step)
    assert found.kind == "edge"
    assert found.orientation is None
    assert "across (1.00, 0.00, 0.00)" in found.text
    assert one(np.ones((3, 3, 3))).kind == "flat"


def test_rows_of_a_matrix_name_their_largest_weights():
    found = describe(np.array([[0.1, -3.0, 2.0, 0.4]]))[0]
    assert found.kind == "weights"
    assert found.text == "largest: 1 (-3), 2 (+2), 3 (+0.4)"


def test_dead_filters():
    kernels = np.stack([SOBEL, LINE, LAPLACIAN, 1e-4 * SOBEL, np.zeros((3, 3))])[:, None]
    found = describe(kernels)
    assert [description.dead for description in found] == [False, False, False, True, True]
    assert [description.kind for description in found[3:]] == ["dead", "dead"]
    assert found[3].duplicate_of is None
    assert found[4].text == "dead: all zeros"


def test_most_of_a_layer_may_be_dead():
    kernels = np.concatenate(
        [1e-9 * np.random.default_rng(0).standard_normal((60, 1, 3, 3)), np.stack([SOBEL, LINE])[:, None]]
    )
    assert [description.dead for description in describe(kernels)] == [True] * 60 + [False] * 2
    assert all(description.dead for description in describe(np.zeros((3, 1, 3, 3))))


def test_duplicates_point_to_the_first_and_negatives_are_told():
    kernels = np.stack([LINE, SOBEL, 3 * SOBEL, LAPLACIAN, -SOBEL, 0.5 * SOBEL, 2 * LINE])[:, None]
    found = describe(kernels)
    assert [description.duplicate_of for description in found] == [None, None, 1, None, None, 1, 0]
    assert found[2].text.endswith("; the same as 1")
    assert found[4].text.endswith("; the negative of 1")


def test_duplicates_are_found_across_blocks():
    rows = np.random.default_rng(0).standard_normal((1300, 20))
    rows[[700, 1299]] = 2 * rows[[5, 600]]
    rows[1200] = -rows[5]
    same, negative = duplicates(rows)
    assert {place: first for place, first in enumerate(same) if first is not None} == {700: 5, 1299: 600}
    assert {place: first for place, first in enumerate(negative) if first is not None} == {1200: 5}


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.sampled_from([SOBEL, SOBEL.T, LINE, LAPLACIAN, BINOMIAL, SADDLE, 0 * SOBEL]), min_size=1, max_size=12)
)
def test_drawing_order_groups_kinds(kernels):
    found = describe(np.stack(kernels)[:, None])
    places = order(found)
    assert sorted(places) == list(range(len(found)))
    ranks = [(KINDS.index(found[place].kind), found[place].orientation or 0) for place in places]
    assert ranks == sorted(ranks)


def test_descriptions_are_written_as_json():
    row = asdict(describe(SOBEL[None, None])[0])
    assert json.loads(json.dumps(row)) == row


@pytest.mark.parametrize(
    ("kernels", "color", "error", "message"),
    [
        (
            np.ones(3),
            None,
            DataError,
            r"kernels of shape \[3\] cannot be described; give \(filter, channel\) and up to three spatial axes",
        ),
        (np.ones((1, 0, 3, 3)), None, DataError, r"kernels of shape \[1, 0, 3, 3\]"),
        (
            np.full((2, 1, 3, 3), np.nan),
            None,
            DataError,
            "2 of 2 filters hold weights that are not finite, filter 0 first",
        ),
        (
            np.ones((1, 1, 3, 3)),
            "rgb",
            UsageError,
            "color 'rgb' does not fit kernels of 1 channels; give rgb for 3, bgr for 3, gray for 1, or none",
        ),
        (np.ones((1, 3, 3, 3)), "cmyk", UsageError, "color 'cmyk' does not fit kernels of 3 channels"),
    ],
)
def test_refusals(kernels, color, error, message):
    with pytest.raises(error, match=message):
        describe(kernels, color)


def test_a_layer_without_filters_has_no_descriptions():
    assert describe(np.zeros((0, 3, 3, 3))) == []
