"""What a method found, as arrays and a JSON document in a folder."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxviz.errors import DataError
from onnxviz.formats.array_files import read_npz, write_npz
from onnxviz.formats.atomic_file import atomic_file
from onnxviz.formats.file_names import safe_names
from onnxviz.formats.json_documents import json_text, plain, read_json
from onnxviz.wording import number_text, quoted

_VERSION = 1
_ARRAYS, _DOCUMENT, _PICTURE = "arrays.npz", "result.json", "picture.png"


@dataclass(slots=True, eq=False)
class Result:
    """What a method found.

    Attributes
    ----------
    arrays : dict
        From a name, often a tensor's, to an array of numbers.
    axes : dict
        From an array's name to the names of its axes, separated by spaces: "batch channel height width". Arrays may be left out.
    summary : dict
        What is said in words and numbers; written as strict JSON.
    status : str
        "ok", or one word for what went wrong: "no_progress".
    message : str
        The sentence that goes with the status.
    provenance : dict
        Where it comes from: model, seed, versions; written as strict JSON.
    """

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    status: str = "ok"
    message: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)
    picture: bytes = b""
    """What it looks like, a PNG file, where a command left one beside the arrays; read, not written."""

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``arrays.npz`` and then ``result.json``, each of them whole or not at all.

        Equal results give equal bytes. Numbers in `summary` and `provenance` that are not finite become null.

        Parameters
        ----------
        folder : path
            Made if it is missing; what it already holds under these two names is replaced.

        Raises
        ------
        DataError
            An array or a value cannot be stored, the axes do not fit the arrays, or the folder cannot be written to.
        """
        self._check_axes()
        members = safe_names(self.arrays)
        document = {
            "version": _VERSION,
            "status": self.status,
            "message": self.message,
            "summary": self.summary,
            "provenance": self.provenance,
            "arrays": {
                name: {
                    "member": members[name],
                    "axes": self.axes.get(name, ""),
                    "shape": np.shape(array),
                    "dtype": str(np.asarray(array).dtype),
                }
                for name, array in self.arrays.items()
            },
        }
        text = json_text(_sorted(plain(document))) + "\n"
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot be made: {error.strerror or error}") from error
        write_npz(folder / _ARRAYS, {members[name]: array for name, array in self.arrays.items()})
        with atomic_file(folder / _DOCUMENT) as file:
            file.write(text.encode("ascii"))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Result:
        """Read what `save` has written.

        Raises
        ------
        DataError
            A file is missing or damaged, is of a newer version, or the two do not belong together.
        """
        folder = Path(folder)
        document = read_json(folder / _DOCUMENT)
        if not isinstance(document, dict) or not isinstance(document.get("version"), int):
            inner = sorted(file.parent.name for file in folder.glob(f"*/{_DOCUMENT}"))
            within = f"; its targets have one each: {', '.join(map(quoted, inner[:3]))}" if inner else ""
            raise DataError(f"{folder / _DOCUMENT}: is no result of onnxviz{within}")
        if document["version"] > _VERSION:
            raise DataError(
                f"{folder / _DOCUMENT}: has version {document['version']}, this onnxviz reads {_VERSION}; update it"
            )
        entries = _entry(document, "arrays", dict, folder)
        stored = read_npz(folder / _ARRAYS)
        arrays, axes = {}, {}
        for name in entries:
            entry = _entry(entries, name, dict, folder)
            member, words = _entry(entry, "member", str, folder), _entry(entry, "axes", str, folder)
            array = stored.get(member)
            if array is None or list(array.shape) != entry.get("shape") or str(array.dtype) != entry.get("dtype"):
                raise DataError(
                    f"{folder / _ARRAYS}: does not hold {quoted(name)} as {_DOCUMENT} has it; run the command again"
                )
            arrays[name] = array
            if words:
                axes[name] = words
        result = cls(
            arrays=arrays,
            axes=axes,
            summary=_entry(document, "summary", dict, folder),
            status=_entry(document, "status", str, folder),
            message=_entry(document, "message", str, folder),
            provenance=_entry(document, "provenance", dict, folder),
            picture=_picture(folder),
        )
        result._check_axes()
        return result

    def _repr_html_(self) -> str:
        """Show the result in a notebook: its status, its picture, what it says in words and numbers, and a line for each array."""
        told = [
            (key, number_text(value, 6) if isinstance(value, float) else value)
            for key, value in plain(self.summary).items()
            if isinstance(value, (str, int, float)) and not isinstance(value, bool) and value != ""
        ]
        arrays = []
        for name, values in self.arrays.items():
            axes, shape = self.axes.get(name, ""), " × ".join(map(str, np.shape(values))) or "scalar"
            arrays.append((name, axes, shape, str(np.asarray(values).dtype), _extent(values)))
        status = f"{self.status}: {self.message}" if self.message else self.status
        return (
            f"<div><b>{escape(status)}</b>"
            + self._shown()
            + _table(("", ""), told)
            + _table(("array", "axes", "shape", "type", "from, to"), arrays)
            + "</div>"
        )

    def _shown(self) -> str:
        """Return the picture as HTML: as wide as the page at most, and small ones large enough to see their pixels."""
        if not self.picture:
            return ""
        try:
            with Image.open(io.BytesIO(self.picture)) as opened:
                width = opened.width
        except OSError:  # a damaged picture hides no numbers
            return ""
        wide = width * max(1, 224 // width)
        encoded, said = (
            base64.b64encode(self.picture).decode("ascii"),
            escape(str(self.summary.get("target", "picture"))),
        )
        style = f"display:block;width:{wide}px;max-width:100%" + (";image-rendering:pixelated" if wide > width else "")
        return f'<img src="data:image/png;base64,{encoded}" alt="{said}" style="{style}">'

    def _check_axes(self) -> None:
        for name, words in self.axes.items():
            if name not in self.arrays:
                raise DataError(f"axes are named for {quoted(name)}, and there is no such array")
            if len(words.split()) != np.ndim(self.arrays[name]):
                raise DataError(
                    f"{quoted(name)} has the shape {np.shape(self.arrays[name])}, its axes are {quoted(words)}"
                )


def _picture(folder: Path) -> bytes:
    """Return the picture of a result's folder: its only one, or that which is named so."""
    files = sorted(folder.glob("*.png"))
    named = [file for file in files if file.name == _PICTURE] or files
    return named[0].read_bytes() if len(named) == 1 else b""


def _extent(values: NDArray[Any]) -> str:
    found = np.asarray(values)
    if not found.size or found.dtype.kind not in "biuf":
        return ""
    finite = found[np.isfinite(found)]
    return (
        f"{number_text(float(finite.min()), 4)}, {number_text(float(finite.max()), 4)}" if finite.size else "not finite"
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as a table in HTML, every cell escaped; nothing where there are none."""
    if not rows:
        return ""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    cells = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _entry(document: Mapping[str, Any], name: str, kind: type, folder: Path) -> Any:
    value = document.get(name)
    if not isinstance(value, kind):
        raise DataError(
            f"{folder / _DOCUMENT}: has no valid entry {quoted(name)}; it was not written by onnxviz, or it is damaged"
        )
    return value


def _sorted(value: Any) -> Any:
    """Sort the keys of plain JSON, so that equal documents are equal text."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
