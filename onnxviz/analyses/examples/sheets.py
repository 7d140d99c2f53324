"""The sheets of `examples`: the highest, a spread, and the lowest samples of each target."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.wording import question_text

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.data_source import DataSource
    from onnxviz.analyses.inputs.feed import Feed
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.drawing.pictures import Picture
    from onnxviz.drawing.sheet import Tile

LISTS = ("highest", "spread", "lowest")
_ROOM = 256 << 20
"""The memory for samples while sheets are drawn, in bytes."""
_PATCH = 0.5
"""Receptive fields of a smaller share of the input's area are also shown alone."""
_NAMED = 40
_HEAD = "all samples"


@dataclass(eq=False)
class Sheets:
    """Draws the sheets of targets. It reads the samples of the sheets again.

    Attributes
    ----------
    feed : Feed
        Reads samples.
    drawing : Drawing
        Draws samples.
    source : path or arrays
        The data set.
    synthetic : dict of str to (Path, str)
        The picture of each target by `maximize`, and its score.
    columns : tuple of str
        The names of a table's columns, used if the model names no features.
    """

    feed: Feed
    drawing: Drawing
    source: DataSource
    synthetic: dict[str, tuple[Path, str]] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    def groups(self, rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """Return the targets in groups whose samples fit into memory."""
        sizes = [size or 512 for size in self.feed.shapes[self.feed.main]]
        most = max(1, _ROOM // (4 * int(np.prod(sizes))))
        groups: list[list[dict[str, Any]]] = []
        held: set[str] = set()
        for row in rows:
            shown = {one["id"] for name in LISTS for one in row[name]}
            if not groups or len(held | shown) > most:
                groups.append([])
                held = set()
            groups[-1].append(row)
            held |= shown
        return groups

    def samples(self, rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Return the samples of some targets' sheets, in the model's own units and without a batch."""
        from onnxviz.analyses.inputs.feed import Tally

        wanted = {one["id"] for row in rows for name in LISTS for one in row[name]}
        found = {}
        data = self.feed.open(self.source)
        for batch in self.feed.batches(data, 16, Tally(), wanted=wanted):
            for identity, sample in zip(batch.identities, self.feed.drawn(batch.arrays), strict=True):
                found[identity] = np.array(sample)
        self.columns = data.columns
        return found

    def draw(self, row: dict[str, Any], samples: dict[str, np.ndarray]) -> Picture | None:
        """Return the sheet of a target; None if there is nothing to draw."""
        sections = _distinct(row)
        if not any(sections.values()):
            return None
        title = row["target"] + (f"  ({row['label']})" if row["label"] else "")
        known = row["statistics"]
        figures = "; ".join(filter(None, (_figures(known), question_text(row["question"]), "by ONNX Runtime")))
        subtitle = f"{known['count']} samples of {_source_name(self.source)}: {figures}"
        if self.feed.text is None and not (self.drawing.has_thumbnail or self.drawing.expected.kind == "signal"):
            return self._table(sections, samples, title, subtitle)
        return self._contact(row, sections, samples, title, subtitle)

    @property
    def _has_frames(self) -> bool:
        """Whether a pixel of a sample's picture is a position of the input."""
        expected = self.drawing.expected
        return not self.drawing.is_picture or (expected.color is not None and expected.bounded)

    def _contact(
        self,
        row: dict[str, Any],
        sections: dict[str, list[dict[str, Any]]],
        samples: dict[str, np.ndarray],
        title: str,
        subtitle: str,
    ) -> Picture:
        from onnxviz.drawing.sheet import Sheet, Tile
        from onnxviz.drawing.thumbnails import histogram

        known = row["statistics"]
        marks = [one["score"] for shown in sections.values() for one in shown]
        tiles = []
        # All sounds have one scale, so that a quiet sample looks quiet.
        loudest = max(
            (
                float(np.abs(samples[one["id"]]).max())
                for shown in sections.values()
                for one in shown
                if one["id"] in samples
            ),
            default=1.0,
        )
        made = self._synthetic(row["target"])
        if made is not None:
            tiles.append(made)
        if known["count"]:
            picture = histogram(known["histogram"], known["min"], known["max"], marks)
            tiles.append(Tile(picture, "scores", "red: shown below", _HEAD, False))
        for name, shown in sections.items():
            present = [one for one in shown if one["id"] in samples]
            tiles += [self._tile(one, samples[one["id"]], name, loudest) for one in present]
            if name == "highest" and self.drawing.is_picture:
                tiles += [patch for one in present if (patch := self._patch(one, samples[one["id"]])) is not None]
        framed = self._has_frames and any(one["window"] for one in row["highest"])
        if any("token" in one for one in row["highest"]):
            letters = self.drawing.expected.kind == "letters"
            note = f"Marked: the {'letters that' if letters else 'token at'} the unit's maximum{' sees' if letters else ''}."
        else:
            note = "Marked: the receptive field of the unit's maximum." if framed else ""
        return Sheet(tiles, title, subtitle, note).draw()

    def _tile(self, one: dict[str, Any], sample: np.ndarray, section: str, loudest: float) -> Tile:
        from onnxviz.drawing.sheet import Tile
        from onnxviz.drawing.thumbnails import framed, wave

        # A score of exactly 0 is a map of zeros after a ReLU: its maximum has no position.
        window = [slice(*edges) for edges in one["window"]] if one["window"] and one["score"] else None
        if "text" in one:
            from onnxviz.drawing.text_tile import text_tile

            token = one.get("token")
            picture = text_tile(one["text"], None if token is None else (token["start"], token["end"]))
        elif not self.drawing.has_thumbnail:
            lines = np.atleast_2d(sample.reshape(-1, sample.shape[-1]))
            picture = wave(lines, loudest, window[0] if window else None)
        else:
            picture = self.drawing.thumbnail(sample)
            known = self._has_frames and window is not None and len(window) == 2 and _share(window, picture) < 1
            picture = framed(picture, *(window if known and window else ()))
        detail = f"{one['score']:.4g}" + (f"  {one['label']}" if one["label"] else "")
        return Tile(picture, one["id"], detail, section)

    def _patch(self, one: dict[str, Any], sample: np.ndarray) -> Tile | None:
        from onnxviz.drawing.sheet import Tile

        if not one["window"] or not one["score"] or len(one["window"]) != 2 or not self._has_frames:
            return None
        rows, columns = (slice(*edges) for edges in one["window"])
        picture = self.drawing.draw(sample)
        patch = picture[rows, columns]
        if not patch.size or _share([rows, columns], picture) >= _PATCH:
            return None
        return Tile(
            patch, one["id"], f"at {', '.join(map(str, one['position'][-2:]))}", "receptive fields of the maximum"
        )

    def _synthetic(self, target: str) -> Tile | None:
        from onnxviz.drawing.sheet import Tile
        from onnxviz.formats.image_files import read_image

        if target not in self.synthetic:
            return None
        path, score = self.synthetic[target]
        picture, _, _ = read_image(path)
        return Tile(np.asarray(picture[:, :, :3], np.uint8), "synthetic (maximize)", score, _HEAD, False)

    def _table(
        self, sections: dict[str, list[dict[str, Any]]], samples: dict[str, np.ndarray], title: str, subtitle: str
    ) -> Picture | None:
        """Return a map with a column for each row of the table. Features are in standard deviations from their mean."""
        from onnxviz.drawing.heat_map import Plane, heat_map

        order = [one for name in LISTS for one in (sections[name][::-1] if name == "lowest" else sections[name])]
        present = [one for one in order if one["id"] in samples]
        shapes = {samples[one["id"]].shape for one in present}
        if len(present) < 2 or len(shapes) > 1:
            return None
        values = np.stack([np.asarray(samples[one["id"]], np.float64).reshape(-1) for one in present], axis=1)
        if len(values) > 4096:
            return None
        spread = values.std(axis=1, keepdims=True)
        scaled = (values - values.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
        known = (self.drawing.names, self.columns, tuple(f"[{feature}]" for feature in range(len(values))))
        names = next(names for names in known if len(names) == len(values))
        counts = ", ".join(f"{len(sections[name])} {name}" for name in LISTS if sections[name])
        plane = Plane(
            scaled,
            "feature",
            f"rows of the table and their scores, from the highest to the lowest: {counts}",
            row_names=names if len(names) <= _NAMED else (),
            column_names=[f"#{one['id'].rpartition('#')[2]}: {one['score']:.3g}" for one in present],
            scale="diverging",
            limits=(-2.5, 2.5),
            label="standard deviations from the mean",
        )
        return heat_map(plane, title, subtitle)


def _distinct(row: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the samples of each section, each sample once: in a small data set the lowest are among the highest."""
    shown: set[str] = set()
    sections: dict[str, list[dict[str, Any]]] = {}
    for name in ("highest", "lowest", "spread"):
        sections[name] = [one for one in row[name] if one["id"] not in shown]
        shown |= {one["id"] for one in sections[name]}
    return {name: sections[name] for name in LISTS}


def _share(window: list[slice], picture: Picture) -> float:
    return float(np.prod([edges.stop - edges.start for edges in window]) / (picture.shape[0] * picture.shape[1]))


def _figures(known: dict[str, Any]) -> str:
    if not known["count"]:
        return "no finite score"
    said = f"mean {known['mean']:.4g}, {known['min']:.4g} to {known['max']:.4g}"
    return said + (f", {known['zeros']:.0%} exactly 0" if known["zeros"] else "")


def synthetic_pictures(folder: Path) -> dict[str, tuple[Path, str]]:
    """Return the picture of each target in a result folder of `maximize`, with its score.

    Raises
    ------
    UsageError
        If the folder holds no such result.
    """
    from onnxviz.errors import DataError, UsageError
    from onnxviz.formats.json_documents import read_json

    try:
        document = read_json(folder / "result.json")
        runs = document["runs"]
        found = {}
        for run in runs:
            for file in run["files"]:
                path = folder / Path(file).parent.name / Path(file).name
                if path.name == "picture.png" and path.exists():
                    found[str(run["target"])] = (path, f"{run['ort_score']:.4g}")
    except (DataError, KeyError, TypeError, ValueError):
        raise UsageError(f"`synthetic` {folder}: holds no result of onnxviz maximize") from None
    if not found:
        raise UsageError(f"`synthetic` {folder}: holds no picture of a target by onnxviz maximize")
    return found


def _source_name(source: DataSource) -> str:
    if isinstance(source, str | os.PathLike):
        return Path(source).name
    return "the text" if str(source) == "text" else "the array"
