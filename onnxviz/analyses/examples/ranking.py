"""The samples with the highest and lowest scores for one target."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxviz.analyses.examples.sheets import Sheets
    from onnxviz.drawing.pictures import Picture


@dataclass(frozen=True, eq=False)
class Ranking:
    """The samples of a data set, ranked by one target.

    Attributes
    ----------
    told : dict
        The ranking as JSON: target, label, question, statistics, highest, spread, lowest, status, message.
    sheets : Sheets
        Draws the ranking. It reads the samples again.
    files : tuple of str
        The written files.
    """

    told: dict[str, Any]
    sheets: Sheets
    files: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The target, as text."""
        return str(self.told["target"])

    @property
    def label(self) -> str:
        """The name of the class that the target picks; "" if it has none."""
        return str(self.told["label"])

    @property
    def question(self) -> str:
        """The question that the score answers, such as "highest place"."""
        return str(self.told["question"])

    @property
    def highest(self) -> list[dict[str, Any]]:
        """The samples with the highest scores, the highest first: id, label, score, position, window."""
        return list(self.told["highest"])

    @property
    def lowest(self) -> list[dict[str, Any]]:
        """The samples with the lowest scores, the lowest first."""
        return list(self.told["lowest"])

    @property
    def statistics(self) -> dict[str, Any]:
        """The distribution of all scores: count, mean, std, min, max, percentiles, histogram."""
        return dict(self.told["statistics"])

    def row(self) -> dict[str, Any]:
        """Return the ranking as `examples --json` prints it."""
        return {**self.told, "files": list(self.files)}

    def picture(self) -> Picture | None:
        """Return the sheet of samples, (height, width, 3) uint8; None if there is nothing to draw."""
        return self.sheets.draw(self.told, self.sheets.samples([self.told]))

    def save(self, folder: str | os.PathLike[str]) -> Ranking:
        """Write the sheet as a picture into a folder, and return the ranking with its file.

        Raises
        ------
        OSError
            If the folder cannot be written to.
        """
        from onnxviz.drawing.pictures import save_picture
        from onnxviz.formats.file_names import safe_name

        picture = self.picture()
        if picture is None:
            return self
        Path(folder).mkdir(parents=True, exist_ok=True)
        place = Path(folder, f"{safe_name(self.target)}.png")
        save_picture(place, picture)
        return replace(self, files=(str(place),))

    def _repr_png_(self) -> bytes | None:
        """Show the sheet in a notebook."""
        from PIL import Image

        picture = self.picture()
        if picture is None:
            return None
        content = BytesIO()
        Image.fromarray(picture).save(content, "PNG")
        return content.getvalue()
