"""Pictures in .png, .jpg, .bmp, .tif, .webp and .gif files, read with all of their bits."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from onnxviz.errors import DataError

# The formats that are read. Among Pillow's other readers are some that start programs (EPS) or were never tested for attacks.
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
_NAMES = {
    1: ("gray",),
    2: ("gray", "alpha"),
    3: ("red", "green", "blue"),
    4: ("red", "green", "blue", "alpha"),
}
_DEEP = re.compile(r"LA;16B|(RGB|RGBA|RGBX);16[BLN]")


def read_image(path: str | os.PathLike[str]) -> tuple[NDArray[Any], tuple[str, ...], str]:
    """Return a picture as it is meant to be seen: with the colors of its palette, and turned as its EXIF orientation says.

    Parameters
    ----------
    path : path
        The file. Its content settles its format, not its name.

    Returns
    -------
    image : (height, width, channel) uint8, uint16, float32 or float64
        The raw values. Values of 16 bits keep all bits. The 32-bit integers of some TIFF files become float64.
    names : tuple of str
        The names of the channels: gray; gray, alpha; red, green, blue; or red, green, blue, alpha.
    note : str
        A remark about the file, or "": for instance that it holds more pictures than the first one, which was read.

    Raises
    ------
    DataError
        If the file is no picture, is cut off, or has more pixels than Pillow allows.
    """
    return _guarded(path, _read)


def read_frames(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Return all frames of an animated GIF, PNG or WebP, (frame, height, width, channel) uint8; of a still picture one frame.

    Frames of 16 bits a value keep the upper 8 bits. Of more than 1024 frames, so many are read, evenly spaced.

    Raises
    ------
    DataError
        As `read_image` does.
    """
    return _guarded(path, _every)


def frame_count(path: str | os.PathLike[str]) -> int:
    """Return the number of frames of a picture; 1 if it cannot be read."""
    try:
        return _guarded(path, _count)
    except DataError:
        return 1


Read = TypeVar("Read")


def _guarded(path: str | os.PathLike[str], read: Callable[[str | os.PathLike[str]], Read]) -> Read:
    """Return what a function reads of a picture; Pillow's errors become those of `read_image`."""
    try:
        with warnings.catch_warnings():
            # Pillow's warnings about unusual EXIF blocks do not matter, since the picture is complete. Its warnings about
            # decompression bombs do.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return read(path)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path}: has more than {Image.MAX_IMAGE_PIXELS:,} pixels, which may be an attack that fills the memory; "
            "shrink the picture first"
        ) from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: is no picture of a kind that is read here: {', '.join(_FORMATS)}") from error
    except DataError:
        raise
    except Exception as error:  # Pillow's readers raise errors of many kinds on damaged files
        raise DataError(f"{path}: is a damaged or truncated picture: {error}") from error


def _read(path: str | os.PathLike[str]) -> tuple[NDArray[Any], tuple[str, ...], str]:
    with _open(path) as file:
        frames = int(getattr(file, "n_frames", 1))
        note = f"the first of {frames} pictures in the file" if frames > 1 else ""
        array = _deep_values(file, path) if _is_deep(file, path) else _values(file)
        # The orientation is asked for after the picture is loaded, since Pillow then has turned TIFF files itself and removed it.
        orientation = file.getexif().get(0x0112, 1)
    array = _turned(array if array.ndim == 3 else array[:, :, None], orientation)
    return np.ascontiguousarray(array), _NAMES[array.shape[2]], note


_MOST_FRAMES = 1024


def _count(path: str | os.PathLike[str]) -> int:
    with _open(path) as file:
        return int(getattr(file, "n_frames", 1))


def _every(path: str | os.PathLike[str]) -> NDArray[Any]:
    with _open(path) as file:
        count = int(getattr(file, "n_frames", 1))
        if file.width * file.height * min(count, _MOST_FRAMES) > 4 * (Image.MAX_IMAGE_PIXELS or 1 << 27):
            raise DataError(
                f"{path}: {count} frames of {file.width}x{file.height} do not fit into memory; shrink them first"
            )
        frames = []
        for number in np.unique(np.linspace(0, count - 1, min(count, _MOST_FRAMES)).round().astype(int)):
            file.seek(int(number))
            # Frames of one file may have modes of their own; in color without transparency they are alike.
            frames.append(
                np.asarray(file.convert("RGBA" if "transparency" in file.info or file.mode == "RGBA" else "RGB"))
            )
    if len({frame.shape[2] for frame in frames}) > 1:
        frames = [
            frame if frame.shape[2] == 4 else np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)])
            for frame in frames
        ]
    whole = np.stack(frames)
    return whole[..., :3] if whole.shape[3] == 4 and bool((whole[..., 3] == 255).all()) else whole


def _open(path: str | os.PathLike[str]) -> ImageFile.ImageFile:
    return Image.open(path, formats=_FORMATS)


def _values(file: Image.Image) -> NDArray[Any]:
    file.load()  # the picture is loaded here, since NumPy would hide an error in loading it
    if file.mode.startswith("I;16") or (file.mode == "I" and file.format == "PNG"):  # the latter before Pillow 11.3
        return np.asarray(file).astype(np.uint16)
    if file.mode == "I":
        return np.asarray(file).astype(np.float64)
    if "transparency" in file.info or file.mode in ("RGBa", "PA"):
        return np.asarray(file.convert("RGBA"))
    if file.mode in ("L", "LA", "RGB", "RGBA", "F"):
        return np.asarray(file)
    return np.asarray(file.convert({"1": "L", "La": "LA"}.get(file.mode, "RGB")))


def _raw_mode(file: ImageFile.ImageFile) -> str:
    arguments = file.tile[0][3] if file.tile else None
    raw = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw if isinstance(raw, str) else ""


def _is_deep(file: ImageFile.ImageFile, path: str | os.PathLike[str]) -> bool:
    """Return whether a color picture has 16 bits a value, of which Pillow would keep only the upper eight."""
    if file.mode not in ("LA", "RGB", "RGBA", "CMYK"):
        return False
    tags = getattr(file, "tag_v2", {})
    depth, planes = tags.get(258, (8,)), tags.get(284, 1)
    deep = _DEEP.fullmatch(_raw_mode(file)) is not None and planes == 1
    if not deep and (";16" in _raw_mode(file) or max(depth) > 8):
        raise DataError(
            f"{path}: has {max(depth)} bits a value, and only 8 of them can be read in this layout; save it as PNG or .npy"
        )
    return deep


def _deep_values(file: ImageFile.ImageFile, path: str | os.PathLike[str]) -> NDArray[np.uint16]:
    """Return a color picture with all 16 bits of its values.

    Pillow's unpackers keep one byte of each value: the unpacker of big-endian values the first byte, that of little-endian values
    the second byte. So the picture is read twice, once with each unpacker.
    """
    raw = _raw_mode(file)
    if raw == "LA;16B":
        # Pillow has a single unpacker for gray with alpha. Its four bytes are read as four channels of 8 bits instead.
        values = _unpacked(file, "RGBA")
        high, low = values[:, :, 0::2], values[:, :, 1::2]
        return np.asarray(high << 8 | low, dtype=np.uint16)
    first = _unpacked(file, raw[:-1] + "B")
    with _open(path) as again:
        second = _unpacked(again, raw[:-1] + "L")
    big = raw.endswith("B") or (raw.endswith("N") and sys.byteorder == "big")
    high, low = (first, second) if big else (second, first)
    return np.asarray(high << 8 | low, dtype=np.uint16)


def _unpacked(file: ImageFile.ImageFile, raw: str) -> NDArray[np.uint16]:
    tiles: list[Any] = []  # named tuples, and plain tuples in older versions of Pillow
    for tile in file.tile:
        arguments = (raw, *tile[3][1:]) if isinstance(tile[3], tuple) else raw
        tiles.append(tile._replace(args=arguments) if hasattr(tile, "_replace") else (*tile[:3], arguments))
    file.tile = tiles
    file.load()
    return np.asarray(file).astype(np.uint16)


def _turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return an array turned as its EXIF orientation, 1 to 8, says; any other orientation means nothing."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array
