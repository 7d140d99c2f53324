"""Pictures to model inputs and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from onnxviz.errors import DataError, UsageError
from onnxviz.formats.image_inputs import fit_image, restore_image
from onnxviz.formats.samples import Sample

RANDOM = np.random.default_rng(0)


def picture(array, kind="image"):
    return Sample(np.asarray(array), (), "a.png", kind)


def random_picture(height=6, width=6, channels=3):
    return RANDOM.integers(0, 256, (height, width, channels), dtype=np.uint8)


finite = st.floats(-300, 300)
positive = st.floats(0.01, 300)


@given(
    st.sampled_from(["nchw", "nhwc", "chw", "hwc", "NCHW", "whcn"]),
    st.sampled_from(["rgb", "bgr"]),
    finite,
    positive,
    st.tuples(finite, finite, finite),
    st.tuples(positive, positive, positive),
)
def test_restoring_undoes_fitting(layout, channels, low, width, mean, std):
    image = random_picture(4, 5)
    sizes = {"n": 1, "c": 3, "h": 4, "w": 5}
    shape = [sizes[letter] for letter in layout.lower()]
    units = {"channels": channels, "low": low, "high": low + width, "mean": mean, "std": std}
    fitted = fit_image(picture(image), shape, layout, **units)
    assert fitted.shape == tuple(shape)
    assert fitted.dtype == np.float32
    # float32 has 24 bits: a narrow range far from zero cannot hold 256 levels.
    if width > 0.1:
        np.testing.assert_array_equal(restore_image(fitted, layout, **units), image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_values_follow_the_formula(dtype):
    image = RANDOM.integers(0, np.iinfo(dtype).max, (4, 4, 3), dtype=dtype, endpoint=True)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    fitted = fit_image(picture(image), (1, 3, 4, 4), mean=mean, std=std)
    expected = (image / np.iinfo(dtype).max - mean) / std
    np.testing.assert_allclose(fitted[0].transpose(1, 2, 0), expected, rtol=1e-6, atol=1e-6)


def test_the_range_is_reached_by_black_and_white():
    image = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    np.testing.assert_array_equal(fit_image(picture(image), (1, 2, 3), "hwc", low=-1, high=1)[0, :, 0], [-1, 1])
    np.testing.assert_array_equal(fit_image(picture(image), (1, 2, 3), "hwc", high=255)[0, :, 0], [0, 255])


def test_mean_and_std_are_in_the_models_order():
    image = random_picture()
    straight = fit_image(picture(image), (3, 6, 6), "chw", mean=(1, 2, 3), std=(4, 5, 6))
    turned = fit_image(picture(image), (3, 6, 6), "chw", "bgr", mean=(3, 2, 1), std=(6, 5, 4))
    np.testing.assert_array_equal(turned, straight[::-1])


def test_layouts_are_transposes():
    image = random_picture()
    first = fit_image(picture(image), (1, 3, 6, 6), "nchw")
    np.testing.assert_array_equal(fit_image(picture(image), (1, 6, 6, 3), "nhwc"), first.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(fit_image(picture(image), (6, 3, 6), "wch"), first[0].transpose(2, 0, 1))


def test_gray_is_weighted_as_pillow_weighs_it():
    image = random_picture()
    fitted = fit_image(picture(image), (6, 6), "hw", "gray", high=255)
    expected = np.asarray(Image.fromarray(image).convert("L"))
    assert np.abs(fitted - expected).max() <= 0.5 + 1e-2  # Pillow rounds
    np.testing.assert_array_equal(fit_image(picture(image), (1, 1, 6, 6), channels="gray", high=255)[0, 0], fitted)


@pytest.mark.parametrize("array", [random_picture(channels=1), random_picture(channels=1)[:, :, 0]])
def test_gray_pictures_are_repeated_for_color_models_and_come_back_gray(array):
    fitted = fit_image(picture(array), (3, 6, 6), "chw")
    np.testing.assert_array_equal(fitted[0], fitted[2])
    gray = fit_image(picture(array), (6, 6), "hw", "gray")
    np.testing.assert_array_equal(restore_image(gray, "hw", "gray"), np.repeat(array.reshape(6, 6, 1), 3, axis=2))


def test_a_larger_batch_is_filled_with_copies():
    fitted = fit_image(picture(random_picture()), (3, 6, 6, 4), "chwn")
    assert fitted.shape == (3, 6, 6, 4)
    np.testing.assert_array_equal(fitted[..., 0], fitted[..., 3])


@pytest.mark.parametrize("channels", [2, 4])
def test_what_is_transparent_lies_on_white(channels):
    image = random_picture(channels=channels)
    image[:, :, -1] = np.array([0, 255])[np.arange(36).reshape(6, 6) % 2]
    fitted = fit_image(picture(image), (6, 6, 3), "hwc", high=255)
    solid = image[:, :, -1] == 255
    expected = np.broadcast_to(image[:, :, :-1], (6, 6, 3))
    np.testing.assert_array_equal(fitted[~solid], 255)
    np.testing.assert_allclose(fitted[solid], expected[solid], atol=1e-4)


@pytest.mark.parametrize("resize", ["fit", "stretch"])
@given(height=st.integers(1, 40), width=st.integers(1, 40))
def test_one_color_stays_one_color_at_every_size(resize, height, width):
    image = np.full((height, width, 3), (10, 128, 250), np.uint8)
    fitted = fit_image(picture(image), (8, 5, 3), "hwc", high=255, resize=resize)
    np.testing.assert_allclose(fitted, np.broadcast_to(image[0, 0], (8, 5, 3)), atol=1e-3)


@pytest.mark.parametrize("side", [1411, 370, 49, 131])
def test_rounding_never_leads_out_of_the_picture(side):
    """Of some sizes a scale times the input's side is a hair more than the picture's."""
    there = next(n for n in range(side, 4 * side) if 352 * (n / 352) > n)
    assert fit_image(picture(np.full((there, there, 3), 128, np.uint8)), (1, 3, 352, 352)).shape == (1, 3, 352, 352)


def test_fitting_crops_the_middle():
    image = random_picture(8, 20)
    fitted = fit_image(picture(image), (4, 4, 3), "hwc", high=255)
    middle = fit_image(picture(image), (4, 10, 3), "hwc", high=255, resize="stretch")[:, 3:7]
    np.testing.assert_allclose(fitted, middle, atol=1e-3)
    turned = fit_image(picture(image.transpose(1, 0, 2)), (4, 4, 3), "hwc", high=255)
    np.testing.assert_allclose(turned, middle.transpose(1, 0, 2), atol=1e-2)


def test_resizing_is_antialiased():
    # Columns alternate between black and white: sampling without averaging gives stripes.
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, ::2] = 255
    fitted = fit_image(picture(image), (8, 8, 3), "hwc")
    np.testing.assert_allclose(fitted[:, 1:-1], 0.5, atol=0.02)


def test_resizing_agrees_with_pillow_to_its_rounding():
    image = random_picture(40, 40)
    fitted = fit_image(picture(image), (9, 9, 3), "hwc", high=255)
    expected = np.asarray(Image.fromarray(image).resize((9, 9), Image.Resampling.BICUBIC), dtype=np.float32)
    assert np.abs(fitted - expected).max() <= 1


def test_resizing_never_leaves_the_range():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:, 2:] = 255  # an edge that bicubic kernels overshoot at
    fitted = fit_image(picture(image), (16, 16, 3), "hwc")
    assert fitted.min() == 0
    assert fitted.max() == 1


def test_padding_shows_all_of_the_picture_on_black():
    image = np.full((4, 8, 3), 255, np.uint8)
    fitted = fit_image(picture(image), (8, 8, 3), "hwc", low=-1, resize="pad")
    np.testing.assert_array_equal(fitted[:2], -1)
    np.testing.assert_array_equal(fitted[6:], -1)
    np.testing.assert_allclose(fitted[2:6], 1)


def test_floating_pictures_are_taken_as_they_are():
    image = RANDOM.random((6, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(fit_image(picture(image, "array"), (6, 6, 3), "hwc"), image)


def test_restoring_clips_and_survives_what_is_no_number():
    array = np.array([[-5.0, 0.5, 5.0, np.nan, np.inf]])
    np.testing.assert_array_equal(restore_image(array, "hw", "gray")[0, :, 0], [0, 128, 255, 0, 255])


@pytest.mark.parametrize(
    ("shape", "units", "message"),
    [
        ((3, 4, 4), {"layout": "nchw"}, r"layout 'nchw' has 4 axes, the shape \(3, 4, 4\) has 3"),
        ((3, 4, 4), {"layout": "chx"}, "give each of the letters n, c, h, w at most once, and h and w always"),
        ((3, 4, 4), {"layout": "chh"}, "at most once"),
        ((1, 9, 4, 4), {}, r"channels rgb: need 3 channels, and the shape \(1, 9, 4, 4\) as nchw has 9"),
        ((4, 4), {"layout": "hw"}, "channels rgb: need 3 channels, and the shape"),
        ((1, 3, 4, 4), {"channels": "yuv"}, "channels 'yuv': known are rgb, bgr and gray"),
        ((1, 3, 0, 4), {}, "has an axis of no or unknown length"),
        ((1, 3, 4, 4), {"low": 1, "high": 1}, "range 1,1: the first number must be smaller than the second"),
        ((1, 3, 4, 4), {"high": np.nan}, "range 0.0,nan"),
        ((1, 3, 4, 4), {"std": 0}, "std 0: must be greater than zero"),
        ((1, 3, 4, 4), {"std": (1, -1, 1)}, "must be greater than zero"),
        ((1, 3, 4, 4), {"mean": (1, 2)}, r"mean \(1, 2\): give one finite number, or one for each of the 3 channels"),
        ((1, 3, 4, 4), {"mean": np.inf}, "mean inf: give one finite number"),
        ((1, 3, 4, 4), {"resize": "squeeze"}, "resize 'squeeze': known are fit, pad, stretch and exact"),
    ],
)
def test_contradictions_are_told(shape, units, message):
    with pytest.raises(UsageError, match=message):
        fit_image(picture(random_picture()), shape, **units)


def test_a_batch_is_not_one_picture():
    with pytest.raises(UsageError, match="a batch of 2 is not one picture; give one sample at a time"):
        restore_image(np.zeros((2, 3, 4, 4)))


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (picture(np.zeros((2, 3)), "table"), r"a\.png: table of shape \(2, 3\) is no picture"),
        (
            picture(np.zeros((2, 3, 9)), "array"),
            r"array of shape \(2, 3, 9\) is no picture; give \(height, width, channel\)",
        ),
        (picture(np.zeros(5), "array"), r"array of shape \(5,\) is no picture"),
        (picture(np.zeros((4, 4), np.int32), "array"), "a picture of int32 has no known brightest value"),
        (picture(np.array([[0.0, 200.0]])), "must lie within 0 to 1, this one reaches from 0 to 200"),
    ],
)
def test_what_is_no_picture_is_told(sample, message):
    with pytest.raises(DataError, match=message):
        fit_image(sample, (1, 3, 4, 4))


def test_another_size_is_told_when_it_must_be_exact():
    with pytest.raises(DataError, match=r"a\.png: is 6 by 6, the model wants 4 by 5; allow resizing"):
        fit_image(picture(random_picture()), (1, 3, 4, 5), resize="exact")
