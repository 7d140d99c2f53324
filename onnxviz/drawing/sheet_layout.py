"""The layout of a contact sheet: the size of its tiles, and how many stand in a row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onnxviz.drawing.captions import font

_LARGEST_TILE = 448


@dataclass(frozen=True, slots=True)
class _Density:
    """The measures, in pixels, of a sheet with few or with many tiles."""

    budget: int  # the longest side of the sheet
    smallest: int  # the smallest side of a tile, as the root of its area
    caption: int
    heading: int
    gap: int
    margin: int
    cell: int  # the width up to which captions may widen the columns


# From roomy to dense: the first density in which all tiles fit is taken.
_DENSITIES = (
    _Density(budget=2000, smallest=120, caption=22, heading=28, gap=28, margin=64, cell=200),
    _Density(budget=2800, smallest=104, caption=22, heading=28, gap=28, margin=64, cell=180),
    _Density(budget=4000, smallest=96, caption=20, heading=26, gap=24, margin=64, cell=150),
    _Density(budget=4000, smallest=32, caption=16, heading=22, gap=14, margin=56, cell=100),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """The places and sizes of all parts of a sheet, in pixels.

    Attributes
    ----------
    columns : int
        How many tiles stand in a row.
    box : (width, height)
        The box that a tile's picture has to fit in.
    cell : int
        The width of a column: that of the box, or more where captions need it.
    pitch : int
        The distance from the top of a row to the top of the next row.
    gap, margin : int
        The gap between columns, and the margin around all tiles.
    caption, heading : int
        The sizes of the letters of captions and of headings.
    line_height, heading_height : int
        The heights of a caption's line and of a section's heading.
    width, height : int
        The size of the sheet.
    """

    columns: int
    box: tuple[int, int]
    cell: int
    pitch: int
    gap: int
    margin: int
    caption: int
    heading: int
    line_height: int
    heading_height: int
    width: int
    height: int

    @property
    def inner_width(self) -> int:
        """The width between the margins."""
        return self.width - 2 * self.margin

    def left(self, column: int) -> int:
        """Return the left edge of a column."""
        return self.margin + column * (self.cell + self.gap)


def arrange(
    counts: Sequence[int],
    headed: bool,
    picture: tuple[int, int],
    sharp: bool,
    captions: Sequence[str],
    lines: int,
    header: int,
    footer: int,
    least_width: int,
) -> Layout:
    """Return the layout with the largest tiles for which the sheet is not too large and has a pleasant shape.

    Parameters
    ----------
    counts : sequence of int
        The number of tiles in each section.
    headed : bool
        Whether the sections have headings.
    picture : (width, height)
        The size of the largest picture.
    sharp : bool
        Whether pictures are enlarged by whole factors only.
    captions : sequence of str
        The captions of all tiles. The longest caption may widen the columns.
    lines : int
        How many lines the caption of a tile has.
    header, footer, least_width : int
        The heights of the sheet's header and footer and the least width between the margins, in pixels.

    Returns
    -------
    Layout
    """
    for density in _DENSITIES:
        letters = font(density.caption)
        widest = min(max((letters.getlength(caption[:60]) for caption in captions), default=0.0), density.cell)
        for box in _boxes(picture, sharp, density.smallest):
            cell = max(box[0], math.ceil(widest))
            most = (density.budget - 2 * density.margin) // (cell + density.gap)
            candidates = [
                _layout(density, columns, box, cell, counts, headed, lines, header, footer, least_width)
                for columns in range(1, max(1, min(max(counts), most)) + 1)
            ]
            layout = min(candidates, key=lambda candidate: _ugliness(candidate, counts))
            if max(layout.width, layout.height) <= density.budget:
                return layout
    # So many tiles exceed every budget. The sheet grows beyond the largest budget, since no tile is left out.
    return max(candidates, key=lambda candidate: -max(candidate.width, candidate.height))


def _boxes(picture: tuple[int, int], sharp: bool, smallest: int) -> Iterator[tuple[int, int]]:
    """Yield the boxes that a picture can be drawn in, the largest first, down to the root of the area `smallest`."""
    width, height = picture
    side = math.sqrt(width * height)
    if sharp:
        for factor in range(int(_LARGEST_TILE // side), 0, -1):
            if side * factor >= smallest:
                yield width * factor, height * factor
    # A picture that is resampled shows nothing more beyond twice its size.
    largest = int(min(_LARGEST_TILE, side if sharp else 2 * side))
    for wanted in range(largest, (smallest if sharp else min(largest, smallest)) - 1, -12):
        yield max(1, round(width * wanted / side)), max(1, round(height * wanted / side))


def _layout(
    density: _Density,
    columns: int,
    box: tuple[int, int],
    cell: int,
    counts: Sequence[int],
    headed: bool,
    lines: int,
    header: int,
    footer: int,
    least_width: int,
) -> Layout:
    line_height = round(density.caption * 1.3)
    pitch = box[1] + (8 + lines * line_height if lines else 0) + density.gap
    heading_height = density.heading + 60 if headed else 0
    rows = sum(-(-count // columns) for count in counts)
    return Layout(
        columns=columns,
        box=box,
        cell=cell,
        pitch=pitch,
        gap=density.gap,
        margin=density.margin,
        caption=density.caption,
        heading=density.heading,
        line_height=line_height,
        heading_height=heading_height,
        width=2 * density.margin + max(columns * (cell + density.gap) - density.gap, least_width),
        height=2 * density.margin + header + rows * pitch - density.gap + len(counts) * heading_height + footer,
    )


def _ugliness(layout: Layout, counts: Sequence[int]) -> float:
    """Return a penalty for a sheet's proportions, if they lie outside 3:4 to 2:1, and for gaps in its last rows."""
    ratio = layout.width / layout.height
    away = max(0.0, math.log(0.75 / ratio), math.log(ratio / 2.1)) + 0.05 * abs(math.log(ratio / 1.4))
    cells = sum(-(-count // layout.columns) * layout.columns for count in counts)
    # With several sections some last rows have gaps for every number of columns.
    return away + (1.5 if len(counts) == 1 else 0.3) * (1 - sum(counts) / cells)
