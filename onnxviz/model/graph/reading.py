"""Reading of a path or bytes as a ModelProto. Nothing is run; an error says in one sentence what is wrong."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import ModelProto

from onnxviz.errors import ModelError, UsageError
from onnxviz.model.graph.extensions import NO_EXTENSIONS, Extensions

_LARGEST = (1 << 31) - 1
"""Protocol buffers hold at most 2 GiB."""

_PICKLE = "a Python pickle (a PyTorch checkpoint, perhaps); export it to ONNX first"

# Files that people give instead of an ONNX file, by their first bytes.
_STRANGERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", "a Git LFS pointer, not the model itself; run 'git lfs pull'"),
    (0, b"PK\x03\x04", "a ZIP archive (a PyTorch or Keras file, perhaps); export it to ONNX first"),
    *((0, b"\x80" + bytes([protocol]), _PICKLE) for protocol in range(2, 6)),
    (0, b"\x89HDF", "an HDF5 file (Keras, perhaps); convert it to ONNX first"),
    (4, b"TFL3", "a TensorFlow Lite file; convert it to ONNX first"),
    (4, b"ORTM", "an ORT-format file, which holds no ONNX graph; use the .onnx file that it was made from"),
    (0, b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (0, b"{", "JSON text, not ONNX"),
)


@dataclass(frozen=True)
class Source:
    """The origin of a model, and what the user named beside it.

    Attributes
    ----------
    name : str
        Name for messages: the file's name, or "the model".
    path : Path or None
        The file, if there is one.
    digest : str
        SHA-256 of the bytes, in hexadecimal.
    size : int
        Size in bytes, without external data.
    extensions : Extensions
        The custom operators that the user named; never taken from the file.
    """

    name: str
    path: Path | None
    digest: str
    size: int
    extensions: Extensions = NO_EXTENSIONS

    @property
    def folder(self) -> Path | None:
        """The folder that must contain external data."""
        return None if self.path is None else self.path.resolve().parent


def read(source: str | os.PathLike[str] | bytes | ModelProto) -> tuple[ModelProto, Source]:
    """Return the protocol buffer and its origin.

    Parameters
    ----------
    source : path, bytes or ModelProto
        The model.

    Raises
    ------
    UsageError
        If the file does not exist.
    ModelError
        If the file cannot be read or holds no ONNX model.
    """
    if isinstance(source, ModelProto):
        data = source.SerializeToString(deterministic=True)
        return source, Source("the model", None, hashlib.sha256(data).hexdigest(), len(data))
    if isinstance(source, bytes):
        name, path, data = "the model", None, source
    else:
        path = Path(source)
        name, data = path.name, _read_file(path)
    where = Source(name, path, hashlib.sha256(data).hexdigest(), len(data))
    return _parse(data, name), where


def _read_file(path: Path) -> bytes:
    if not path.exists():
        raise UsageError(f"{path}: no such file")
    if path.is_dir():
        models = sorted(file.name for file in path.glob("*.onnx"))
        hint = f"; it holds {', '.join(models[:5])}" if models else ""
        raise UsageError(f"{path} is a folder, not a model{hint}")
    if not path.is_file():
        raise UsageError(f"{path} is no plain file")
    size = path.stat().st_size
    if size > _LARGEST:
        raise ModelError(
            f"{path.name} has {size:,} bytes; an ONNX file holds at most 2 GiB: export its weights as external data"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror or error}") from None


def _parse(data: bytes, name: str) -> ModelProto:
    if not data:
        raise ModelError(f"{name} is empty")
    for offset, start, what in _STRANGERS:
        if data[offset : offset + len(start)] == start:
            raise ModelError(f"{name} is {what}")
    if data[:256].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ModelError(f"{name} is a web page; the download went wrong")
    try:
        proto: ModelProto = ModelProto.FromString(data)
    except DecodeError:
        raise ModelError(
            f"{name} is no ONNX model, or was cut short: its {len(data):,} bytes are no whole protocol buffer"
        ) from None
    if not proto.HasField("graph"):
        raise ModelError(f"{name} is no ONNX model: it has no graph (a protocol buffer of another kind, or cut short)")
    return proto
