"""The maxima of several targets: a list of results, with one document and one contact sheet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxviz.analyses.maximization.pictures import SMALL
from onnxviz.analyses.maximization.result import Maximum
from onnxviz.analyses.maximization.result_files import write_together
from onnxviz.analyses.maximization.wording import detail
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
        """Return the contact sheet of all targets, (height, width, 3) uint8; of a single target its picture."""
        from onnxviz.drawing.sheet import Sheet, Tile

        if len(self) == 1:
            return self[0].picture()
        model, tensor = self._search.model, common_tensor(self._search.objectives, [one.target for one in self])
        tiles = []
        for one in self:
            picture = one.picture()
            caption = one.label or one.target.removeprefix(tensor) or tensor
            sharp = False if max(picture.shape[:2]) > SMALL else None
            tiles.append(Tile(picture, caption, detail(one.row()), sharp=sharp))
        title = f"{tensor} of {model.name}" if tensor else model.name
        asked = dict.fromkeys(question_text(one.question) for one in self)
        words = "; ".join(filter(None, ("each as high as it will go", *asked, "by ONNX Runtime")))
        return Sheet(tiles, title, f"{len(self)} targets, {words}").draw()

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


def common_tensor(objectives: Iterable[Objective], shown: Sequence[str]) -> str:
    """Return the tensor that all targets are units of, which a sheet need say only once; "" if they differ."""
    targets = [one.target for one in objectives if str(one) in shown]
    tensors = {
        "" if target is None or not str(target).startswith(target.tensor) else target.tensor for target in targets
    }
    return tensors.pop() if len(tensors) == 1 else ""
