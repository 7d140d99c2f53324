"""Weights in files beside the model. They are read only from inside the model's folder.

A model is untrusted. Its external data may name absolute paths, climb out with "..", or point to a link that leaves
the folder; each is refused before a byte is read (CVE-2022-25882, CVE-2024-27318, CVE-2025-51480).
"""

from __future__ import annotations

import math
import ntpath
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto
from onnx.helper import tensor_dtype_to_np_dtype as np_dtype

from onnxviz.errors import ExternalDataError

_PACKED: dict[int, int] = {
    getattr(TensorProto, name): bits
    for name, bits in (("INT4", 4), ("UINT4", 4), ("FLOAT4E2M1", 4), ("INT2", 2), ("UINT2", 2))
    if hasattr(TensorProto, name)  # the oldest onnx that the package accepts lacks some
}
"""Element types smaller than a byte -> their bits. Several elements share a byte."""

_NUMBERS = frozenset(TensorProto.DataType.values()) - {TensorProto.UNDEFINED, TensorProto.STRING}


@dataclass(frozen=True)
class Location:
    """The place of a tensor's bytes in a file.

    Attributes
    ----------
    file : Path
        The resolved file, inside the model's folder.
    offset, length : int
        In bytes.
    """

    file: Path
    offset: int
    length: int


def is_external(tensor: TensorProto) -> bool:
    """Return whether a tensor's bytes are stored outside the model file."""
    return tensor.data_location == TensorProto.EXTERNAL


def written(tensor: TensorProto) -> str:
    """Return the file name that the model gives for a tensor's bytes; "" if it gives none."""
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def locate(tensor: TensorProto, folder: Path | None) -> Location:
    """Return the place of a tensor's bytes, after a check that they may be read.

    Parameters
    ----------
    tensor : TensorProto
        A tensor with external data.
    folder : Path or None
        The model's folder; None if the model came as bytes.

    Raises
    ------
    ExternalDataError
        If the path leaves the folder, or the file is missing, is not a plain file, or is too short.
    """
    name = tensor.name
    entries = {entry.key: entry.value for entry in tensor.external_data}
    written = entries.get("location", "")
    if folder is None:
        raise ExternalDataError(
            f"{name}: its values are in the file '{written}', but the model was not loaded from a file; load it by its path"
        )
    if not written:
        raise ExternalDataError(
            f"{name}: its values are outside the model, but no file is named; export the model again"
        )
    parts = written.replace("\\", "/").split("/")
    if (
        os.path.isabs(written)
        or ntpath.isabs(written)
        or ntpath.splitdrive(written)[0]
        or ".." in parts
        or "\0" in written
    ):
        raise ExternalDataError(
            f"{name}: the external data '{written}' is outside the model's folder, which is not allowed"
        )
    root = folder.resolve()
    file = (root / written).resolve()
    if not file.is_relative_to(root):
        raise ExternalDataError(
            f"{name}: the external data '{written}' is a link that leaves the model's folder, which is not allowed"
        )
    if not file.is_file():
        raise ExternalDataError(f"{name}: its values are in '{written}', which is not beside the model; copy it there")
    offset = _number(entries, "offset", 0, name)
    size = file.stat().st_size
    expected = _bytes(tensor)
    length = _number(entries, "length", expected, name)
    if length != expected:
        raise ExternalDataError(
            f"{name}: the model gives {length:,} bytes for a tensor of {expected:,}; export the model again"
        )
    if offset + length > size:
        raise ExternalDataError(
            f"{name}: '{written}' has {size:,} bytes, but the values end at byte {offset + length:,}; is it cut short?"
        )
    return Location(file, offset, length)


def read(tensor: TensorProto, folder: Path | None) -> np.ndarray:
    """Return a tensor's values from its file.

    Raises
    ------
    ExternalDataError
        As in `locate`.
    """
    place = locate(tensor, folder)
    if tensor.data_type not in _PACKED:
        # Read directly into the array: a large weight is in memory only once.
        kind = np_dtype(tensor.data_type).newbyteorder("<")
        count = math.prod(tensor.dims)
        return np.fromfile(place.file, kind, count, offset=place.offset).reshape(tuple(tensor.dims))
    with place.file.open("rb") as stream:
        stream.seek(place.offset)
        raw = stream.read(place.length)
    filled = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, raw_data=raw)
    array: np.ndarray = onnx.numpy_helper.to_array(filled)
    return array


def _number(entries: dict[str, str], key: str, default: int, name: str) -> int:
    text = entries.get(key)
    if text is None or text == "":
        return default
    if not text.isdecimal():
        raise ExternalDataError(f"{name}: the {key} of its external data is '{text}', which is no whole number")
    return int(text)


def _bytes(tensor: TensorProto) -> int:
    """Return how many bytes the declared shape and type take; types below a byte are packed."""
    if tensor.data_type not in _NUMBERS or min(tensor.dims, default=0) < 0:
        raise ExternalDataError(
            f"{tensor.name}: external data of type {tensor.data_type} and shape {list(tensor.dims)}; "
            "the type must be numeric, and no size negative"
        )
    bits = _PACKED.get(tensor.data_type) or 8 * np_dtype(tensor.data_type).itemsize
    return int(math.prod(tensor.dims) * bits + 7) // 8
