"""The contact sheet: one large picture of many small ones, with captions and in sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from onnxviz.drawing.captions import elide_to_width, font
from onnxviz.drawing.colors import BACKGROUND, HAIRLINE, INK, MUTED
from onnxviz.drawing.pictures import Picture, diverging, enlarge, picture_bytes, sequential, to_rgb
from onnxviz.drawing.sheet_layout import Layout, arrange
from onnxviz.errors import DataError
from onnxviz.wording import number_text, printable

_BAR_WIDTH, _BAR_HEIGHT = 321, 20  # odd, so that there is a middle
# Pictures up to this many pixels a side are kernels, digits or icons, whose single pixels matter.
_SMALL = 64
_BESIDE, _GAP = 0.5, 0.04
"""The largest height of a picture beside another one, and the distance between both, as shares of the other one's height."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One picture of a sheet.

    Attributes
    ----------
    picture : (height, width, 3) uint8
        The picture, of any size.
    caption, detail : str
        Two lines below the picture, the first dark and the second light gray.
    section : str
        The heading of the tile's section. Sections come in the order of their first tiles.
    sharp : bool, optional
        Whether pixels stay squares when the picture is enlarged. Default: yes up to 64 pixels a side.
    beside : (height, width, 3) uint8, optional
        A second picture at the right of the first, at most half as high. Its pixels stay squares.
    """

    picture: Picture
    caption: str = ""
    detail: str = ""
    section: str = ""
    sharp: bool | None = None
    beside: Picture | None = None

    @property
    def size(self) -> tuple[int, int]:
        """The width and the height, with what stands beside the picture."""
        height, width = self.picture.shape[:2]
        if self.beside is not None:
            tall, wide = self.beside.shape[:2]
            width += round(height * (_GAP + _BESIDE * wide / tall))
        return width, height

    @property
    def is_sharp(self) -> bool:
        """Whether pixels stay squares when the picture is enlarged."""
        return max(self.picture.shape[:2]) <= _SMALL if self.sharp is None else self.sharp


@dataclass(frozen=True, slots=True)
class ColorBar:
    """What the colors of a sheet's tiles mean.

    Attributes
    ----------
    scale : {"diverging", "sequential", "gray"}
        The scale that `diverging`, `sequential` or `to_rgb` draws with. A diverging scale reaches from `-high` to `high`.
    low, high : float
        The values at the ends of the scale.
    label : str
        What the values are, and their unit.
    """

    scale: Literal["diverging", "sequential", "gray"]
    low: float
    high: float
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A contact sheet of one to a thousand pictures.

    The number of tiles settles their size and the number of columns. A few tiles are large. Even many tiles make a sheet of at
    most about 4000 pixels a side, which is meant to be seen at half its size.

    Attributes
    ----------
    tiles : sequence of Tile
        The pictures of the sheet, at least one.
    title, subtitle : str
        Two lines above the tiles. A line that is too long loses its middle.
    note : str
        A line below the tiles.
    bar : ColorBar, optional
        A color bar below the tiles, with numbers.

    Examples
    --------
    >>> tiles = [Tile(np.zeros((7, 7, 3), np.uint8), f"conv1[{index}]") for index in range(4)]
    >>> Sheet(tiles, title="conv1").draw().shape[2]
    3
    """

    tiles: Sequence[Tile]
    title: str = ""
    subtitle: str = ""
    note: str = ""
    bar: ColorBar | None = None

    def draw(self) -> Picture:
        """Draw the sheet.

        Returns
        -------
        (height, width, 3) uint8

        Raises
        ------
        DataError
            If there is no tile, or if a tile holds no picture.
        """
        sections = self._sections()
        layout = arrange(
            counts=[len(tiles) for tiles in sections.values()],
            headed=any(sections),
            picture=(
                max(tile.size[0] for tile in self.tiles),
                max(tile.size[1] for tile in self.tiles),
            ),
            sharp=all(tile.is_sharp for tile in self.tiles),
            captions=[printable(tile.caption) for tile in self.tiles] + [printable(tile.detail) for tile in self.tiles],
            lines=any(tile.caption for tile in self.tiles) + any(tile.detail for tile in self.tiles),
            header=self._header_height(),
            footer=self._footer_height(),
            least_width=self._least_width(),
        )
        canvas = Image.new("RGB", (layout.width, layout.height), BACKGROUND)
        pen = ImageDraw.Draw(canvas)
        top = self._draw_header(pen, layout)
        for heading, tiles in sections.items():
            if any(sections):
                top = _draw_heading(pen, layout, top, heading, len(tiles))
            for number, tile in enumerate(tiles):
                row, column = divmod(number, layout.columns)
                _draw_tile(canvas, pen, layout, tile, layout.left(column), top + row * layout.pitch)
            top += -(-len(tiles) // layout.columns) * layout.pitch
        self._draw_footer(canvas, pen, layout)
        return np.asarray(canvas)

    def _repr_png_(self) -> bytes:
        """Show the sheet in a notebook."""
        return picture_bytes(self.draw())

    def _sections(self) -> dict[str, list[Tile]]:
        if not self.tiles:
            raise DataError("a sheet needs at least one picture")
        sections: dict[str, list[Tile]] = {}
        for tile in self.tiles:
            for picture in (tile.picture, *(() if tile.beside is None else (tile.beside,))):
                shape = np.shape(picture)
                if len(shape) != 3 or shape[2] != 3 or 0 in shape or picture.dtype != np.uint8:
                    raise DataError(f"an array of shape {shape} is no picture; a tile needs (height, width, 3) uint8")
            sections.setdefault(tile.section, []).append(tile)
        return sections

    def _header_height(self) -> int:
        return (56 if self.title else 0) + (38 if self.subtitle else 0) + (26 if self.title or self.subtitle else 0)

    def _footer_height(self) -> int:
        return (_BAR_HEIGHT + 62 if self.bar else 0) + (44 if self.note else 0) + (28 if self.bar or self.note else 0)

    def _least_width(self) -> int:
        """Return the least width between the margins, so that a title has room over a single small tile."""
        texts = [
            font(36, bold=True).getlength(printable(self.title)[:80]),
            font(22).getlength(printable(self.subtitle)[:80]),
            font(20).getlength(printable(self.note)[:80]),
        ]
        if self.bar:
            texts.append(_BAR_WIDTH + 24 + font(20).getlength(printable(self.bar.label)[:60]))
        return int(min(max(texts), 1000))

    def _draw_header(self, pen: ImageDraw.ImageDraw, layout: Layout) -> int:
        top = layout.margin
        for text, size, bold, color, height in ((self.title, 36, True, INK, 56), (self.subtitle, 22, False, MUTED, 38)):
            if text:
                letters = font(size, bold)
                text = elide_to_width(printable(text), letters, layout.inner_width)
                pen.text((layout.margin, top), text, fill=color, font=letters)
                top += height
        return layout.margin + self._header_height()

    def _draw_footer(self, canvas: Image.Image, pen: ImageDraw.ImageDraw, layout: Layout) -> None:
        letters = font(20)
        left, top = layout.margin, layout.height - layout.margin - self._footer_height() + 38
        if self.bar:
            width = min(_BAR_WIDTH, layout.inner_width)
            values, numbers = _bar(self.bar, width)
            canvas.paste(Image.fromarray(np.repeat(values, _BAR_HEIGHT, axis=0)), (left, top))
            pen.rectangle((left - 1, top - 1, left + width, top + _BAR_HEIGHT), outline=HAIRLINE)
            for number, place, anchor in zip(
                numbers, (left, left + width / 2, left + width), ("la", "ma", "ra"), strict=True
            ):
                pen.text((place, top + _BAR_HEIGHT + 8), number, fill=MUTED, font=letters, anchor=anchor)
            beside = layout.inner_width - width - 24
            label = elide_to_width(printable(self.bar.label), letters, beside)
            if self.bar.label and beside > 40:
                pen.text((left + width + 24, top + _BAR_HEIGHT / 2), label, fill=INK, font=letters, anchor="lm")
            top += _BAR_HEIGHT + 62
        if self.note:
            pen.text(
                (left, top + 4),
                elide_to_width(printable(self.note), letters, layout.inner_width),
                fill=MUTED,
                font=letters,
            )


def _bar(bar: ColorBar, width: int) -> tuple[Picture, tuple[str, str, str]]:
    low = -bar.high if bar.scale == "diverging" else bar.low
    values = np.linspace(low, bar.high, width)[None, :]
    numbers = number_text(low), number_text((low + bar.high) / 2), number_text(bar.high)
    if bar.scale == "diverging":
        return diverging(values, bar.high), numbers
    return (sequential if bar.scale == "sequential" else to_rgb)(values, low, bar.high), numbers


def _draw_heading(pen: ImageDraw.ImageDraw, layout: Layout, top: int, heading: str, count: int) -> int:
    """Draw a section's heading, the number of its tiles and a hairline; return the top of the first row of tiles."""
    letters, numbers = font(layout.heading, bold=True), font(layout.caption)
    base = top + layout.heading + 22
    room = layout.inner_width - 80
    text = elide_to_width(printable(heading) or "other", letters, room)
    pen.text((layout.margin, base), text, fill=INK, font=letters, anchor="ls")
    pen.text((layout.margin + letters.getlength(text) + 14, base), str(count), fill=MUTED, font=numbers, anchor="ls")
    pen.line((layout.margin, base + 14, layout.width - layout.margin - 1, base + 14), fill=HAIRLINE, width=2)
    return top + layout.heading_height


def _draw_tile(canvas: Image.Image, pen: ImageDraw.ImageDraw, layout: Layout, tile: Tile, left: int, top: int) -> None:
    base, right = top + layout.box[1], left
    for picture in _pictures(tile, layout.box):
        height, width = picture.shape[:2]
        # Pictures of different heights have their lower edges on one line, just above their captions.
        canvas.paste(Image.fromarray(picture), (right, base - height))
        pen.rectangle((right - 1, base - height - 1, right + width, base), outline=HAIRLINE)
        right += width + round(_GAP * height)
    letters = font(layout.caption)
    line = base + 8
    for text, color in ((tile.caption, INK), (tile.detail, MUTED)):
        if text:
            pen.text((left, line), elide_to_width(printable(text), letters, layout.cell), fill=color, font=letters)
            line += layout.line_height


def _pictures(tile: Tile, box: tuple[int, int]) -> list[Picture]:
    """Return the picture of a tile, and the one beside it, in the size in which they fit into a box together."""
    if tile.beside is None:
        return [_fitted(tile, box)]
    (width, height), (tall, wide) = tile.size, tile.beside.shape[:2]
    scale = min(box[0] / width, box[1] / height)
    own = _fitted(tile, (max(1, int(tile.picture.shape[1] * scale)), max(1, int(height * scale))))
    half = _BESIDE * len(own)
    return [own, _fitted(Tile(tile.beside, sharp=True), (max(1, int(half * wide / tall)), max(1, int(half))))]


def _fitted(tile: Tile, box: tuple[int, int]) -> Picture:
    picture = np.ascontiguousarray(tile.picture)
    height, width = picture.shape[:2]
    factor = min(box[0] // width, box[1] // height)
    scale = min(box[0] / width, box[1] / height)
    # By whole factors alone a map of 111 pixels would stay small in a box of 208. From that size on pixels may be of uneven size.
    fine = max(height, width) > _SMALL and factor < 0.75 * scale
    if tile.is_sharp and factor >= 1 and not fine:
        return enlarge(picture, factor)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (width, height):
        return picture
    if tile.is_sharp and factor >= 1:
        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
