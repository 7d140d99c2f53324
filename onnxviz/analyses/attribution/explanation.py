"""The explanation of one target: the result of every method, the row, the pictures and the files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.attribution.found import Found
from onnxviz.analyses.attribution.pictures import draw, place_name
from onnxviz.analyses.attribution.scored_model import ScoredModel
from onnxviz.analyses.attribution.task import Aim, Task
from onnxviz.errors import OnnxvizError

if TYPE_CHECKING:
    from onnxviz.analyses.attribution.explained_inputs import Explained
    from onnxviz.drawing.pictures import Picture
    from onnxviz.methods.objectives.objectives import Objective

_STRONGEST = 5


@dataclass(frozen=True, eq=False)
class Explanation:
    """The explanation of one target: which parts of a real input matter for it.

    Attributes
    ----------
    task : Task
        The settled task.
    aim : Aim
        The target.
    found : tuple of Found
        The result of each method, in the order of the request.
    score : float or None
        The target's score by torch; None if torch cannot compute it.
    ort_score, ort_baseline_score : float
        The target's score of the input and of the baseline, by ONNX Runtime on the untouched file.
    explained_score, explained_baseline_score : float
        The same scores of the target of the methods: for a probability, the logit before it.
    layer : str or None
        The tensor that Grad-CAM used.
    files : tuple of str
        The files that `save` wrote.
    """

    task: Task
    aim: Aim
    found: tuple[Found, ...]
    score: float | None
    ort_score: float
    ort_baseline_score: float
    explained_score: float
    explained_baseline_score: float
    layer: str | None
    files: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The target as text."""
        return str(self.aim.objective)

    @property
    def label(self) -> str:
        """The name of the class that the target picks; "" if it has no name."""
        return self.aim.label

    @property
    def maps(self) -> dict[str, tuple[np.ndarray, ...]]:
        """For each method, a value for each place of each explained tensor."""
        return {one.attribution.method: one.maps for one in self.found}

    @property
    def message(self) -> str:
        """A warning if the logit moves against the probability; else ""."""
        asked = self.ort_score - self.ort_baseline_score
        return _contradiction(self.aim, asked, self.explained_score - self.explained_baseline_score)

    def row(self) -> dict[str, Any]:
        """Return the explanation as `attribute --json` prints it."""
        return {
            "target": self.target,
            "explained": str(self.aim.explained),
            "label": self.aim.label,
            "question": self.aim.objective.question,
            "wrt": [one.name for one in self.task.fed.explained],
            "score": self.score,
            "ort_score": self.ort_score,
            "baseline": self.task.baseline_text,
            "ort_baseline_score": self.ort_baseline_score,
            "explained_score": self.explained_score,
            "explained_baseline_score": self.explained_baseline_score,
            "layer": self.layer,
            **self._row_of_table(),
            "message": self.message,
            **({} if self.task.fed.encoded is None else {"text": self.task.fed.encoded.text}),
            "methods": [_method_row(self.task, one) for one in self.found],
            "files": list(self.files),
        }

    def _row_of_table(self) -> dict[str, Any]:
        """Return the values of the explained columns of a table, and those of the baseline, by column."""
        one = self.task.fed.explained[0]
        if one.joined is None:
            return {}

        def columns(vector: np.ndarray) -> dict[str, Any]:
            numbers = np.asarray(vector, np.float64).reshape(-1).tolist()
            shown = zip(one.joined.names if one.joined else (), one.texts(vector), numbers, strict=True)
            return {name: text or (number if number == number else None) for name, text, number in shown}

        return {"row": columns(one.sample), "baseline_row": columns(self.task.baselines[0])}

    def picture(self, place: int = 0) -> Picture:
        """Return all methods' attributions of one explained tensor, side by side, (height, width, 3) uint8.

        Parameters
        ----------
        place : int
            The number of the explained tensor.
        """
        return draw(self.task, self.aim, place, list(self.found), self.row())

    def placed(self, folder: str | os.PathLike[str]) -> Explanation:
        """Return a copy with the paths of its files in a folder."""
        names = [*self._pictures, "arrays.npz", "result.json"]
        return replace(self, files=tuple(str(Path(folder) / name) for name in names))

    @property
    def _pictures(self) -> list[str]:
        count = len(self.task.fed.explained)
        return ["picture.png" if not place else f"picture_{place + 1}.png" for place in range(count)]

    def save(self, folder: str | os.PathLike[str]) -> Explanation:
        """Write pictures, arrays.npz and result.json into a folder, and return the explanation with its files.

        Raises
        ------
        OSError
            If the folder cannot be written to.
        """
        from onnxviz.drawing.pictures import save_picture
        from onnxviz.formats.results import Result

        shown = self if self.files else self.placed(folder)
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        arrays, axes = self._arrays()
        messages = [self.message, *(one.attribution.message for one in self.found)]
        for number, name in enumerate(self._pictures):
            save_picture(place / name, self.picture(number))
        model = self.task.model
        provenance = {"model": model.name, "sha256": model.digest, "seed": self.task.request.seed}
        Result(arrays, axes, shown.row(), "ok", "; ".join(filter(None, messages)), provenance).save(place)
        return shown

    def _arrays(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Return the saved arrays (inputs, baselines, attributions), and the axes of each."""
        arrays: dict[str, np.ndarray] = {}
        axes: dict[str, str] = {}
        several = len(self.task.fed.explained) > 1
        for place, one in enumerate(self.task.fed.explained):
            end = f"/{one.name}" if several else ""
            own = " ".join(axis.replace(" ", "_") for axis in one.places.axes)
            arrays[f"input{end}"] = one.held(one.sample)
            arrays[f"baseline{end}"] = one.held(self.task.baselines[place])
            axes[f"input{end}"] = axes[f"baseline{end}"] = f"batch {own}"
            for each in self.found:
                arrays[f"{each.attribution.method}{end}"] = np.asarray(each.attribution.values[place], np.float32)
                axes[f"{each.attribution.method}{end}"] = own
        return arrays, axes

    def _repr_png_(self) -> bytes:
        """Show the picture in a notebook."""
        from PIL import Image

        content = BytesIO()
        Image.fromarray(self.picture()).save(content, "PNG")
        return content.getvalue()


def explain(scored: ScoredModel, aim: Aim, progress: Callable[[int, str], None]) -> Explanation:
    """Return the explanation of one target by all of its methods.

    Parameters
    ----------
    scored : ScoredModel
        The model as functions.
    aim : Aim
        The target.
    progress : callable
        Takes the number of finished methods and a few words about them.
    """
    import torch

    from onnxviz.methods.attribution.faithfulness import faithfulness

    task = scored.task
    measured = scored.measured(aim.objective)
    same = aim.explained == aim.objective
    looked_at = measured if same else scored.measured(aim.explained)
    inputs, absent = scored.tensors("cpu"), scored.absent("cpu")
    with torch.no_grad():
        score, start = float(measured(*inputs)), float(measured(*absent))
        inner = (score, start) if same else (float(looked_at(*inputs)), float(looked_at(*absent)))
    found = []
    places = [one.places for one in task.fed.explained]
    for number, method in enumerate(aim.methods):
        progress(number, f"{aim.objective}: {method}")
        began = time.monotonic()
        attribution = scored.attribute(aim, method, inner[0] - inner[1])
        maps = attribution.maps(places)
        curves = faithfulness(measured, inputs, absent, places, maps, measured.at_once, task.request.seed)
        found.append(Found(attribution, maps, curves, time.monotonic() - began))
    layer = scored.layer(aim) if "grad-cam" in aim.methods else None
    return Explanation(task, aim, tuple(found), _by_torch(scored, aim.objective), score, start, *inner, layer)


def _contradiction(aim: Aim, asked: float, explained: float) -> str:
    """Return a warning if the logit moves against the probability, since other classes then decide; else ""."""
    if asked * explained >= 0:
        return ""
    ways = ("rises", "falls") if asked > 0 else ("falls", "rises")
    return (
        f"{aim.objective} {ways[0]} from the baseline to the input while {aim.explained} {ways[1]}, "
        "because the logits of other classes move more; "
        f"explain a difference, as in '{aim.explained} - …', or the probability itself with `literal`"
    )


def _by_torch(scored: ScoredModel, objective: Objective) -> float | None:
    """Return the score by torch; None if torch cannot compute it."""
    import torch

    try:
        with torch.no_grad():
            return float(scored.differentiable(objective)(*scored.tensors(scored.task.device)))
    except OnnxvizError:
        return None


def _method_row(task: Task, one: Found) -> dict[str, Any]:
    attribution, curves = one.attribution, one.faithfulness
    whole = attribution.completeness
    told = {
        "method": attribution.method,
        "signed": attribution.signed,
        "unit": attribution.unit,
        "evaluations": attribution.evaluations,
        "completeness": None if whole is None else {**asdict(whole), "gap": whole.gap},
        "faithfulness": {**curves.summary, "curves": asdict(curves)},
        "strongest": _strongest(task, one),
        "message": attribution.message,
        "seconds": round(one.seconds, 3),
    }
    return told if task.fed.encoded is None else {**told, "tokens": _tokens(task, one), "words": _words(task, one)}


def _tokens(task: Task, one: Found) -> list[dict[str, Any]]:
    """Return every token of the text with its characters and its value; padding is left out."""
    encoded, values = task.fed.encoded, _token_values(task, one)
    if encoded is None or values is None:
        return []
    return [{**row, "value": float(values[place])} for place, row in enumerate(encoded.rows())]


def _words(task: Task, one: Found) -> list[dict[str, Any]]:
    """Return every word of the text with its characters and its value, the sum over its pieces."""
    encoded, values = task.fed.encoded, _token_values(task, one)
    if encoded is None or values is None:
        return []
    found: dict[int, dict[str, Any]] = {}
    for place, word in enumerate(encoded.words):
        start, end = encoded.spans[place]
        if word is None or end <= start:
            continue
        row = found.setdefault(word, {"start": start, "end": end, "value": 0.0})
        row |= {
            "start": min(row["start"], start),
            "end": max(row["end"], end),
            "value": row["value"] + float(values[place]),
        }
    return [{"text": encoded.text[row["start"] : row["end"]], **row} for row in found.values()]


def _token_values(task: Task, one: Found) -> np.ndarray | None:
    for explained, values in zip(task.fed.explained, one.maps, strict=True):
        if explained.tokens is not None and np.size(values) == len(explained.tokens):
            return np.asarray(values).reshape(-1)
    return None


def _strongest(task: Task, one: Found) -> list[dict[str, Any]]:
    """Return the places of largest magnitude, each with its input, its index, its name (or "") and its value."""
    rows: list[dict[str, Any]] = []
    for explained, values in zip(task.fed.explained, one.maps, strict=True):
        flat = np.asarray(values).reshape(-1)
        for place in np.argsort(-np.abs(flat), kind="stable")[:_STRONGEST].tolist():
            index = [int(part) for part in np.unravel_index(place, values.shape)]
            rows.append(
                {
                    "input": explained.name,
                    "place": index,
                    "name": place_name(task, explained.name, place),
                    "value": float(flat[place]),
                    **_span(task, explained, place),
                }
            )
    rows.sort(key=lambda row: -abs(row["value"]))
    return rows[:_STRONGEST]


def _span(task: Task, explained: Explained, place: int) -> dict[str, Any]:
    """Return the first character of a token of a text, and the character after its last."""
    encoded = task.fed.encoded
    if encoded is None or explained.tokens is None or len(explained.tokens) != len(encoded):
        return {}
    return {"start": encoded.spans[place][0], "end": encoded.spans[place][1]}
