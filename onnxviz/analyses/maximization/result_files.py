"""The files of maxima: how the arrays and pictures of one are written, and how they are read back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.pictures import Portrait
    from onnxviz.drawing.pictures import Picture

PICTURE = "picture.png"
_FILES = (PICTURE, "arrays.npz", "result.json")
KERNEL = "kernel.png"
"""The kernel of a unit of the first convolution, beside the unit's picture."""
SOUND, CLIP, SEQUENCE, CLOUD, STRIP = "sound.wav", "clip.png", "sequence.fasta", "points.ply", "strip.png"
"""Files that are written beside the picture: of a signal, a clip, letters, points, and the changes of a real input."""


class Content(Protocol):
    """The arrays and the picture of a maximum, in memory or in a folder."""

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """All arrays, by name."""

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that are written."""

    @property
    def kernel(self) -> Picture | None:
        """The kernel of the unit, if a convolution of the input makes it."""

    def picture(self, headed: bool = True) -> Picture:
        """Return the picture that is saved; not headed, a chart without its title, or a picture that is not enlarged."""

    def write(self, folder: Path, row: dict[str, Any]) -> None:
        """Write the files into a folder, with a row that tells of them."""


@dataclass(frozen=True, eq=False)
class Measured:
    """The arrays and the picture of a maximum that was just found.

    Attributes
    ----------
    arrays : dict of str to ndarray
        All arrays, by name.
    axes : dict of str to str
        The names of their axes.
    portrait : Portrait
        What is drawn.
    kernel : (height, width, 3) uint8, or None
        The kernel of the unit, if a convolution of the input makes it.
    provenance : dict
        The model and the seed.
    message : str
        What the status of the ascent means; "" where there is nothing to say.
    beside : mapping of str to callable
        Further files, such as a sound, an animation or a sequence: the name of each, and a function that writes it to a path.
    """

    arrays: dict[str, np.ndarray]
    axes: dict[str, str]
    portrait: Portrait
    kernel: Picture | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    beside: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that are written."""
        return (*_FILES, *((KERNEL,) if self.kernel is not None else ()), *self.beside)

    def picture(self, headed: bool = True) -> Picture:
        """Return the picture, drawn anew."""
        return self.portrait.picture(headed)

    def write(self, folder: Path, row: dict[str, Any]) -> None:
        """Write picture, sound, frames, arrays and result.json.

        Raises
        ------
        DataError
            If the folder cannot be written to.
        """
        from onnxviz.drawing.pictures import save_picture
        from onnxviz.formats.results import Result

        folder.mkdir(parents=True, exist_ok=True)
        save_picture(folder / PICTURE, self.picture())
        if self.kernel is not None:
            save_picture(folder / KERNEL, self.kernel)
        for name, write in self.beside.items():
            write(folder / name)
        for step, picture in self.portrait.steps():
            (folder / "frames").mkdir(exist_ok=True)
            save_picture(folder / "frames" / f"step_{step:05d}.png", picture)
        Result(self.arrays, self.axes, row, row["status"], self.message, self.provenance).save(folder)


class Stored:
    """The arrays and the picture of a maximum that lies in a folder; read when they are asked for.

    Parameters
    ----------
    places : Path
        Where the folder may lie: a folder of unfinished results is renamed once all of them are there.
    """

    def __init__(self, *places: Path) -> None:
        self._places = places

    @property
    def place(self) -> Path:
        """The folder."""
        return next((place for place in self._places if place.exists()), self._places[-1])

    @cached_property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """All arrays, by name."""
        from onnxviz.formats.results import Result

        return Result.load(self.place).arrays

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files."""
        names = (*_FILES, KERNEL, SOUND, CLIP, SEQUENCE, CLOUD, STRIP)
        return tuple(name for name in names if (self.place / name).exists())

    @property
    def kernel(self) -> Picture | None:
        """The kernel as it was saved."""
        return self._read(KERNEL) if (self.place / KERNEL).exists() else None

    def picture(self, headed: bool = True) -> Picture:
        """Return the picture as it was saved."""
        return self._read(PICTURE)

    def _read(self, name: str) -> Picture:
        from PIL import Image

        with Image.open(self.place / name) as image:
            return np.asarray(image.convert("RGB"))

    def write(self, folder: Path, row: dict[str, Any]) -> None:
        """Copy the files, with another row."""
        from onnxviz.formats.results import Result

        result = Result.load(self.place)
        shutil.copytree(self.place, folder, dirs_exist_ok=True)
        result.summary = row
        result.save(folder)


def write_together(folder: Path, document: dict[str, Any], sheet: Picture | None) -> None:
    """Write the contact sheet of several maxima, if there is one, and the whole document."""
    from onnxviz.drawing.pictures import save_picture
    from onnxviz.formats.atomic_file import atomic_file
    from onnxviz.formats.json_documents import json_text

    folder.mkdir(parents=True, exist_ok=True)
    if sheet is not None:
        save_picture(folder / "sheet.png", sheet)
    with atomic_file(folder / "result.json") as file:
        file.write(json_text(document).encode("utf-8"))
