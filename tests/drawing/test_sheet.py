"""The contact sheet."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageColor

from onnxviz.drawing.colors import BACKGROUND
from onnxviz.drawing.pictures import diverging, enlarge, sequential, to_rgb
from onnxviz.drawing.sheet import ColorBar, Sheet, Tile
from onnxviz.errors import DataError

# A color that is used nowhere else on a sheet.
SIGNAL = (1, 254, 3)


def tiles(count, height=7, width=7, **given):
    return [Tile(np.full((height, width, 3), SIGNAL, np.uint8), f"conv1[{number}]", **given) for number in range(count)]


def blocks(sheet):
    """Find the rectangles of the signal color: (top, left, height, width), in reading order."""
    mask = (sheet == SIGNAL).all(axis=2)
    found = []
    while mask.any():
        top, left = (int(index) for index in np.unravel_index(int(np.argmax(mask)), mask.shape))
        width = int(np.argmin(np.append(mask[top, left:], False)))
        height = int(np.argmin(np.append(mask[top:, left], False)))
        assert mask[top : top + height, left : left + width].all()
        mask[top : top + height, left : left + width] = False
        found.append((top, left, height, width))
    return found


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 64, 100, 257, 1000])
def test_every_picture_is_there_once_aligned_and_the_sheet_is_bearable(count):
    sheet = Sheet(tiles(count), title="conv1").draw()
    found = blocks(sheet)
    assert len(found) == count
    assert len({block[2:] for block in found}) == 1
    factor = found[0][2] / 7
    assert factor == int(factor) >= 4
    tops, lefts = sorted({block[0] for block in found}), sorted({block[1] for block in found})
    assert len(tops) * len(lefts) - count < len(lefts)
    for places in (tops, lefts):
        assert len(set(np.diff(places))) <= 1
    assert max(sheet.shape) <= 4000
    if count >= 16:
        assert 0.5 < sheet.shape[1] / sheet.shape[0] < 2.5


@pytest.mark.parametrize(
    ("height", "width"), [(224, 224), (1, 1), (64, 64), (3, 30), (40, 4), (480, 640), (2000, 2000), (1, 900)]
)
def test_pictures_of_every_size_keep_their_proportions(height, width):
    sheet = Sheet(tiles(6, height, width), title="input").draw()
    for _, _, shown_height, shown_width in blocks(sheet):
        assert shown_width / shown_height == pytest.approx(width / height, rel=0.5 / min(shown_height, shown_width) * 2)
    assert max(sheet.shape) <= 4000


def test_many_large_pictures_fit():
    sheet = Sheet(tiles(300, 224, 224, detail="score 1.0"), title="layer").draw()
    assert len(blocks(sheet)) == 300
    assert max(sheet.shape) <= 4000


def test_the_pixels_of_kernels_stay_squares():
    kernel = diverging(np.random.default_rng(0).normal(size=(5, 5)))
    sheet = Sheet([Tile(kernel)]).draw()
    factor = 448 // 5
    large = enlarge(kernel, factor)
    windows = np.lib.stride_tricks.sliding_window_view(sheet, large.shape)[64:66, 64:66, 0]
    assert any((window == large).all() for window in windows.reshape(-1, *large.shape))


def test_sharpness_can_be_asked_for():
    checks = np.indices((80, 80)).sum(axis=0)[:, :, None] % 2 * np.full(3, 255, np.uint8)
    colors = [
        len(np.unique(Sheet([Tile(checks.astype(np.uint8), sharp=sharp)]).draw()[66:200, 66:200]))
        for sharp in (True, None)
    ]
    assert colors[0] == 2 < colors[1]


def test_a_map_fills_its_box_beside_a_larger_picture():
    red = np.broadcast_to(np.array([255, 0, 0], np.uint8), (111, 111, 3))
    blue = np.broadcast_to(np.array([0, 0, 255], np.uint8), (224, 224, 3))
    sheet = Sheet([Tile(blue, sharp=False), *[Tile(red, sharp=True)] * 64]).draw()
    areas = [int((sheet == color).all(axis=2).sum()) for color in (blue[0, 0], red[0, 0])]
    assert areas[1] >= 64 * areas[0] * 0.75**2


def test_sections_come_in_order_with_their_own_rows():
    mixed = [Tile(tile.picture, tile.caption, section="ab"[number % 2]) for number, tile in enumerate(tiles(14))]
    plain, headed = blocks(Sheet(tiles(14)).draw()), blocks(Sheet(mixed).draw())
    assert len(plain) == len(headed) == 14
    rows = sorted({block[0] for block in headed})
    columns = sum(block[0] == rows[0] for block in headed)
    assert [sum(block[0] == row for block in headed) for row in rows][-1] == 7 - (7 - 1) // columns * columns


def test_a_heading_takes_room():
    without, with_heading = Sheet(tiles(3)).draw(), Sheet(tiles(3, section="edges")).draw()
    assert with_heading.shape[0] > without.shape[0]
    assert with_heading.shape[1] == without.shape[1]


@pytest.mark.parametrize("part", ["title", "subtitle", "note"])
def test_names_of_attackers_are_drawn_as_their_escapes(part):
    wild, tame = "a\nb\x1b[31m\u202ec", "a\\nb\\x1b[31m\\u202ec"
    np.testing.assert_array_equal(*(Sheet(tiles(2), **{part: text}).draw() for text in (wild, tame)))
    np.testing.assert_array_equal(
        *(
            Sheet([Tile(tiles(1)[0].picture, text, text, text)], bar=ColorBar("gray", 0, 1, text)).draw()
            for text in (wild, tame)
        )
    )


def test_long_texts_lose_their_middle_and_do_not_widen_the_sheet():
    long = "x" * 5000
    short = Sheet(tiles(12), title="x" * 100).draw()
    assert Sheet(tiles(12), title=long, subtitle=long, note=long).draw().shape[1] == short.shape[1]
    captioned = Sheet([Tile(tile.picture, long, long, long) for tile in tiles(12)], title="x" * 100).draw()
    background = ImageColor.getrgb(BACKGROUND)
    assert (captioned[:, -40:] == background).all()
    assert (captioned[:, :40] == background).all()


def test_margins_are_free_even_when_everything_is_there():
    bar = ColorBar("diverging", -1, 1, "weight")
    sheet = Sheet(tiles(30, section="edges", detail="norm 1.2"), "title", "subtitle", "note", bar).draw()
    background = ImageColor.getrgb(BACKGROUND)
    for border in (sheet[:40], sheet[-40:], sheet[:, :40], sheet[:, -40:]):
        assert (border == background).all()


@pytest.mark.parametrize("scale", ["diverging", "sequential", "gray"])
def test_the_color_bar_shows_the_scale(scale):
    sheet = Sheet(tiles(4), bar=ColorBar(scale, 0, 2, "weight")).draw()
    plain = Sheet(tiles(4)).draw()
    assert sheet.shape[0] > plain.shape[0]
    colors = set(map(bytes, sheet.reshape(-1, 3)))
    draw = {
        "diverging": lambda value: diverging(value, 2),
        "sequential": lambda value: sequential(value, 0, 2),
        "gray": lambda value: to_rgb(value, 0, 2),
    }
    for value in (-2.0, 0.0, 2.0) if scale == "diverging" else (0.0, 2.0):
        assert draw[scale](np.array([[value]])).tobytes() in colors


def test_the_same_sheet_has_the_same_bytes():
    first, second = (Sheet(tiles(9, detail="d", section="s"), "t").draw() for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_sheet_without_pictures_is_refused():
    with pytest.raises(DataError, match="a sheet needs at least one picture"):
        Sheet([]).draw()


@pytest.mark.parametrize("array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_picture_is_refused(array):
    with pytest.raises(DataError, match=r"is no picture; a tile needs \(height, width, 3\) uint8"):
        Sheet([Tile(array)]).draw()


def test_a_sheet_shows_itself_in_a_notebook():
    sheet = Sheet([Tile(np.full((8, 8, 3), 7, np.uint8), "<b>a</b>")], title="one")
    with Image.open(io.BytesIO(sheet._repr_png_())) as picture:
        np.testing.assert_array_equal(np.asarray(picture), sheet.draw())


def test_a_picture_beside_another_is_half_as_high_and_stands_on_the_same_line():
    other = np.full((200, 300, 3), 9, np.uint8)
    plain = np.full((200, 240, 3), SIGNAL, np.uint8)
    drawn = Sheet([Tile(plain, "a", beside=other), Tile(plain, "b")]).draw()
    first, second = blocks(drawn)
    assert max(abs(one - two) for one, two in zip(first[2:], second[2:], strict=True)) <= 2
    rows, columns = (np.flatnonzero((drawn == 9).all(axis=2).any(axis=axis)) for axis in (1, 0))
    assert abs(len(rows) - first[2] / 2) <= 1
    assert abs(len(columns) - 1.5 * len(rows)) <= 2
    assert rows[-1] == first[0] + first[2] - 1
    assert first[1] + first[3] < columns[0]


def test_a_second_picture_that_is_none_is_refused():
    with pytest.raises(DataError, match="is no picture"):
        Sheet([Tile(np.zeros((4, 4, 3), np.uint8), beside=np.zeros((4, 4), np.uint8))]).draw()
