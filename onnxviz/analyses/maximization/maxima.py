"""The maxima of several targets: a list of results, with one document and one contact sheet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.maximization.pictures import SMALL
from onnxviz.analyses.maximization.result import Maximum
from onnxviz.analyses.maximization.result_files import write_together
from onnxviz.analyses.maximization.wording import detail
from onnxviz.question import Question
from onnxviz.wording import question_text

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.task import Search
    from onnxviz.drawing.pictures import Picture
    from onnxviz.methods.objectives.objectives import Objective


class Maxima(list[Maximum]):
    """The maxima of several targets, in order.

    Parameters
    ----------
    search : Search
        What was climbed.
    threads : int
        The number of threads that computed.

    Attributes
    ----------
    seconds : float
        How long the search took.
    """

    def __init__(self, search: Search, threads: int) -> None:
        super().__init__()
        self._search, self._threads = search, threads
        self.seconds = 0.0

    @property
    def interrupted(self) -> bool:
        """Whether the search was interrupted before it was done."""
        return any(one.status == "interrupted" for one in self)

    def document(self) -> dict[str, Any]:
        """Return what `maximize --json` prints."""
        model = self._search.model
        return {
            "model": model.provenance,
            "device": self._search.device,
            "seed": self._search.settings.seed,
            "threads": self._threads,
            "seconds": round(self.seconds, 3),
            "runs": [one.row() for one in self],
        }

    def picture(self) -> Picture:
        """Return the contact sheet of all targets, (height, width, 3) uint8; of a single target its picture.

        Beside a unit of a convolution of the input stands its kernel. Faint pictures have more contrast than their files.
        """
        from onnxviz.drawing.sheet import Sheet, Tile

        if len(self) == 1:
            return self[0].picture()
        model, tensor = self._search.model, common_tensor(self._search.objectives, [one.target for one in self])
        tiles = []
        pictures, contrasts = contrasted(self)
        for one, picture in zip(self, pictures, strict=True):
            caption = one.label or one.target.removeprefix(tensor) or tensor
            sharp = False if max(picture.shape[:2]) > SMALL else None
            tiles.append(Tile(picture, caption, detail(one.row()), sharp=sharp, beside=one.kernel))
        title = f"{tensor} of {model.name}" if tensor else model.name
        asked = dict.fromkeys(question_text(one.question) for one in self)
        words = "; ".join(filter(None, ("each as high as it will go", *asked, "by ONNX Runtime")))
        if any(factor > 1 for factor in contrasts):
            told = "contrast" if 1 not in contrasts else "contrast of faint pictures"
            words += f"; {told} x {max(contrasts)}"
        beside = any(tile.beside is not None for tile in tiles)
        note = "At the right of a picture: the kernel of the unit." if beside else ""
        return Sheet(tiles, title, f"{len(self)} targets, {words}", note).draw()

    def save(self, folder: str | os.PathLike[str]) -> Maxima:
        """Write a folder for each target, the contact sheet and the whole document.

        Returns
        -------
        Maxima
            The same, with their files.

        Raises
        ------
        DataError
            If the folder cannot be written to.
        """
        from onnxviz.formats.file_names import safe_names

        names = safe_names(one.target for one in self)
        saved = Maxima(self._search, self._threads)
        saved.seconds = self.seconds
        saved.extend(one.save(Path(folder) / names[one.target]) for one in self)
        saved.save_together(Path(folder))
        return saved

    def save_together(self, folder: Path) -> None:
        """Write what is told of all targets: the contact sheet, where there are several, and the whole document."""
        write_together(folder, self.document(), self.picture() if len(self) > 1 else None)

    def _repr_png_(self) -> bytes | None:
        """Show the contact sheet in a notebook."""
        from onnxviz.drawing.pictures import picture_bytes

        return picture_bytes(self.picture()) if self else None


_MOST = 16
"""A picture is not stretched further: it would show single steps of its 256 values."""


def contrasted(maxima: Sequence[Maximum]) -> tuple[list[Picture], list[int]]:
    """Return the pictures for a sheet, and the factor by which the contrast of each was stretched: 1 unless it is faint.

    A picture is faint where a linear unit of the input was searched under a small norm, and its contrast can be doubled. All
    of them get one factor, so that they can be compared. It lets the strongest hundredth of their values reach the ends.
    """
    from onnxviz.drawing.pictures import stretched

    def room(*few: Picture) -> float:
        distances = np.concatenate([np.abs(one.astype(np.float32) - 255 / 2).ravel() for one in few])
        return 255 / 2 / max(float(np.percentile(distances, 99)), 1.0)

    pictures = [one.picture() for one in maxima]
    loud = [one.question == Question.LOUD.sentence for one in maxima]
    faint = [asked and room(picture) >= 2 for asked, picture in zip(loud, pictures, strict=True)]
    together = [picture for picture, is_faint in zip(pictures, faint, strict=True) if is_faint]
    factor = min(_MOST, int(room(*together))) if together else 1
    factors = [factor if is_faint else 1 for is_faint in faint]
    return [stretched(one, by) if by > 1 else one for one, by in zip(pictures, factors, strict=True)], factors


def common_tensor(objectives: Iterable[Objective], shown: Sequence[str]) -> str:
    """Return the tensor that all targets are units of, which a sheet need say only once; "" if they differ."""
    targets = [one.target for one in objectives if str(one) in shown]
    tensors = {
        "" if target is None or not str(target).startswith(target.tensor) else target.tensor for target in targets
    }
    return tensors.pop() if len(tensors) == 1 else ""
