"""Samples brought to an input's contract: bytes, depth, alpha, orientation, layout, range, rate; and the notes about it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from onnxviz.analyses.inputs.fitting import fit_rows, fit_sample, steps
from onnxviz.contract import InputContract
from onnxviz.errors import DataError
from onnxviz.formats.image_inputs import fit_image
from onnxviz.formats.samples import Sample, read_sample

NCHW, NHWC = ("channel", "height", "width"), ("height", "width", "channel")


def picture(axes=NCHW, color="rgb", low=(0.0,), high=(1.0,), sizes=(8, 8)) -> InputContract:
    named = dict(zip(("height", "width"), sizes, strict=True)) | {"channel": 1 if color == "gray" else 3}
    return InputContract("image", (None, *(named[axis] for axis in axes)), "image", axes, color, low, high)


def wanted(expected: InputContract) -> list[int | None]:
    return [size if isinstance(size, int) else None for size in expected.shape[1:]]


@pytest.fixture
def colors() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)


@pytest.mark.parametrize("axes", [NCHW, NHWC])
@pytest.mark.parametrize("color", ["rgb", "bgr", "gray"])
@pytest.mark.parametrize("edges", [((0.0,), (1.0,)), ((0.0,), (255.0,)), ((-1.0,), (1.0,))])
def test_a_picture_lies_in_the_inputs_range_and_order(colors, axes, color, edges) -> None:
    expected = picture(axes, color, *edges)
    found = fit_sample(Sample(colors, (), "a", "image"), expected, wanted(expected))[0]
    unit = colors / 255
    unit = {"rgb": unit, "bgr": unit[:, :, ::-1], "gray": (unit @ [0.299, 0.587, 0.114])[:, :, None]}[color]
    values = edges[0][0] + unit * (edges[1][0] - edges[0][0])
    np.testing.assert_allclose(found, np.moveaxis(values, 2, axes.index("channel")), atol=1e-4)


def test_a_range_for_each_channel(colors) -> None:
    expected = picture(low=(-2.0, -1.0, 0.0), high=(2.0, 3.0, 4.0))
    found = fit_sample(Sample(colors, (), "a", "image"), expected, wanted(expected))[0]
    for channel, low in enumerate((-2.0, -1.0, 0.0)):
        np.testing.assert_allclose(found[channel], low + colors[:, :, channel] / 255 * 4, atol=1e-5)


@pytest.mark.parametrize("channels", ["rgb", "bgr", "gray"])
def test_bytes_of_the_right_size_are_what_the_long_way_gives(colors, channels) -> None:
    own = colors[:, :, :1] if channels == "gray" else colors
    count = own.shape[2]
    mean, std = [0.3, 0.4, 0.5][:count], [0.2, 0.3, 0.25][:count]
    short = fit_image(Sample(own, (), "a", "image"), (1, count, 8, 8), "nchw", channels, 0, 1, mean, std)
    deep = Sample(own.astype(np.uint16) * 257, (), "a", "image")
    np.testing.assert_allclose(short, fit_image(deep, (1, count, 8, 8), "nchw", channels, 0, 1, mean, std), atol=1e-6)


def test_files_of_every_kind_give_the_same_picture(colors, tmp_path) -> None:
    expected = picture()
    plain = fit_sample(Sample(colors, (), "a", "image"), expected, wanted(expected))
    Image.fromarray(colors).save(tmp_path / "a.png")
    Image.fromarray(colors).save(tmp_path / "a.webp", lossless=True)
    Image.fromarray(np.dstack([colors, np.full((8, 8), 255, np.uint8)])).save(tmp_path / "alpha.png")
    turned = Image.fromarray(np.rot90(colors))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    for name in ("a.png", "a.webp", "alpha.png", "turned.png"):
        np.testing.assert_allclose(
            fit_sample(read_sample(tmp_path / name), expected, wanted(expected)), plain, atol=1e-6
        )
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    Image.fromarray(deep).save(tmp_path / "deep.png")
    gray = picture(color="gray")
    np.testing.assert_allclose(
        fit_sample(read_sample(tmp_path / "deep.png"), gray, wanted(gray))[0, 0], deep / 65535, atol=1e-6
    )
    frames = [Image.fromarray(colors[:, :, 0]), Image.fromarray(255 - colors[:, :, 0])]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    found = read_sample(tmp_path / "a.gif")
    np.testing.assert_allclose(fit_sample(found, gray, wanted(gray))[0, 0], colors[:, :, 0] / 255, atol=1e-6)
    assert any("first of 2 pictures" in said for said in steps(found, gray, wanted(gray), None, False))


@pytest.mark.parametrize("axes", [NCHW, NHWC])
def test_rows_of_bytes_are_what_their_pictures_are(colors, axes) -> None:
    expected = picture(axes, low=(-1.0,), high=(1.0,))
    rows = np.stack([colors, 255 - colors])
    one_by_one = np.concatenate([fit_sample(Sample(row, (), "a", "image"), expected, wanted(expected)) for row in rows])
    own = rows if axes == NHWC else np.moveaxis(rows, 3, 1)
    for form in (rows, own):
        np.testing.assert_allclose(
            fit_rows(Sample(form, (), "a", "array"), expected, wanted(expected)), one_by_one, atol=1e-5
        )
    wide = np.repeat(np.repeat(own, 1, axis=0), 1, axis=0)
    np.testing.assert_allclose(
        fit_sample(Sample(wide[0], (), "a", "array"), expected, wanted(expected))[0], one_by_one[0], atol=1e-5
    )


def test_numbers_are_taken_as_the_models_own_units() -> None:
    expected = picture(low=(-1.0,), high=(1.0,))
    rows = np.random.default_rng(0).standard_normal((4, 3, 8, 8)).astype(np.float32)
    assert fit_rows(Sample(rows, (), "a", "array"), expected, wanted(expected)) is rows
    flat = InputContract("x", (None, 192), "vector", ("feature",))
    np.testing.assert_array_equal(fit_rows(Sample(rows, (), "a", "array"), flat, [192]), rows.reshape(4, 192))
    with pytest.raises(DataError, match="does not fit"):
        fit_rows(Sample(rows, (), "a", "array"), flat, [191])


def test_an_input_of_any_size_takes_a_picture_at_its_own() -> None:
    expected = InputContract("image", (None, 1, None, None), "image", NCHW, "gray", (0.0,), (1.0,))
    found = fit_sample(Sample(np.zeros((5, 9, 3), np.uint8), (), "a", "image"), expected, [1, None, None])
    assert found.shape == (1, 1, 5, 9)


def test_a_sound_is_not_taken_for_the_features_that_some_models_make_of_it() -> None:
    expected = InputContract("x", (None, 900, 120), "spectrogram", ("time", "frequency"))
    sound = Sample(np.zeros((1, 500), np.float32), (), "a.wav", "audio", rate=8000)
    with pytest.raises(
        DataError, match=r"a\.wav: a sound of 1 channel does not fit an input of 900x120, which takes features"
    ):
        fit_sample(sound, expected, [900, 120])


def test_sound_is_cut_filled_mixed_and_resampled() -> None:
    expected = InputContract("w", (None, 1, 100), "signal", ("channel", "time"), None, (-1.0,), (1.0,))
    stereo = np.stack([np.ones(150), np.zeros(150)]).astype(np.float32)
    sound = Sample(stereo, (), "a", "audio", rate=8000)
    np.testing.assert_array_equal(fit_sample(sound, expected, [1, 100]), np.full((1, 1, 100), 0.5))
    long = fit_sample(sound, expected, [1, 200])
    assert (long[0, 0, :150] == 0.5).all()
    assert (long[0, 0, 150:] == 0).all()
    assert fit_sample(sound, expected, [None]).shape == (1, 150)
    assert fit_sample(sound, expected, [2, None], rate=16000).shape == (1, 2, 300)
    assert set(steps(sound, expected, [1, 100], 4000, False)) == {
        "sound resampled to 4000 Hz",
        "channels of sound averaged to one",
        "shorter sounds extended with silence to 100 samples",
    }
    with pytest.raises(DataError, match="a sound does not fit"):
        fit_sample(sound, expected, [3, 8, 8])


def test_nothing_is_said_where_nothing_changes(colors) -> None:
    expected = picture(high=(255.0,))
    assert steps(Sample(colors, (), "a", "image"), expected, wanted(expected), None, False) == ()
    rows = Sample(np.zeros((2, 3, 8, 8), np.float32), (), "a", "array")
    assert steps(rows, expected, wanted(expected), None, True) == ()
