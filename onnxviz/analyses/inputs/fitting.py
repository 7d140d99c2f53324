"""The conversion of samples to the arrays that a model's inputs take: sizes, layout, colors, range, rate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.contract import frame_contract
from onnxviz.errors import DataError
from onnxviz.formats.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnxviz.contract import InputContract

_MOST_CHANNELS = 2
"""The largest number of channels that a sound is copied to. More rows hold features of sound, not loudspeakers."""


def fit_sample(
    sample: Sample, expected: InputContract, wanted: Sequence[int | None], rate: int | None = None
) -> np.ndarray:
    """Return one sample, converted to the shape and the units of an input.

    Parameters
    ----------
    sample : Sample
        The sample as its file holds it; of a table, the first row is used.
    expected : InputContract
        The contract of the input.
    wanted : sequence of (int or None)
        The sizes after the batch. None keeps the sample's own size.
    rate : int, optional
        The sample rate of the model, in samples per second. Sound of another rate is resampled.

    Returns
    -------
    (1, *shape) ndarray
        In the model's own units.

    Raises
    ------
    DataError
        If the sample does not fit the input.
    """
    return _typed(_one(sample, expected, wanted, rate), expected, sample.source)


def _one(sample: Sample, expected: InputContract, wanted: Sequence[int | None], rate: int | None) -> np.ndarray:
    if sample.kind in ("image", "clip") and expected.kind == "clip":
        return _clip(sample, expected, wanted)
    if sample.kind in ("image", "clip"):
        return _image(sample, expected, wanted)
    if sample.kind == "audio":
        return _signal(sample, expected, wanted, rate)
    if sample.kind == "letters":
        return _letters(sample, expected, wanted)
    if expected.kind == "points" and sample.kind in ("points", "table"):
        return _cloud(sample, expected, wanted)
    array = _without_batch(sample.array[0] if sample.kind == "table" else sample.array, wanted)
    if expected.kind == "points" and array.ndim == 2 and not _fits(array.shape, wanted):
        return _cloud(replace(sample, array=array), expected, wanted)
    if are_pixels(array, expected) and not _fits(array.shape, wanted) and expected.kind == "clip":
        return _clip(replace(sample, array=_frames_last(array)), expected, wanted)
    if are_pixels(array, expected) and not _fits(array.shape, wanted):
        return _image(Sample(_channels_last(array), (), sample.source, "array"), expected, wanted)
    if are_pixels(array, expected):
        return _scaled(array[None], expected)
    return _array(array, wanted, sample.source)


def fit_rows(sample: Sample, expected: InputContract, wanted: Sequence[int | None]) -> np.ndarray:
    """Return samples along an array's first axis, converted to the shape and the units of an input; see `fit_sample`.

    Returns
    -------
    (sample, *shape) ndarray

    Raises
    ------
    DataError
        If the samples do not fit the input.
    """
    return _typed(_rows(sample, expected, wanted), expected, sample.source)


def _rows(sample: Sample, expected: InputContract, wanted: Sequence[int | None]) -> np.ndarray:
    rows = sample.array
    if expected.kind == "points" and rows.ndim == 3 and not _fits(rows.shape[1:], wanted):
        return np.concatenate([_cloud(replace(sample, array=row, kind="array"), expected, wanted) for row in rows])
    if _fits(rows.shape[1:], wanted):
        return _scaled(rows, expected) if are_pixels(rows[0], expected) else rows
    if are_pixels(rows[0], expected) and expected.kind == "clip":
        return np.concatenate([_clip(replace(sample, array=_frames_last(row)), expected, wanted) for row in rows])
    if are_pixels(rows[0], expected) or (expected.kind == "image" and rows.ndim > 2):
        pictures = (Sample(_channels_last(row), (), sample.source, "array") for row in rows)
        return np.concatenate([_image(picture, expected, wanted) for picture in pictures])
    sizes = [size for size in wanted if size is not None]
    if len(sizes) == len(wanted) and rows[0].size == int(np.prod(sizes)):
        return rows.reshape(len(rows), *sizes)
    return np.concatenate([_array(row, wanted, sample.source) for row in rows])


def steps(
    sample: Sample, expected: InputContract, wanted: Sequence[int | None], rate: int | None, stacked: bool
) -> tuple[str, ...]:
    """Return a sentence for each step of `fit_sample` and `fit_rows` on samples like this one.

    The sentences do not name the size of a sample, so samples of all sizes share them.
    """
    said = []
    if sample.note:
        said.append(f"read as {sample.note}" if sample.kind == "image" else sample.note)
    array = sample.array[0] if stacked else _without_batch(sample.array, wanted)
    if expected.kind == "points" and array.ndim == 2:
        return (*said, *_cloud_steps(sample, array, expected, wanted))
    if sample.kind == "audio":
        return (*said, *_sound_steps(sample, expected, wanted, rate))
    if sample.kind == "letters":
        length = wanted[expected.axes.index("position")] if expected.kind == "letters" else None
        count = sample.array.size
        said += ["longer sequences cut"] if length is not None and count > length else []
        said += ["shorter sequences filled with 0"] if length is not None and count < length else []
        return tuple(said)
    if expected.kind == "clip":
        return (*said, *_clip_steps(sample, array, expected, wanted))
    if sample.kind != "image" and not are_pixels(array, expected):
        return tuple(said)
    picture = array if sample.kind == "image" or _fits(array.shape, wanted) else _channels_last(array)
    if expected.color is None or not expected.bounded:
        return tuple(said)
    sizes = dict(zip(expected.axes, wanted, strict=False))
    own = picture.shape[:2] if sample.kind == "image" or not _fits(array.shape, wanted) else None
    height, width = sizes.get("height"), sizes.get("width")
    if own is not None and height is not None and width is not None and own != (height, width):
        said.append(f"pictures of another size resized to fill {width}x{height}, the middle kept")
    if own is not None and picture.ndim == 3 and picture.shape[2] in (2, 4):
        said.append("transparent pictures laid on white")
    if own is not None and picture.ndim == 3 and picture.shape[2] > 2 and expected.color == "gray":
        said.append("colors converted to gray (ITU-R BT.601)")
    if own is not None and (picture.ndim == 2 or picture.shape[2] < 3) and expected.color != "gray":
        said.append("gray copied to three channels")
    if own is not None and expected.color == "bgr":
        said.append("channels put in the order blue, green, red")
    brightest = {"uint8": 255, "uint16": 65535}.get(str(array.dtype), 1)
    span = ", ".join(f"{low:.4g} to {high:.4g}" for low, high in zip(expected.low, expected.high, strict=True))
    if expected.low != (0.0,) or expected.high != (float(brightest),):
        said.append(f"0 to {brightest} scaled to {span}")
    return tuple(said)


def _sound_steps(sample: Sample, expected: InputContract, wanted: Sequence[int | None], rate: int | None) -> list[str]:
    said = []
    if expected.sound_units() != (1.0, 0.0):
        said.append(f"sound scaled to {expected.low[0]:g} to {expected.high[0]:g}")
    length = sample.array.shape[1]
    if rate is not None and sample.rate not in (None, rate):
        said.append(f"sound resampled to {rate} Hz")
        length = round(length * rate / (sample.rate or rate))
    channels, size = (1, wanted[0]) if len(wanted) == 1 else (wanted[0], wanted[-1])
    if channels is not None and sample.array.shape[0] != channels:
        said.append(f"channels of sound averaged to {'one' if channels == 1 else channels}")
    if size is not None and length > size:
        said.append(f"longer sounds cut to the first {size} samples")
    if size is not None and length < size:
        said.append(f"shorter sounds extended with silence to {size} samples")
    return said


def enlargement(sample: Sample, fitted: np.ndarray, expected: InputContract, rate: int | None = None) -> float:
    """Return the factor by which a fitted sample is larger than the sample of its file: 1 if it was not enlarged.

    Parameters
    ----------
    sample : Sample
        The sample as its file holds it.
    fitted : (1, *shape) ndarray
        The result of `fit_sample`.
    expected : InputContract
        The contract of the input.
    rate : int, optional
        The sample rate of the model, in samples per second.
    """
    if sample.kind == "audio" and rate is not None:
        return max(1.0, rate / (sample.rate or rate))
    array = sample.array
    if expected.kind == "clip":
        if sample.kind not in ("image", "clip"):
            return 1.0
        sizes, own = dict(zip(expected.axes, fitted.shape[1:], strict=True)), array.shape[-3:-1]
        return float(max(1.0, sizes["height"] / own[0], sizes["width"] / own[1]))
    if sample.kind != "image" and (not are_pixels(array, expected) or _fits(array.shape, fitted.shape[1:])):
        return 1.0
    picture = array if sample.kind == "image" else _channels_last(array)
    sizes = dict(zip(expected.axes, fitted.shape[1:], strict=False))
    sides = zip((sizes["height"], sizes["width"]), picture.shape[:2], strict=True)
    # A picture of other proportions is cropped, never squeezed: both sides have the same factor.
    return float(max(1.0, *(here / there for here, there in sides)))


def _without_batch(array: np.ndarray, wanted: Sequence[int | None]) -> np.ndarray:
    """Return the first of the samples along an array's first axis, if they fit; else the array."""
    several = array.ndim == len(wanted) + 1 and _fits(array.shape[1:], wanted)
    first: np.ndarray = array[0] if several and len(array) else array
    return first


def _typed(array: np.ndarray, expected: InputContract, source: str) -> np.ndarray:
    """Return fitted samples; for an input of integers they are rounded and have its type.

    Raises
    ------
    DataError
        If a value is the id of no token.
    """
    from onnxviz.model.expectations.integer_inputs import rounded

    if expected.kind == "tokens" and array.dtype.kind in "iuf" and array.size:
        _check_tokens(array, expected, source)
    return rounded(array, expected.dtype) if expected.holds_integers and array.dtype.kind == "f" else array


def _check_tokens(array: np.ndarray, expected: InputContract, source: str) -> None:
    """Raise a DataError if a value is no whole number, or no row of the embedding's table."""
    wrong = array != np.rint(array)
    if wrong.any():
        raise DataError(f"{source}: holds {array[wrong][0]:g}; {expected.name} takes tokens, which are whole numbers")
    # A Gather would take an id below 0 from the end of its table.
    wrong = (array < 0) | (array >= expected.tokens) if expected.tokens else wrong
    if wrong.any():
        raise DataError(
            f"{source}: holds the token {array[wrong][0]:g}, but {expected.name} takes {expected.tokens:,} tokens, "
            f"0 to {expected.tokens - 1}"
        )


def are_pixels(array: np.ndarray, expected: InputContract) -> bool:
    """Whether an array holds pixels of whole numbers, to be scaled to the input's range; others are not scaled."""
    return (
        array.dtype in (np.uint8, np.uint16) and expected.has_pixels and expected.color is not None and expected.bounded
    )


def _scaled(rows: np.ndarray, expected: InputContract) -> np.ndarray:
    """Return pixels in the input's own layout, scaled to its range, (sample, *shape)."""
    low, high = np.asarray(expected.low, np.float64), np.asarray(expected.high, np.float64)
    if low.size > 1:
        view = [-1 if axis == "channel" else 1 for axis in expected.axes]
        low, high = low.reshape(view), high.reshape(view)
    factor = ((high - low) / np.iinfo(rows.dtype).max).astype(np.float32)
    scaled: np.ndarray = rows * factor
    scaled += low.astype(np.float32)
    return scaled


def _channels_last(array: np.ndarray) -> np.ndarray:
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 2, 3, 4):
        return np.moveaxis(array, 0, 2)
    return array


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(b is None or a == b for a, b in zip(shape, wanted, strict=True))


def _image(sample: Sample, expected: InputContract, wanted: Sequence[int | None]) -> np.ndarray:
    from onnxviz.formats.image_inputs import fit_image

    if expected.kind != "image" or expected.color is None:
        raise DataError(
            f"{sample.source}: a picture does not fit {expected.name}, which takes {expected.kind} {expected.layout}; give a .npy file"
        )
    low, high, mean, std = expected.pixel_units()
    own = dict(zip(("height", "width"), sample.array.shape[:2], strict=True))
    own["channel"] = 1 if expected.color == "gray" else 3
    sizes = [own[axis] if size is None else size for axis, size in zip(expected.axes, wanted, strict=True)]
    return fit_image(sample, (1, *sizes), expected.layout.lower(), expected.color, low, high, mean, std)  # type: ignore[arg-type]  # as in drawing


def _clip(sample: Sample, expected: InputContract, wanted: Sequence[int | None]) -> np.ndarray:
    """Return frames, each fitted as a picture, as many as the input takes: evenly spaced, or repeated."""
    from onnxviz.formats.clips import chosen_frames

    frames = sample.array if sample.array.ndim == 4 else sample.array[None]
    sizes = dict(zip(expected.axes, wanted, strict=True))
    count = len(frames) if sizes["time"] is None else sizes["time"]
    one = frame_contract(expected)
    inner = [sizes[axis] for axis in one.axes]
    chosen = chosen_frames(len(frames), count)
    fitted = {
        place: _image(Sample(frames[place], (), sample.source, "image"), one, inner)[0]
        for place in dict.fromkeys(chosen.tolist())
    }
    return np.stack([fitted[place] for place in chosen.tolist()], axis=expected.axes.index("time"))[None]


def _frames_last(array: np.ndarray) -> np.ndarray:
    """Return frames as (frame, height, width, channel), whatever axis has 1, 3 or 4 channels."""
    if array.ndim != 4 or array.shape[3] in (1, 3, 4):
        return array
    if array.shape[1] in (1, 3, 4):
        return np.moveaxis(array, 1, 3)
    return np.moveaxis(array, 0, 3) if array.shape[0] in (1, 3, 4) else array


def _clip_steps(
    sample: Sample, array: np.ndarray, expected: InputContract, wanted: Sequence[int | None]
) -> tuple[str, ...]:
    sizes = dict(zip(expected.axes, wanted, strict=True))
    if sample.kind not in ("image", "clip") and (not are_pixels(array, expected) or _fits(array.shape, wanted)):
        return ()
    frames = (array if array.ndim == 4 else array[None]) if sample.kind in ("image", "clip") else _frames_last(array)
    count = sizes["time"]
    said = []
    if count is not None and len(frames) != count:
        how = "a still picture shown in all frames" if len(frames) == 1 else f"{count} frames taken, evenly spaced"
        said.append(how if len(frames) == 1 or len(frames) > count else f"frames repeated, up to {count}")
    inner = frame_contract(expected)
    one = Sample(frames[0], (), sample.source, "image")
    return (*said, *steps(one, inner, [sizes[axis] for axis in inner.axes], None, False))


def _signal(sample: Sample, expected: InputContract, wanted: Sequence[int | None], rate: int | None) -> np.ndarray:
    """Return a sound in the input's units, cut to the length of the input or extended with silence."""
    array = sample.array
    if rate is not None and sample.rate not in (None, rate):
        from onnxviz.formats.sound_rate import resample

        array = resample(array, sample.rate or rate, rate)
    if not 1 <= len(wanted) <= 2:
        raise DataError(f"{sample.source}: a sound does not fit an input of shape {_sizes(wanted)}; give a .npy file")
    channels = 1 if len(wanted) == 1 else array.shape[0] if wanted[0] is None else wanted[0]
    length = array.shape[1] if wanted[-1] is None else wanted[-1]
    if array.shape[0] != channels and channels > _MOST_CHANNELS:
        raise DataError(
            f"{sample.source}: a sound of {array.shape[0]} channel{'s' * (array.shape[0] > 1)} does not fit an input of "
            f"{_sizes(wanted)}, which takes features computed from sound; give them as a .npy file"
        )
    if array.shape[0] != channels:
        array = np.repeat(array.mean(0, keepdims=True), channels, axis=0)
    fitted = np.zeros((channels, length), np.float32)
    used = min(length, array.shape[1])
    fitted[:, :used] = array[:, :used]
    factor, silence = expected.sound_units()
    fitted = fitted.reshape(1, *fitted.shape[2 - len(wanted) :])
    return np.asarray(fitted * np.float32(factor) + np.float32(silence))


_MOST_NUMBERS = 16
"""A point has at most so many numbers: its place, normal, color and more."""

_FAR = 1.5
"""Points of a file that reach farther from the origin are in units of their own."""


def _cloud(sample: Sample, expected: InputContract, wanted: Sequence[int | None]) -> np.ndarray:
    """Return a cloud of as many points as the input takes, in the unit ball where a file has units of its own."""
    rows, sizes = point_rows(sample.array, expected, wanted), dict(zip(expected.axes, wanted, strict=True))
    numbers, count = sizes["coordinate"], sizes["point"]
    if rows is None or (numbers is not None and rows.shape[1] < numbers):
        raise DataError(
            f"{sample.source}: its shape {_sizes(sample.array.shape)} does not fit {expected.name}, which takes points of "
            f"{numbers or '?'} numbers"
        )
    rows = rows[:, :numbers].astype(np.float32)
    if count is not None and len(rows) != count:
        # The order of the points tells nothing: evenly spaced points stand for all, and points may be repeated.
        chosen = np.arange(count) % len(rows) if count > len(rows) else np.linspace(0, len(rows) - 1, count).round()
        rows = rows[chosen.astype(np.int64)]
    if _has_own_units(sample, rows, expected):
        rows[:, :3] -= rows[:, :3].mean(axis=0)
        rows[:, :3] /= np.linalg.norm(rows[:, :3], axis=1).max() or 1.0
    return np.ascontiguousarray(rows.T if expected.axes[0] == "coordinate" else rows)[None]


def _has_own_units(sample: Sample, rows: np.ndarray, expected: InputContract) -> bool:
    """Return whether the points of a file, and not of an array in the model's units, must be scaled to the unit ball."""
    raw = sample.kind in ("points", "table") and not expected.bounded
    return raw and float(np.linalg.norm(rows[:, :3], axis=1).max()) > _FAR


def point_rows(array: np.ndarray, expected: InputContract, wanted: Sequence[int | None]) -> np.ndarray | None:
    """Return a cloud as (point, number); None if neither axis has the numbers of a point."""
    numbers = wanted[expected.axes.index("coordinate")] or 3
    if array.ndim != 2:
        return None
    # A row for each point is usual; the other way around only the number of coordinates tells.
    for most in (numbers, _MOST_NUMBERS):
        for rows in (array, array.T):
            if numbers <= rows.shape[1] <= most:
                return np.asarray(rows)
    return None


def _cloud_steps(sample: Sample, array: np.ndarray, expected: InputContract, wanted: Sequence[int | None]) -> list[str]:
    rows = point_rows(array, expected, wanted)
    if rows is None or (sample.kind not in ("points", "table") and _fits(array.shape, wanted)):
        return []
    sizes, said = dict(zip(expected.axes, wanted, strict=True)), []
    numbers, count = sizes["coordinate"], sizes["point"]
    if numbers is not None and rows.shape[1] > numbers:
        said.append(f"the first {numbers} numbers of each point taken")
    if count is not None and len(rows) != count:
        said.append(f"{count} points taken, evenly spaced" if len(rows) > count else f"points repeated, up to {count}")
    if _has_own_units(sample, rows, expected):
        said.append("points moved to their middle and scaled to the unit ball")
    return said


def _letters(sample: Sample, expected: InputContract, wanted: Sequence[int | None]) -> np.ndarray:
    """Return a sequence as one-hot codes, cut to the length of the input or filled with 0."""
    from onnxviz.formats.letters import encoded_letters, one_hot

    if expected.kind != "letters":
        raise DataError(
            f"{sample.source}: letters do not fit {expected.name}, which takes {expected.noun}; "
            "if it takes one-hot letters, say so with `kind` letters"
        )
    length = wanted[expected.axes.index("position")]
    try:
        found = encoded_letters(sample.array.tobytes().decode("ascii"), expected.letters, length)
    except DataError as error:
        raise DataError(f"{sample.source}: {error}") from None
    found = found if length is None else found.padded(length, len(expected.letters), "")
    return one_hot(found.ids, expected.axes, len(expected.letters))[None]


def _array(array: np.ndarray, wanted: Sequence[int | None], source: str) -> np.ndarray:
    if _fits(array.shape, wanted):
        return array[None]
    if array.ndim == len(wanted) + 1 and _fits(array.shape[1:], wanted):
        return array[:1]
    sizes = [size for size in wanted if size is not None]
    if len(sizes) == len(wanted) and array.size == int(np.prod(sizes)):
        return array.reshape(1, *sizes)
    raise DataError(
        f"{source}: its shape {_sizes(array.shape)} does not fit the input, which takes {_sizes(wanted)} for each sample"
    )


def _sizes(shape: Sequence[int | None]) -> str:
    return "x".join("?" if size is None else str(size) for size in shape) or "one number"
