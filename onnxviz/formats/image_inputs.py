"""The way from a picture to a model's image input, and back from such an input to a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxviz.errors import DataError, UsageError
from onnxviz.formats.samples import Sample

Channels = Literal["rgb", "bgr", "gray"]
Resize = Literal["fit", "pad", "stretch", "exact"]

_COUNT = {"rgb": 3, "bgr": 3, "gray": 1}
# ITU-R BT.601: the weights of red, green and blue in gray, which JPEG and Pillow use as well.
_LUMA = np.array([0.299, 0.587, 0.114])


def fit_image(
    sample: Sample,
    shape: Sequence[int],
    layout: str = "nchw",
    channels: Channels = "rgb",
    low: float = 0.0,
    high: float = 1.0,
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 1.0,
    resize: Resize = "fit",
) -> NDArray[np.float32]:
    """Return a picture as a model's input.

    The darkest value becomes `low` and the brightest `high`; then `mean` is subtracted, and the difference is divided by `std`.
    Transparent parts are laid on white. Resizing is bicubic with antialiasing, in floating point, and clipped to the range of the
    picture.

    Parameters
    ----------
    sample : Sample
        An image, or an array of (height, width) or (height, width, channel): uint8, uint16, or floats within 0 to 1.
    shape : sequence of int
        The shape of the model's input, such as ``(1, 3, 224, 224)``.
    layout : str
        A letter for each axis of `shape`: n batch, c channel, h height, w width. n and c may be missing.
    channels : {"rgb", "bgr", "gray"}
        The colors of the channels. A gray picture is repeated for each color. A color picture for a gray model is weighted by
        ITU-R BT.601.
    low, high : float
        The range of the model's input before `mean` and `std`, such as 0 and 1, 0 and 255, or -1 and 1.
    mean, std : float or sequence of float
        One number for all channels or one for each, in the model's order of channels and in the units of `low` and `high`.
    resize : {"fit", "pad", "stretch", "exact"}
        ``fit`` fills the input and crops the edges; ``pad`` shows the whole picture on black; ``stretch`` ignores its
        proportions; ``exact`` takes only pictures that have the size already.

    Returns
    -------
    (shape) float32
        The input, in the model's own units. Where the batch is larger than one, the picture is repeated.

    Raises
    ------
    UsageError
        If shape, layout, channels, range, mean and std contradict one another.
    DataError
        If the sample is no picture, or if resize is ``exact`` and the picture has another size.

    See Also
    --------
    restore_image : the way back from an input to a picture.
    """
    sizes = _sizes(shape, layout, channels)
    offset, factor = _scale(channels, low, high, mean, std)
    values: NDArray[Any]
    if _is_ready(sample, sizes):
        # The picture has the size and the colors already, so that each of the 256 values of a byte is computed once.
        values = _from_bytes(sample.array, channels, factor, offset)
    else:
        image = _raw(sample) if _is_opaque(sample) else _flattened(_unit_range(sample))
        image = _resized(image, sizes["h"], sizes["w"], resize, sample)
        values = _colored(image, channels) * factor + offset
    named = {"h": 0, "w": 1, "c": 2}
    order = [named[letter] for letter in layout.lower() if letter != "n"]
    if "c" not in layout.lower():
        values = values[:, :, 0]
    arranged = values.transpose(order)
    place = layout.lower().find("n")
    if place >= 0:
        arranged = np.repeat(np.expand_dims(arranged, place), sizes["n"], axis=place)
    return np.ascontiguousarray(arranged, dtype=np.float32)


def restore_image(
    array: NDArray[Any],
    layout: str = "nchw",
    channels: Channels = "rgb",
    low: float = 0.0,
    high: float = 1.0,
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 1.0,
) -> NDArray[np.uint8]:
    """Return a model's image input as a picture: the way back of `fit_image`.

    Parameters
    ----------
    array : ndarray
        One input in the model's own units. A batch axis must have the length 1. Values outside the range are clipped.
    layout, channels, low, high, mean, std
        As in `fit_image`.

    Returns
    -------
    (height, width, 3) uint8
        The picture in red, green and blue.

    Raises
    ------
    UsageError
        If the array does not fit layout and channels or holds several samples, or if range, mean and std contradict one
        another.
    """
    array = np.asarray(array)
    sizes = _sizes(array.shape, layout, channels)
    if sizes["n"] != 1:
        raise UsageError(f"a batch of {sizes['n']} is not one picture; give one sample at a time")
    offset, factor = _scale(channels, low, high, mean, std)
    letters = [letter for letter in layout.lower() if letter != "n"]
    values = array.astype(np.float64).reshape([sizes[letter] for letter in letters])
    values = values.transpose([letters.index(letter) for letter in "hwc" if letter in letters])
    values = values.reshape(sizes["h"], sizes["w"], _COUNT[channels])
    unit = np.clip(np.nan_to_num((values - offset) / factor), 0.0, 1.0)
    color = {"rgb": unit, "bgr": unit[:, :, ::-1], "gray": np.repeat(unit, 3, axis=2) if channels == "gray" else unit}
    return np.asarray(np.rint(color[channels] * 255), dtype=np.uint8)


def _sizes(shape: Sequence[int], layout: str, channels: str) -> dict[str, int]:
    letters = layout.lower()
    if len(set(letters)) != len(letters) or not {"h", "w"} <= set(letters) <= set("nchw"):
        raise UsageError(
            f"layout {layout!r}: give each of the letters n, c, h, w at most once, and h and w always: nchw, nhwc, hw"
        )
    if len(letters) != len(shape):
        raise UsageError(f"layout {layout!r} has {len(letters)} axes, the shape {tuple(shape)} has {len(shape)}")
    if channels not in _COUNT:
        raise UsageError(f"channels {channels!r}: known are rgb, bgr and gray")
    sizes = {"n": 1, "c": 1, **dict(zip(letters, (int(size) for size in shape), strict=True))}
    if min(sizes.values()) < 1:
        raise UsageError(f"the shape {tuple(shape)} has an axis of no or unknown length; give every size")
    if sizes["c"] != _COUNT[channels]:
        raise UsageError(
            f"channels {channels}: need {_COUNT[channels]} channels, and the shape {tuple(shape)} as {letters} has {sizes['c']}"
        )
    return sizes


def _scale(
    channels: str, low: float, high: float, mean: float | Sequence[float], std: float | Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the factor and the offset of range, mean and std: a value of 0 to 1 becomes ``value * factor + offset``."""
    per_channel = []
    for name, given in (("mean", mean), ("std", std)):
        numbers = np.asarray(given, dtype=np.float64)
        if numbers.shape not in ((), (1,), (_COUNT[channels],)) or not np.isfinite(numbers).all():
            raise UsageError(
                f"{name} {given}: give one finite number, or one for each of the {_COUNT[channels]} channels"
            )
        per_channel.append(numbers)
    center, spread = per_channel
    if (spread <= 0).any():
        raise UsageError(f"std {std}: must be greater than zero")
    if not (np.isfinite([low, high]).all() and low < high):
        raise UsageError(f"range {low},{high}: the first number must be smaller than the second")
    return np.asarray((low - center) / spread), np.asarray((high - low) / spread)


def _is_ready(sample: Sample, sizes: dict[str, int]) -> bool:
    array = sample.array
    return array.dtype == np.uint8 and array.shape == (sizes["h"], sizes["w"], sizes["c"])


def _from_bytes(
    image: NDArray[np.uint8], channels: str, factor: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return (height, width, channel) bytes of the right size and colors in the model's units."""
    color = image[:, :, ::-1] if channels == "bgr" else image
    unit = (np.arange(256) / np.float64(255))[:, None]
    table = np.broadcast_to(unit * factor + offset, (256, image.shape[2])).astype(np.float32)
    values = np.empty((image.shape[2], *image.shape[:2]), np.float32)
    for channel, plane in enumerate(values):
        # A byte is always within the table, so mode="clip" changes nothing. With mode="raise" NumPy would fill a buffer first.
        np.take(table[:, channel], color[:, :, channel], out=plane, mode="clip")
    return np.moveaxis(values, 0, 2)


def _is_opaque(sample: Sample) -> bool:
    """Return whether a picture has no transparency, so that its channels can be resized one by one in little memory."""
    return sample.array.dtype in (np.uint8, np.uint16) and _raw(sample).shape[2] in (1, 3)


def _raw(sample: Sample) -> NDArray[Any]:
    """Return a picture as (height, width, channel), in its own type of values."""
    array = sample.array
    if (
        sample.kind not in ("image", "array")
        or array.ndim not in (2, 3)
        or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4))
    ):
        raise DataError(
            f"{sample.source}: {sample.kind} of shape {array.shape} is no picture; "
            "give (height, width, channel) with 1 to 4 channels"
        )
    return array.reshape(*array.shape[:2], -1)


def _unit(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Return a plane with values of 0 to 1: whole numbers are scaled, and floats lie there already."""
    if plane.dtype.kind != "u":
        return plane.astype(np.float32)
    return np.asarray(plane.astype(np.float32) / np.float32(np.iinfo(plane.dtype).max))


def _unit_range(sample: Sample) -> NDArray[np.float64]:
    array = _raw(sample)
    if array.dtype in (np.uint8, np.uint16):
        return np.asarray(array / np.float64(np.iinfo(array.dtype).max))
    if array.dtype.kind != "f":
        raise DataError(
            f"{sample.source}: a picture of {array.dtype} has no known brightest value; give uint8, uint16 or 0 to 1"
        )
    if array.min() < 0 or array.max() > 1:
        raise DataError(
            f"{sample.source}: a picture of {array.dtype} must lie within 0 to 1, this one reaches from "
            f"{array.min():g} to {array.max():g}"
        )
    return array.astype(np.float64)


def _flattened(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an image laid on white; this is done before resizing, since hidden colors would else bleed into the edges."""
    if image.shape[2] in (1, 3):
        return image
    alpha = image[:, :, -1:]
    return image[:, :, :-1] * alpha + (1.0 - alpha)


def _resized(image: NDArray[Any], height: int, width: int, resize: str, sample: Sample) -> NDArray[np.float64]:
    there_height, there_width = image.shape[:2]
    if (there_height, there_width) == (height, width):
        return image if image.dtype.kind == "f" else _unit_range(sample)
    if resize == "exact":
        raise DataError(
            f"{sample.source}: is {there_height} by {there_width}, the model wants {height} by {width}; allow resizing"
        )
    box = (0.0, 0.0, float(there_width), float(there_height))
    size = (width, height)
    if resize == "fit":
        scale = min(there_width / width, there_height / height)
        # The crop must not reach beyond the picture by rounding.
        left, top = (
            max(0.0, (there - here * scale) / 2) for there, here in ((there_width, width), (there_height, height))
        )
        box = (left, top, there_width - left, there_height - top)
    elif resize == "pad":
        scale = max(there_width / width, there_height / height)
        size = (max(1, round(there_width / scale)), max(1, round(there_height / scale)))
    elif resize != "stretch":
        raise UsageError(f"resize {resize!r}: known are fit, pad, stretch and exact")
    planes = [
        np.asarray(Image.fromarray(_unit(plane)).resize(size, Image.Resampling.BICUBIC, box=box))
        for plane in np.moveaxis(image, 2, 0)
    ]
    # Bicubic kernels overshoot at edges, and a model never saw such values in training.
    resized = np.clip(np.stack(planes, axis=2).astype(np.float64), 0.0, 1.0)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    return np.pad(resized, ((top, height - size[1] - top), (left, width - size[0] - left), (0, 0)))


def _colored(image: NDArray[np.float64], channels: str) -> NDArray[np.float64]:
    if channels == "gray":
        return image if image.shape[2] == 1 else (image @ _LUMA)[:, :, None]
    color = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    return color if channels == "rgb" else color[:, :, ::-1]
