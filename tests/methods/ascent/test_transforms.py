"""Shifts, and one affine resampling."""

from __future__ import annotations

import math

import pytest
import torch

from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.transforms import Affine, Crops, Fading, Shift, Views, resample, shift, standard_transform


def pictures(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def generators(count: int) -> list[torch.Generator]:
    return [Run("y[0]", restart).generator("transform") for restart in range(count)]


def matrix(*rows: list[float], batch: int = 2) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64).expand(batch, 2, 3)


MIDDLE = torch.tensor(0.5)
SPAN = torch.tensor(2.0)
STILL = matrix([1, 0, 0], [0, 1, 0])


@pytest.mark.parametrize("shape", [(2, 3, 224, 224), (2, 1, 33, 64), (2, 3, 65, 40)])
def test_the_unit_matrix_returns_the_picture(shape: tuple[int, ...]) -> None:
    picture = pictures(*shape)
    assert torch.allclose(resample(picture, STILL, (2, 3), MIDDLE), picture, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (-2, 5), (0, -7)])
def test_a_whole_shift_rolls_and_lets_the_middle_in(right: int, down: int) -> None:
    picture = pictures(2, 3, 40, 37)
    moved = resample(picture, matrix([1, 0, right], [0, 1, down]), (2, 3), MIDDLE)
    # The matrix maps an output pixel to its source, so the picture moves the other way.
    rolled = picture.roll((-down, -right), (2, 3))
    rows, columns = torch.arange(40) + down, torch.arange(37) + right
    inside = ((rows >= 0) & (rows < 40))[:, None] & ((columns >= 0) & (columns < 37))
    assert torch.allclose(moved, torch.where(inside, rolled, MIDDLE), rtol=0, atol=1e-4)


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    picture = pictures(2, 3, 41, 41)
    turned = resample(picture, matrix([0, -1, 0], [1, 0, 0]), (2, 3), MIDDLE)
    assert torch.allclose(turned, picture.rot90(1, (2, 3)), rtol=0, atol=1e-4)


def test_a_ramp_is_resampled_as_the_map_says() -> None:
    # Bilinear interpolation is exact on a plane, whatever the aspect of the picture.
    y, x = torch.meshgrid(torch.arange(50.0) - 24.5, torch.arange(70.0) - 34.5, indexing="ij")
    ramp = (0.01 * x + 0.02 * y)[None, None]
    angle, shrink = math.radians(20), 0.8
    rows = [
        [shrink * math.cos(angle), -shrink * math.sin(angle), 1.3],
        [shrink * math.sin(angle), shrink * math.cos(angle), -2.7],
    ]
    moved = resample(ramp, matrix(*rows, batch=1), (2, 3), torch.tensor(0.0))
    at_x, at_y = (row[0] * x + row[1] * y + row[2] for row in rows)
    inside = (at_x.abs() < 34) & (at_y.abs() < 24)
    assert inside.sum() > 2000
    assert torch.allclose(moved[0, 0][inside], (0.01 * at_x + 0.02 * at_y)[inside], atol=1e-5)


def test_what_lies_outside_is_the_middle_of_each_channel() -> None:
    middle = torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1)
    far = resample(pictures(2, 3, 20, 20), matrix([1, 0, 500], [0, 1, 0]), (2, 3), middle)
    assert torch.equal(far, middle.expand(2, 3, 20, 20))


@pytest.mark.parametrize("axes", [(1, 2), (2, 3), (2, 4)])
def test_axes_may_stand_anywhere(axes: tuple[int, int]) -> None:
    shape = [2, 3, 4, 5, 6][: max(axes) + 1 if max(axes) > 2 else 4]
    picture = pictures(*shape)
    tilted = matrix([0.9, -0.2, 1], [0.2, 0.9, -1])
    expected = resample(picture.movedim(axes, (-2, -1)).flatten(1, -3), tilted, (2, 3), MIDDLE)
    met = resample(picture, tilted, axes, MIDDLE).movedim(axes, (-2, -1)).flatten(1, -3)
    assert torch.allclose(met, expected, atol=1e-7)


def test_a_gray_picture_without_a_channel_axis() -> None:
    picture = pictures(2, 20, 30)
    assert torch.allclose(resample(picture, STILL, (1, 2), MIDDLE), picture, rtol=0, atol=1e-4)


def test_drawn_matrices_stay_within_what_was_asked() -> None:
    affine = Affine((2, 3), jitter=9.0, scale=0.1, rotation=10.0)
    draws = torch.rand(500, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    drawn = affine.matrices(draws)
    sizes = drawn[:, :, :2].det().rsqrt()
    angles = torch.atan2(drawn[:, 1, 0], drawn[:, 0, 0]).rad2deg()
    assert sizes.min() >= 0.9 - 1e-9
    assert sizes.max() <= 1.1 + 1e-9
    assert 9 < angles.abs().max() <= 10 + 1e-9
    # A shift after a scale of .9 is measured inside the picture, where it is 1 / .9 as long.
    assert 6 < drawn[:, :, 2].abs().max() <= 6 + 3 * math.sqrt(2) / 0.9
    assert torch.allclose(affine.matrices(torch.zeros(2, 6)), STILL)


def test_views_stay_within_what_was_asked() -> None:
    views = Views((2, 3), farthest=0.7, nearest=2.5, shift=0.3, rotation=15.0)
    draws = torch.rand(500, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    drawn = views.matrices(draws, (40, 20))
    zooms = drawn[:, :, :2].det().rsqrt()
    assert 0.7 - 1e-9 <= zooms.min() < 0.72
    assert 2.45 < zooms.max() <= 2.5 + 1e-9
    # Half of the views are nearer than the geometric mean of both ends.
    assert zooms.median().item() == pytest.approx(math.sqrt(0.7 * 2.5), rel=0.05)
    angles = torch.atan2(drawn[:, 1, 0], drawn[:, 0, 0]).rad2deg()
    assert 14 < angles.abs().max() <= 15 + 1e-9
    assert 11 < drawn[:, 0, 2].abs().max() <= 12
    assert 5.5 < drawn[:, 1, 2].abs().max() <= 6


def test_beyond_its_border_a_picture_goes_on_as_its_mirror_image() -> None:
    picture = pictures(2, 3, 20, 24)
    moved = resample(picture, matrix([1, 0, 0], [0, 1, 5]), (2, 3), None)
    assert torch.allclose(moved[:, :, :15], picture[:, :, 5:], atol=1e-4)
    assert torch.allclose(moved[:, :, 15:], picture[:, :, 15:].flip(2), atol=1e-4)


def test_a_picture_as_it_is_is_one_of_its_views() -> None:
    picture = pictures(2, 3, 20, 24)
    still = Views((2, 3), 1.0, 1.0, 0.0, 0.0)
    assert torch.allclose(still(picture, MIDDLE, SPAN, generators(2)), picture, atol=1e-4)
    views = Views((2, 3))
    assert views(picture, MIDDLE, SPAN, generators(2)).min() >= picture.min() - 1e-6
    alone = views(picture[1:], MIDDLE, SPAN, generators(2)[1:])
    assert torch.equal(views(picture, MIDDLE, SPAN, generators(2))[1:], alone)


def test_the_gradient_of_a_resampling_is_its_adjoint() -> None:
    picture = pictures(2, 1, 34, 34).requires_grad_()
    tilted = matrix([0.9, -0.2, 1], [0.2, 0.9, -1])
    weights, other = pictures(2, 1, 34, 34) - 0.3, pictures(2, 1, 34, 34).flip(2)
    (gradient,) = torch.autograd.grad((resample(picture, tilted, (2, 3), torch.tensor(0.0)) * weights).sum(), picture)
    forward = (resample(other, tilted, (2, 3), torch.tensor(0.0)) * weights).sum()
    assert (gradient * other).sum().item() == pytest.approx(forward.item(), rel=1e-4)


def test_shifts_move_each_sample_by_its_own() -> None:
    signal = pictures(3, 2, 10)
    moved = shift(signal, [2], torch.tensor([[0], [3], [-4]]), torch.tensor(0.0))
    assert torch.equal(moved[0], signal[0])
    assert torch.equal(moved[1, :, 3:], signal[1, :, :7])
    assert torch.equal(moved[2, :, :6], signal[2, :, 4:])
    assert not moved[1, :, :3].any()
    assert not moved[2, :, 6:].any()


def test_a_shift_draws_every_step_alike_and_nothing_else() -> None:
    impulse = torch.zeros(1400, 1, 9)
    impulse[:, :, 4] = 1
    moved = Shift(((2, 3),))(impulse, torch.tensor(0.0), SPAN, generators(1400))
    counts = moved.sum((0, 1))
    assert counts[0] == counts[8] == 0
    assert counts[1:8].sum() == 1400
    assert counts[1:8].min() > 160


def test_a_gain_scales_about_the_middle() -> None:
    signal = pictures(50, 1, 6)
    moved = Shift((), gain=0.1)(signal, MIDDLE, SPAN, generators(50))
    gains = (moved - 0.5) / (signal - 0.5)
    assert gains.min() >= 0.9 - 1e-3
    assert gains.max() <= 1.1 + 1e-3
    assert torch.allclose(gains, gains[:, :, :1].expand_as(gains), atol=1e-3)


def test_noise_has_its_deviation() -> None:
    still = torch.zeros(2, 1, 100, 100)
    noisy = Affine((2, 3), 0.0, 0.0, 0.0, noise=1.5)(still, torch.tensor(0.0), SPAN, generators(2))
    assert noisy.std() == pytest.approx(3.0, rel=0.05)
    assert not torch.equal(noisy[0], noisy[1])


@pytest.mark.parametrize("transform", [Affine((2, 3), 3.0, noise=0.1), Shift(((2, 2), (3, 2)), 0.1, 0.1)])
def test_moves_do_not_depend_on_the_batch(transform) -> None:
    picture = pictures(3, 3, 40, 40)
    together = transform(picture, MIDDLE, SPAN, generators(3))
    alone = transform(picture[1:2], MIDDLE, SPAN, generators(3)[1:2])
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(together[0] - picture[0], together[1] - picture[1])


@pytest.mark.parametrize(
    ("shape", "spatial", "expected"),
    [
        ((1, 3, 224, 224), (2, 3), Fading(Shift(((2, 28), (3, 28))))),
        ((1, 160, 320, 3), (1, 2), Fading(Shift(((1, 20), (2, 40))))),
        ((1, 1, 28, 28), (2, 3), Fading(Shift(((2, 2), (3, 2))))),
        ((1, 1, 8, 8), (2, 3), None),
        ((1, 2, 320), (2,), Fading(Shift(((2, 20),), 0.1))),
        ((1, 13), (), None),
    ],
)
def test_the_standard_suits_the_size(shape: tuple[int, ...], spatial: tuple[int, ...], expected) -> None:
    assert standard_transform(shape, spatial) == expected


@pytest.mark.parametrize("move", [Affine((2, 3), 3.0, noise=0.1), Shift(((2, 2), (3, 2)), 0.1, 0.1)])
def test_moves_fade_until_the_picture_stands_still(move) -> None:
    picture = pictures(2, 3, 40, 40)
    fading = Fading(move, until=0.5)
    assert torch.equal(fading(picture, MIDDLE, SPAN, generators(2), 0.0), move(picture, MIDDLE, SPAN, generators(2)))
    assert fading(picture, MIDDLE, SPAN, generators(2), 0.5) is picture
    assert move.weakened(0.0)(picture, MIDDLE, SPAN, generators(2)).sub(picture).abs().max() < 1e-4
    half = fading(picture, MIDDLE, SPAN, generators(2), 0.25)
    assert torch.equal(half, move.weakened(0.5)(picture, MIDDLE, SPAN, generators(2)))


def test_crops_enlarge_a_part_that_shrinks_as_the_ascent_goes_on() -> None:
    # A ramp across a picture: its values in the part give the part's size and place.
    ramp = torch.linspace(0, 1, 64).expand(50, 1, 64, 64)
    crops = Crops((2, 3), noise=0.0)
    for progress, side in ((0.0, 0.5), (1.0, 0.05)):
        seen = crops(ramp, torch.zeros(()), torch.ones(()), generators(50), progress)
        widths = seen[:, 0, 0, 63] - seen[:, 0, 0, 0]
        assert float(widths.mean()) == pytest.approx(side, abs=0.04)
        assert bool((widths > 0).all())
        # No value from outside the border enters.
        assert float(seen.min()) >= 0
        assert float(seen.max()) <= 1
    assert not torch.equal(seen[0], seen[1])


def test_crops_do_not_depend_on_the_batch() -> None:
    inputs = pictures(3, 1, 40, 40)
    crops = Crops((2, 3))
    together = crops(inputs, torch.zeros(()), torch.ones(()), generators(3), 0.3)
    alone = crops(inputs[1:2], torch.zeros(()), torch.ones(()), generators(3)[1:2], 0.3)
    torch.testing.assert_close(together[1:2], alone)
