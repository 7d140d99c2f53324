"""The spectrum, the colors and the range of pictures, signals and volumes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from onnxviz.errors import UsageError
from onnxviz.methods.ascent.fourier import COEFFICIENT, IMAGENET_COLORS, PIXEL, Fourier, color_root, spectral_filter
from onnxviz.methods.ascent.runs import Run

RUNS = [Run("y[0]", restart) for restart in range(3)]
LAYOUTS = [
    ((3, 8, 8), "channel height width"),
    ((9, 7, 3), "height width channel"),
    ((1, 28, 29), "channel height width"),
    ((5, 6), "height width"),
    ((2, 33), "channel length"),
    ((16, 4), "length channel"),
    ((1, 1), "height width"),
    ((2, 4, 5, 6), "channel depth height width"),
    ((4, 2, 5, 6), "frame channel height width"),
]


@pytest.mark.parametrize(("shape", "axes"), LAYOUTS)
def test_every_layout_is_realized_in_its_range(shape: tuple[int, ...], axes: str) -> None:
    picture = Fourier.start(RUNS, shape, axes, low=-3.0, high=5.0)
    with torch.no_grad():
        picture.variables[0].mul_(1000)
    realized = picture.realize()
    assert realized.shape == (3, *shape)
    assert realized.dtype == torch.float32
    assert realized.min() >= -3
    assert realized.max() <= 5
    names = axes.split()
    assert [names[axis - 1] for axis in picture.spatial] == [name for name in names if name != "channel"]


@pytest.mark.parametrize("sizes", [(8, 8), (9, 7), (224, 160), (64,), (65,), (2,), (6, 5, 8)])
@pytest.mark.parametrize("slope", [0.0, 1.0, 1.5])
def test_every_size_and_slope_starts_at_one_contrast(sizes: tuple[int, ...], slope: float) -> None:
    # The variance of one element, summed over the transform of unit impulses in each coefficient.
    factors = spectral_filter(sizes, slope).double()
    power = 0.0
    if factors.numel() <= 200:
        for part in (1.0, 1.0j):
            impulses = torch.diag_embed(torch.full((factors.numel(),), part, dtype=torch.complex128)).reshape(
                -1, *factors.shape
            )
            waves = torch.fft.irfftn(impulses * factors, s=sizes, dim=tuple(range(1, 1 + len(sizes))))
            power += waves.square().sum(0).mean().item() * COEFFICIENT**2
    else:
        noise = torch.randn((30, *factors.shape, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        spectrum = torch.view_as_complex(noise * COEFFICIENT) * factors
        power = torch.fft.irfftn(spectrum, s=sizes, dim=tuple(range(1, 1 + len(sizes)))).square().mean().item()
    assert math.sqrt(power) == pytest.approx(PIXEL, rel=1e-5 if factors.numel() <= 200 else 0.1)


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_amplitudes_fall_with_the_slope(slope: float) -> None:
    factors = spectral_filter((64, 96), slope)
    rows, columns = torch.fft.fftfreq(64)[:, None], torch.fft.rfftfreq(96)[None]
    frequency = (rows**2 + columns**2).sqrt()
    known = frequency > 1 / 96
    fitted = np.polyfit(frequency[known].log().numpy(), factors[known].log().numpy(), 1)[0]
    assert fitted == pytest.approx(-slope, abs=1e-4)
    assert factors[0, 0] == factors[0, 1]


def test_realizing_is_the_inverse_of_the_transform() -> None:
    picture = Fourier.start(RUNS, (2, 9, 10), low=0.0, high=1.0)
    logits = torch.special.logit(picture.realize().detach().double())
    spectrum = torch.fft.rfftn(logits, dim=(2, 3))
    expected = torch.view_as_complex(picture.variables[0].detach()).to(torch.complex128) * picture.filter[..., 0]
    # For an even size, the first and the last column keep only their real part; the others return unchanged.
    assert torch.allclose(spectrum[..., 1:-1], expected[..., 1:-1], atol=1e-4)


@pytest.mark.parametrize(
    ("options", "channels"),
    [
        ({"low": 0.0, "high": 255.0, "colors": "rgb"}, 3),
        ({"low": [[[-2.0]], [[-1.0]], [[0.0]]], "high": 2.0, "colors": "bgr"}, 3),
        ({"mean": 4.0, "std": 0.5}, 2),
        ({"low": 0.0, "high": 1.0, "contrast": 1.5, "cutoff": 0.2}, 2),
        ({"low": 0.0, "high": 255.0, "colors": "rgb", "contrast": 0.5}, 3),
    ],
)
def test_gradients_agree_with_finite_differences(options: dict, channels: int) -> None:
    picture = Fourier.start(RUNS[:1], (channels, 6, 5), **options)
    with torch.no_grad():
        picture.variables[0].mul_(40)
    weights = torch.randn(picture.realize().shape, generator=torch.Generator().manual_seed(5))
    (gradient,) = torch.autograd.grad((picture.realize() * weights).sum(), picture.variables)
    direction = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(6))
    step = 1e-3
    with torch.no_grad():
        sums = []
        for sign in (1, -1):
            picture.variables[0].add_(sign * step * direction)
            sums.append((picture.realize().double() * weights).sum().item())
            picture.variables[0].sub_(sign * step * direction)
    slope = (gradient * direction).sum().item()
    assert (sums[0] - sums[1]) / (2 * step) == pytest.approx(slope, rel=2e-2)


def test_a_held_norm_is_the_same_for_every_spectrum() -> None:
    picture = Fourier.start(RUNS, (3, 12, 15), low=-2.0, high=6.0, colors="rgb", contrast=1.5)
    for factor in (1.0, 1e-3, 1e4):
        with torch.no_grad():
            picture.variables[0].mul_(factor)
        waves = torch.special.logit((picture.realize().detach().double() + 2) / 8)
        assert torch.allclose(waves.flatten(1).square().mean(1).sqrt(), torch.full((3,), 1.5).double(), rtol=1e-3)


def test_along_a_held_norm_there_is_no_gradient() -> None:
    picture = Fourier.start(RUNS[:1], (3, 12, 15), low=0.0, high=1.0, contrast=1.0)
    weights = torch.randn(picture.realize().shape, generator=torch.Generator().manual_seed(5))
    (gradient,) = torch.autograd.grad((picture.realize() * weights).sum(), picture.variables)
    outward = (gradient * picture.variables[0]).sum().abs()
    assert outward < 1e-4 * gradient.norm() * picture.variables[0].norm()


def test_a_placed_picture_keeps_its_own_norm() -> None:
    given = 0.1 + 0.8 * torch.rand((3, 3, 12, 15), generator=torch.Generator().manual_seed(0))
    given[1] = 0.5 + 0.02 * (given[1] - 0.5)
    picture = Fourier.start(RUNS, (3, 12, 15), low=0.0, high=1.0, colors="rgb", contrast=1.5, cutoff=0.15)
    picture.place(given)
    assert torch.allclose(picture.realize(), given, atol=1e-3)


def test_an_even_gray_is_left_with_the_norm_that_was_asked_for() -> None:
    picture = Fourier.start(RUNS, (1, 8, 8), low=0.0, high=1.0, contrast=1.5)
    picture.place(torch.full((3, 1, 8, 8), 0.5))
    assert picture.contrast is not None
    assert torch.equal(picture.contrast, torch.full((3,), 1.5))


def test_a_cutoff_falls_as_a_gaussian() -> None:
    with_cutoff, without = spectral_filter((64, 64), 1.0, 0.15), spectral_filter((64, 64), 1.0)
    frequency = (torch.fft.fftfreq(64)[:, None] ** 2 + torch.fft.rfftfreq(64)[None] ** 2).sqrt()
    ratio = with_cutoff / without
    low = frequency < 0.3
    expected = torch.exp(-((frequency / 0.15) ** 2))
    assert torch.allclose(ratio[low] / ratio[0, 0], expected[low], rtol=1e-3)
    assert with_cutoff.min() > 0


def test_colors_vary_as_those_of_photographs() -> None:
    runs = [Run("a", restart) for restart in range(20)]
    picture = Fourier.start(runs, (3, 32, 32), low=0.0, high=1.0, colors="rgb")
    pixels = torch.special.logit(picture.realize().detach().double()).movedim(1, 0).flatten(1)
    root = torch.tensor(IMAGENET_COLORS, dtype=torch.float64)
    expected = root @ root.T
    met = torch.cov(pixels)
    assert torch.allclose(met / met.trace(), expected / expected.trace(), atol=0.03)


def test_bgr_is_rgb_with_its_channels_reversed() -> None:
    red_first, blue_first = (Fourier.start(RUNS, (3, 8, 8), low=0.0, high=1.0, colors=c) for c in ("rgb", "bgr"))
    assert torch.allclose(red_first.realize(), blue_first.realize().flip(1), atol=1e-7)


def test_a_given_root_stands_for_its_covariance() -> None:
    covariance = np.cov(np.random.default_rng(0).normal(size=(4, 50)))
    root = color_root(covariance)
    assert torch.allclose(root @ root.T, torch.tensor(covariance, dtype=torch.float32), atol=1e-5)
    twice = [Fourier.start(RUNS, (4, 8, 8), low=0.0, high=1.0, colors=factor * root) for factor in (1, 100)]
    assert torch.allclose(twice[0].realize(), twice[1].realize(), atol=1e-6)


def test_without_a_range_the_contrast_is_that_of_the_data_at_most() -> None:
    runs = [Run("a", restart) for restart in range(200)]
    picture = Fourier.start(runs, (2, 12, 12), mean=[[[10.0]], [[-10.0]]], std=3.0)
    faint = picture.standardize(picture.realize())
    assert faint.square().mean().sqrt().item() == pytest.approx(PIXEL, rel=0.1)
    with torch.no_grad():
        picture.variables[0].mul_(1e5)
    strong = picture.standardize(picture.realize()).flatten(1)
    assert strong.abs().max() < 3
    contrast = strong.square().mean(1).sqrt()
    assert contrast.max() <= 1
    assert contrast.min() > 0.8


def test_a_range_per_channel_is_met_per_channel() -> None:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    low, high = (0 - mean) / std, (1 - mean) / std
    picture = Fourier.start(RUNS, (8, 8, 3), "height width channel", low=low, high=high)
    with torch.no_grad():
        picture.variables[0].mul_(1e4)
    realized = picture.realize().flatten(0, 2)
    assert torch.allclose(realized.max(0).values, high, atol=1e-3)
    assert torch.allclose(realized.min(0).values, low, atol=1e-3)


def test_layouts_show_the_same_picture() -> None:
    first = Fourier.start(RUNS, (3, 8, 10), "channel height width", low=0.0, high=1.0, colors="rgb")
    last = Fourier.start(RUNS, (8, 10, 3), "height width channel", low=0.0, high=1.0, colors="rgb")
    assert torch.equal(first.realize().movedim(1, 3), last.realize())


def test_a_small_picture_can_be_as_sharp_as_it_likes() -> None:
    # A checkerboard has the highest frequency, and is a spectrum like any other.
    picture = Fourier.start(RUNS[:1], (1, 8, 8), low=0.0, high=1.0)
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2
    wanted = torch.where(board > 0, 5.0, -5.0)[None, None]
    with torch.no_grad():
        spectrum = torch.fft.rfftn(wanted, dim=(2, 3)) / picture.filter[..., 0]
        picture.variables[0].copy_(torch.view_as_real(spectrum))
    assert torch.allclose(picture.realize(), torch.sigmoid(wanted), atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "axes", "options", "message"),
    [
        ((3, 8), "channel height width", {}, "needs 2 names"),
        ((8, 8), "height height", {}, "needs 2 names"),
        ((3,), "channel", {}, "not 'channel' alone"),
        ((3, 8), "channel length", {"low": 0.0}, "both ends"),
        ((3, 8), "channel length", {"low": 1.0, "high": 1.0}, "lower end"),
        ((3, 8), "channel length", {"low": 0.0, "high": [1.0] * 5}, "range: 5 values"),
        ((3, 8), "channel length", {"std": 0.0}, "std above 0"),
        ((1, 8), "channel length", {"colors": "rgb"}, "3 × 3 do not fit 1"),
        ((3, 8), "channel length", {"colors": "xyz"}, "rgb, bgr"),
        ((2, 8), "channel length", {"colors": [[0.0, 0.0], [0.0, 0.0]]}, "all values are 0"),
        ((0, 8), "channel length", {}, "no elements"),
    ],
)
def test_contradictions_are_named(shape: tuple[int, ...], axes: str, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Fourier.start(RUNS, shape, axes, **options)


def test_a_covariance_is_square() -> None:
    with pytest.raises(UsageError, match="square"):
        color_root([[1.0, 2.0]])


@pytest.mark.parametrize(("shape", "axes"), LAYOUTS)
@pytest.mark.parametrize("bounded", [True, False])
def test_an_input_is_placed_and_realized_again(shape: tuple[int, ...], axes: str, bounded: bool) -> None:
    names = axes.split()
    colors = "rgb" if "channel" in names and shape[names.index("channel")] == 3 else None
    ends = {"low": -3.0, "high": 5.0} if bounded else {}
    picture = Fourier.start(RUNS, shape, axes, colors=colors, **ends)
    wanted = torch.rand((3, *shape), generator=torch.Generator().manual_seed(0)) * 1.5 - (0 if bounded else 0.7)
    picture.place(wanted)
    torch.testing.assert_close(picture.realize(), wanted, atol=1e-4, rtol=0)


def test_what_stands_at_an_end_of_the_range_is_placed_a_little_inside() -> None:
    picture = Fourier.start(RUNS[:1], (1, 4, 4), low=0.0, high=1.0)
    picture.place(torch.tensor([0.0, 1.0]).repeat(8).reshape(1, 1, 4, 4))
    realized = picture.realize().detach()
    assert bool(((realized > 0) & (realized < 1)).all())
    assert float(realized.min()) == pytest.approx(0.005, abs=1e-4)


@pytest.mark.parametrize(
    ("shape", "axes", "given"),
    [
        ((3, 8, 10), "channel height width", {"colors": "rgb", "low": 0.0, "high": 255.0}),
        ((9, 7, 3), "height width channel", {"colors": "bgr", "low": [0.0, 1.0, 2.0], "high": [3.0, 4.0, 9.0]}),
        ((13,), "length", {"low": -1.0, "high": 1.0}),
        ((2, 5, 6, 4), "channel depth height width", {"low": -1.0, "high": 1.0}),
        ((1, 4, 2), "channel height width", {"low": -1.0, "high": 1.0}),
    ],
)
def test_painting_and_its_gradient_are_those_of_the_parts(
    shape: tuple[int, ...], axes: str, given: dict[str, object]
) -> None:
    painting = Fourier.start([Run("a"), Run("b"), Run("c")], shape, axes, **given)  # type: ignore[arg-type]  # told one by one
    frame = painting.frame
    (variable,) = painting.variables
    waves = torch.fft.irfftn(
        torch.view_as_complex(variable.double() * painting.filter.double()),
        s=frame.sizes,
        dim=tuple(range(2, 2 + len(frame.sizes))),
    )
    if frame.colors is not None:
        waves = torch.einsum("cd,bd...->bc...", frame.colors.double(), waves)
    unit = torch.sigmoid(waves)
    unit = unit.permute(frame.order) if frame.channels else unit.squeeze(1)
    wanted = frame.middle - frame.span / 2 + frame.span * unit
    painted = painting.realize()
    # The memory format of a network with channels last.
    direction = torch.randn_like(painted).transpose(1, -1).contiguous().transpose(1, -1)
    (gradient,) = torch.autograd.grad(painted, variable, direction)
    (expected,) = torch.autograd.grad(wanted, variable, direction.double())
    assert torch.allclose(painted.double(), wanted, rtol=1e-5, atol=1e-5 * float(frame.span.max()))
    assert torch.allclose(gradient, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()))
