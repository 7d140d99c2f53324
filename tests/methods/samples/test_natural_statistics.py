"""Samples made with a known covariance and a known slope."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from onnxviz.errors import DataError
from onnxviz.methods.samples.natural_statistics import natural_statistics

MIXING = np.array([[1.0, 0.0], [0.8, 0.3]])


def noise(sizes: tuple[int, ...], slope: float, rng: np.random.Generator) -> np.ndarray:
    """Return two channels of noise whose amplitudes fall as frequency to the power of minus the slope."""
    axes = [*(np.fft.fftfreq(size) for size in sizes[:-1]), np.fft.rfftfreq(sizes[-1])]
    radius = np.sqrt(sum(grid**2 for grid in np.meshgrid(*axes, indexing="ij")))
    factors = np.maximum(radius, 1 / max(sizes)) ** -slope
    white = np.fft.rfftn(rng.standard_normal((2, *sizes)), axes=range(1, 1 + len(sizes)))
    found = np.fft.irfftn(white * factors, sizes, axes=range(1, 1 + len(sizes)))
    return np.tensordot(MIXING, found / found.std(), 1)


@pytest.mark.parametrize("slope", [0.0, 1.0, 1.6])
@pytest.mark.parametrize("sizes", [(128, 96), (1024,), (24, 32, 28)])
def test_slope_and_covariance_are_found_again(slope: float, sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    axes = ("channel", *(f"axis{place}" for place in range(len(sizes))))
    found = natural_statistics(((noise(sizes, slope, rng), 0.5) for _ in range(40)), axes)
    assert found.count == 40
    assert found.slope == pytest.approx(slope, abs=0.2)
    ratios = found.covariance / found.covariance[0, 0]
    np.testing.assert_allclose(ratios, MIXING @ MIXING.T, atol=0.12)


def test_layout_and_span_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    first = [noise((32, 32), 1.0, rng) for _ in range(4)]
    span = np.array([2.0, 5.0]).reshape(2, 1, 1)
    plain = natural_statistics([(one, 0.5) for one in first], ("channel", "height", "width"))
    last = natural_statistics(
        [(np.moveaxis(one * span, 0, -1), 0.5) for one in first],
        ("height", "width", "channel"),
        np.array([2.0, 5.0]),
    )
    np.testing.assert_allclose(plain.covariance, last.covariance, atol=1e-12)
    assert plain.slope == pytest.approx(last.slope)


@pytest.mark.parametrize("slope", [0.7, 1.0, 1.4])
def test_enlarging_does_not_steepen_a_spectrum(slope: float) -> None:
    rng = np.random.default_rng(2)
    axes = ("channel", "height", "width")
    small = [noise((256, 256), slope, rng)[:1, :64, :64] for _ in range(30)]
    large = [
        np.asarray(Image.fromarray(one[0].astype(np.float32)).resize((256, 256), Image.Resampling.BICUBIC))[None]
        for one in small
    ]
    own = natural_statistics([(one, 0.5) for one in small], axes).slope
    enlarged = natural_statistics([(one, 0.5 / 4) for one in large], axes)
    assert enlarged.slope == pytest.approx(own, abs=0.12)
    assert enlarged.band < 0.5 / 4
    # A picture that is not enlarged gives the rest of the spectrum.
    mixed = [*((one, 0.5 / 4) for one in large), *((noise((256, 256), slope, rng)[:1], 0.5) for _ in range(30))]
    both = natural_statistics(mixed, axes)
    assert both.slope == pytest.approx(own, abs=0.15)
    assert both.band == 0.5


def test_what_is_too_short_has_no_slope() -> None:
    assert (
        natural_statistics(
            [(np.ones((1, 3, 3)), 0.5), (np.zeros((1, 3, 3)), 0.5)], ("channel", "height", "width")
        ).slope
        is None
    )


def test_what_is_enlarged_too_far_has_no_slope() -> None:
    plain = np.random.default_rng(3).standard_normal((1, 32, 32))
    assert natural_statistics([(plain, 0.5 / 16)], ("channel", "height", "width")).slope is None


def test_nothing_and_unlike_samples_are_refused() -> None:
    with pytest.raises(DataError, match="no samples"):
        natural_statistics([], ("channel", "time"))
    with pytest.raises(DataError, match="another shape"):
        natural_statistics([(np.ones((1, 9)), 0.5), (np.ones((1, 8)), 0.5)], ("channel", "time"))
