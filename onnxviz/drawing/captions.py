"""Fonts for pictures, and text measured in them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from onnxviz.wording import elide

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def elide_to_width(text: str, font: Font, width: float) -> str:
    """Shorten a text in its middle until it is at most `width` pixels wide in this font."""
    return elide(text, lambda shorter: font.getlength(shorter) <= width)


@lru_cache(maxsize=16)
def font(size: int, bold: bool = False) -> Font:
    """Load DejaVu Sans, which comes with matplotlib, at `size` pixels.

    Where a distribution ships matplotlib without its fonts, Pillow's own font takes its place.
    """
    import matplotlib

    path = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    try:
        # The basic layout gives the same pixels whether or not libraqm is installed.
        return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        return ImageFont.load_default(size)
