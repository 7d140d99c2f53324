"""The sheets of `filters`: kernels as they are, and what each answers on an input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.kernel_pictures import drawn_kernel, matrix_picture
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from onnxviz.analyses.kernel_pictures import Colors
    from onnxviz.drawing.pictures import Picture
    from onnxviz.methods.kernels.filters import FilterDescription
    from onnxviz.model.expectations.first_layer import FirstLayer
    from onnxviz.model.model import Model


def _title(found: FirstLayer) -> str:
    size = shape_text(found.kernels.shape[1:])
    return f"{count_text(len(found.kernels))} of {size}"


def count_text(filters: int) -> str:
    """Return a number of filters in words."""
    return "1 filter" if filters == 1 else f"{filters} filters"


def kernel_sheet(
    model: Model, found: FirstLayer, ranked: list[FilterDescription], colors: Colors | None, letters: str = ""
) -> Picture:
    """Return the kernels side by side, by kind; a matrix as a heat map.

    Parameters
    ----------
    model : Model
        The model.
    found : FirstLayer
        The kernels.
    ranked : list of FilterDescription
        In the order in which they are shown.
    colors : {"rgb", "bgr", "gray"} or None
        What the kernels' channels are.
    letters : str
        The letters that the kernels read; "" for other inputs.
    """
    from onnxviz.drawing.sheet import ColorBar, Sheet, Tile

    step = "sample" if found.kernels.ndim == 3 else "px"
    subtitle = f"{model.name}: {found.operator}, {found.weight}"
    if found.kernels.ndim == 2:
        return matrix_picture(
            model, found, f"{len(found.kernels)} units on {found.kernels.shape[1]} features", subtitle
        )
    if letters:
        return _logo_sheet(found, ranked, letters, subtitle)
    tiles = []
    for one in ranked:
        picture = drawn_kernel(found, one.index, colors)
        sharp = found.kernels.ndim != 3
        tiles.append(Tile(picture, str(one.index), _detail(one, step), _section(one, ranked), sharp=sharp))
    if colors in ("rgb", "bgr"):
        note = "Each kernel in its own scale: gray is zero."
        return Sheet(tiles, _title(found), subtitle, note).draw()
    if found.kernels.ndim == 3 and found.kernels.shape[1] <= 4:
        return Sheet(
            tiles, _title(found), subtitle, "Each kernel in its own scale; the line in the middle is zero."
        ).draw()
    bar = ColorBar("diverging", -1.0, 1.0, "weight / largest")
    return Sheet(tiles, _title(found), subtitle, "", bar).draw()


def _logo_sheet(found: FirstLayer, ranked: list[FilterDescription], letters: str, subtitle: str) -> Picture:
    """Return the kernels over one-hot letters as logos: what each letter at each position adds to the answer."""
    from onnxviz.analyses.kernel_pictures import consensus, drawn_kernel, lettered
    from onnxviz.drawing.sheet import Sheet, Tile

    tiles = []
    for one in sorted(ranked, key=lambda one: one.index):
        picture = drawn_kernel(found, one.index, None, letters)
        motif = consensus(lettered(found.kernels[one.index], len(letters)), letters)
        twin = f" = {one.duplicate_of}" if one.duplicate_of is not None else ""
        tiles.append(Tile(picture, f"{one.index}{twin}", motif, sharp=False))
    note = "Height: weight of the letter minus the mean of its position; each kernel in its own scale."
    return Sheet(tiles, _title(found), subtitle, note).draw()


def _section(one: FilterDescription, ranked: list[FilterDescription]) -> str:
    return one.kind if len(ranked) > 1 else ""


def _detail(one: FilterDescription, step: str) -> str:
    words = []
    if one.duplicate_of is not None:
        words.append(f"= {one.duplicate_of}")
    if one.orientation is not None:
        words.append(f"{one.orientation:.0f}°")
    if one.frequency is not None:
        words.append(f"{one.frequency:.2f}/{step}")
    return " ".join(words)


def answer_sheet(found: FirstLayer, ranked: list[FilterDescription], answers: np.ndarray) -> Picture:
    """Return what each filter answers on an input, (filter, *space), side by side."""
    from onnxviz.drawing.kernels import curve
    from onnxviz.drawing.pictures import diverging
    from onnxviz.drawing.sheet import ColorBar, Sheet, Tile

    tiles = []
    for one in ranked:
        if one.index >= len(answers):
            continue
        values = answers[one.index]
        largest = float(np.abs(values).max()) or 1.0
        flat = values.ndim < 2
        picture = (
            curve(values.reshape(1, -1), largest) if flat else diverging(values.reshape(-1, values.shape[-1]), largest)
        )
        tiles.append(Tile(picture, str(one.index), f"±{largest:.3g}", _section(one, ranked)))
    bar = ColorBar("diverging", -1.0, 1.0, "answer / largest") if answers.ndim > 2 else None
    return Sheet(
        tiles,
        f"What {count_text(len(tiles))} answer{'s' if len(tiles) == 1 else ''}",
        f"{found.layer}, by ONNX Runtime",
        "Beneath each: its largest answer.",
        bar,
    ).draw()
