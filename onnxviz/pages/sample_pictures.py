"""The display of a sample in a report: a picture, a wave, a row of a table, token ids, or a map of colors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.formats.letters import text_of
from onnxviz.pages.page_pictures import PagePicture, envelope, page_chart, page_picture

if TYPE_CHECKING:
    from onnxviz.analyses.activations.answers import Answer
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.drawing.pictures import Picture
    from onnxviz.formats.tokenizers import Encoded

_COLUMNS = 160
"""The number of columns of a wave. Each is a bar of two pixels."""

_LINES = 4
_FEATURES = 40
"""A vector with more features is drawn as a line."""

_TOKENS = 96
"""The largest number of tokens that are shown of a text."""

_STEPS = 8
"""The largest number of features over time that are drawn as lines. More are drawn as a map of colors."""


@dataclass(frozen=True)
class Looks:
    """Makes the display of samples, with small pictures.

    Attributes
    ----------
    drawing : Drawing
        Draws arrays of the input.
    write : callable
        Takes a place in the report and the bytes of a file.
    folder : str
        The folder of the report for the pictures.
    """

    drawing: Drawing
    write: Callable[[str, bytes], None]
    folder: str = "samples"

    def __call__(self, identity: str, sample: np.ndarray) -> dict[str, Any]:
        """Return the display of a sample, for the page's script.

        Parameters
        ----------
        identity : str
            The sample's identity. It gives the name of the picture's file.
        sample : (*shape) ndarray
            The sample, in the model's own units.

        Returns
        -------
        dict
            "kind" is "picture" or "map", with a file; "wave", with an envelope; "row", with values (numbers, texts, None for
            a missing value); or "tokens", with ids.
        """
        expected = self.drawing.expected
        values = np.asarray(sample)
        if values.dtype.kind == "O":
            return {"kind": "row", "values": [_shown(one) for one in values.reshape(-1).tolist()]}
        if expected.kind == "tokens" and values.ndim == 1:
            return {"kind": "tokens", "length": values.size, "ids": [int(one) for one in values[:_TOKENS].tolist()]}
        if expected.kind == "letters":
            text = text_of(values, expected.axes, expected.letters)
            return {"kind": "tokens", "length": len(text), "ids": list(text[:_TOKENS])}
        if self.drawing.has_thumbnail and not self.drawing.is_picture:
            return self._file("map", identity, self.drawing.thumbnail(values))
        if self.drawing.is_picture:
            return {**self._file("picture", identity, self.drawing.draw(sample)), "framed": self._has_frames}
        flat = values.ndim <= 1 or values.size == max(values.shape)
        if flat and "time" not in expected.axes and values.size <= _FEATURES:
            return {"kind": "row", "values": [_shown(one) for one in values.reshape(-1).tolist()]}
        lines = self._lines(values, flat)
        if lines is not None:
            return {"kind": "wave", "length": lines.shape[1], "lines": envelope(lines[:_LINES], _COLUMNS)}
        from onnxviz.drawing.pictures import diverging

        plane = values.reshape(-1, values.shape[-1]).astype(np.float64)
        # As in charts, time runs to the right and features upward, in any order of the file's axes.
        plane = plane.T[::-1] if expected.axes == ("time", "feature") else plane
        return self._file("map", identity, diverging(_thinned(plane - float(np.median(plane)))))

    @property
    def _has_frames(self) -> bool:
        """Whether a pixel of a sample's picture is a position of the input."""
        expected = self.drawing.expected
        return expected.color is not None and expected.bounded

    def _lines(self, values: np.ndarray, flat: bool) -> np.ndarray | None:
        """Return the series of a sample, (line, step); None if it has no series, or too many."""
        if flat:
            return values.reshape(1, -1)
        if self.drawing.expected.kind == "signal":
            return values.reshape(-1, values.shape[-1])
        if self.drawing.expected.axes == ("time", "feature") and values.ndim == 2:
            return values.T if values.shape[1] <= _STEPS < values.shape[0] else None
        return None

    def _file(self, kind: str, identity: str, picture: Picture) -> dict[str, Any]:
        name = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return {"kind": kind, **keep_small(self.write, f"{self.folder}/{name}", picture)}


def words_of(encoded: Encoded) -> dict[str, Any]:
    """Return what the page shows of a text: its tokens, as `Looks` returns the ids of tokens."""
    return {"kind": "tokens", "length": encoded.real, "ids": [row["text"] for row in encoded.rows()[:_TOKENS]]}


def _shown(value: Any) -> float | str | None:
    """Return a value of a row as JSON: a text, a number of six digits, or None for a missing number."""
    if isinstance(value, str):
        return value
    number = float(value)
    return float(f"{number:.6g}") if number == number else None


def keep_small(write: Callable[[str, bytes], None], place: str, picture: Picture) -> dict[str, Any]:
    """Write a picture as a small file; return its place, with the suffix, and its size."""
    made: PagePicture = page_picture(picture)
    write(place + made.suffix, made.content)
    return {"file": place + made.suffix, "width": made.width, "height": made.height}


def keep_chart(write: Callable[[str, bytes], None], place: str, picture: Picture) -> dict[str, Any]:
    """Write a chart without empty margins as a small file; return its place, with the suffix, and its size."""
    from onnxviz.drawing.pictures import trim

    made = page_chart(trim(picture))
    write(place + made.suffix, made.content)
    return {"file": place + made.suffix, "width": made.width, "height": made.height}


def map_rows(
    answer: Answer, drawing: Drawing, sample: np.ndarray, most: int, write: Callable[[str, bytes], None], folder: str
) -> list[dict[str, Any]]:
    """Write the maps of an answer to a sample, a file each; return their entries for the page.

    Parameters
    ----------
    answer, drawing, sample, most
        As in `answer_tiles`.
    write : callable
        Takes a place in the report and the bytes of a file.
    folder : str
        The folder of the report for the files.

    Returns
    -------
    list of dict
        "file", "width", "height"; the "unit" or None; "name" and "detail", the text below the map; "over", whether the map lies
        over the input. Empty if the answer is no map.
    """
    from onnxviz.analyses.activations.pictures import OVER_INPUT, answer_tiles

    rows = []
    for number, (unit, tile) in enumerate(answer_tiles(answer, drawing, sample, most)):
        over = tile.section == OVER_INPUT
        name = f"{folder}/{number if unit is None else unit}{'_over' if over else ''}"
        about = {"unit": unit, "name": tile.caption, "detail": tile.detail, "over": over}
        rows.append({**keep_small(write, name, tile.picture), **about})
    return rows


def window_share(window: Sequence[Sequence[int]] | None, shape: Sequence[int]) -> list[list[float]] | None:
    """Return the part of each axis that a window covers, from 0 to 1; None without a window, or if it covers everything.

    Parameters
    ----------
    window : sequence of (start, stop), or None
        The window along each axis of positions.
    shape : sequence of int
        The lengths of these axes.

    Examples
    --------
    >>> window_share([[0, 8], [4, 8]], (16, 16))
    [[0.0, 0.5], [0.25, 0.5]]
    """
    if window is None or len(window) != len(shape):
        return None
    shares = [
        [round(max(0, edges[0]) / size, 5), round(min(size, edges[1]) / size, 5)]
        for edges, size in zip(window, shape, strict=True)
    ]
    return None if all(share == [0.0, 1.0] for share in shares) else shares


def _thinned(plane: np.ndarray) -> np.ndarray:
    """Return a plane with at most 160 values a side: means of neighbors."""
    for axis in (0, 1):
        together = -(-plane.shape[axis] // _COLUMNS)
        if together > 1:
            starts = np.arange(0, plane.shape[axis], together)
            counts = np.diff([*starts, plane.shape[axis]])
            sums = np.add.reduceat(plane, starts, axis=axis)
            plane = sums / (counts[:, None] if axis == 0 else counts)
    return plane
