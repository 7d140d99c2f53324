"""A map of the samples of a data set, by their codes in a tensor."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.wording import question_text

if TYPE_CHECKING:
    from onnxviz.drawing.pictures import Picture
    from onnxviz.methods.samples.plane import Plane
    from onnxviz.model.model import Model


@dataclass(frozen=True, eq=False)
class Embedding:
    """A map of samples, as points of a plane.

    Attributes
    ----------
    model : Model
        The model.
    told : dict
        The embedding as JSON, without its files.
    codes : (sample, feature) float32
        The codes: the tensor's value for each sample.
    plane : Plane
        The points, and the share of neighbors that they keep.
    identities, labels : tuple of str
        For each sample its file or row, and its class or "".
    thumbnails : tuple of (height, width, 3) uint8
        Small pictures of the samples; empty if points are shown.
    files : tuple of str
        The files that were written.
    """

    model: Model
    told: dict[str, Any]
    codes: np.ndarray
    plane: Plane
    identities: tuple[str, ...]
    labels: tuple[str, ...]
    thumbnails: tuple[Picture, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def points(self) -> np.ndarray:
        """The samples' places in the plane, (sample, 2)."""
        return self.plane.points

    def row(self) -> dict[str, Any]:
        """Return the embedding as `embed --json` prints it."""
        return {**self.told, "files": list(self.files)}

    document = row

    def picture(self) -> Picture:
        """Return the map, (height, width, 3) uint8."""
        from onnxviz.drawing.point_map import point_map

        told, plane = self.told, self.plane
        subtitle = f"{told['samples']} samples of {Path(told['data']).name} in {self.model.name}, {told['features']} numbers each; "
        asked = question_text(told["question"])
        subtitle += f"{asked}; " if asked else ""
        subtitle += {"pca": "principal components", "tsne": "t-SNE", "umap": "UMAP"}[plane.method]
        if plane.explained:
            subtitle += f" ({sum(plane.explained):.0%} of the variance)"
        note = f"Map quality: {plane.kept:.0%} of each point's 10 neighbors are neighbors inside the model"
        if told["neighbor_agreement"] is not None:
            note += f"; {told['neighbor_agreement']:.0%} of the nearest codes have the same class"
        return point_map(plane.points, list(self.labels), list(self.thumbnails), told["target"], subtitle, note)

    def placed(self, folder: str | os.PathLike[str]) -> Embedding:
        """Return a copy with the paths of its files in a folder."""
        names = ("map.png", "map.csv", "arrays.npz", "result.json")
        return replace(self, files=tuple(str(Path(folder) / name) for name in names))

    def save(self, folder: str | os.PathLike[str]) -> Embedding:
        """Write map.png, map.csv, arrays.npz and result.json into a folder, and return the embedding with its files.

        Raises
        ------
        OSError
            If the folder cannot be written to.
        """
        from onnxviz.drawing.pictures import save_picture
        from onnxviz.formats.atomic_file import atomic_file
        from onnxviz.formats.results import Result

        shown, place = self if self.files else self.placed(folder), Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        save_picture(place / "map.png", self.picture())
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        texts = any("text" in point for point in self.told["points"])
        table.writerow(("id", "x", "y", "label", *(("text",) if texts else ())))
        for point in self.told["points"]:
            more = (point["text"],) if texts else ()
            table.writerow((point["id"], repr(point["x"]), repr(point["y"]), point["label"], *more))
        with atomic_file(place / "map.csv") as file:
            file.write(text.getvalue().encode("utf-8"))
        arrays = {"codes": self.codes, "points": self.plane.points}
        provenance = {"model": self.model.name, "sha256": self.model.digest, "seed": self.told["seed"]}
        row = {key: value for key, value in shown.row().items() if key != "seconds"}
        Result(arrays, {"codes": "sample feature", "points": "sample axis"}, row, provenance=provenance).save(place)
        return shown

    def _repr_png_(self) -> bytes:
        """Show the map in a notebook."""
        from PIL import Image

        content = BytesIO()
        Image.fromarray(self.picture()).save(content, "PNG")
        return content.getvalue()
