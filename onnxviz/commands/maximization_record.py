"""What `maximize` keeps of a target: its score by ONNX Runtime, its picture, its arrays; and the sheet of all targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnxviz.commands.maximization_task import Task
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.methods.objectives import Objective
    from onnxviz.methods.search import Found

_SMALL = 256
"""Pictures of fewer pixels a side are enlarged until they have about as many."""


Measure = Callable[["Objective", np.ndarray], tuple[float, float]]
"""Scores an objective at an array, by torch and by ONNX Runtime."""


def measurement(task: Task, session: Any, network: Any) -> Measure:
    """Return a function that scores an array, by torch and by ONNX Runtime on the untouched model."""
    import torch

    dtype = own_type(task)

    def measure(objective: Objective, array: np.ndarray) -> tuple[float, float]:
        sample = np.repeat(array.astype(dtype)[None], task.copies, axis=0)
        fed = {**task.held, task.wrt: sample}
        with torch.no_grad():
            ours = objective(network({name: torch.as_tensor(np.asarray(value)) for name, value in fed.items()}))
        answers = {name: np.asarray(value, np.float64) for name, value in session(fed).items()}
        theirs = objective(answers)  # type: ignore[arg-type]  # a term reads numpy as well
        return float(ours.reshape(-1)[0]), float(np.asarray(theirs).reshape(-1)[0])

    return measure


def own_type(task: Task) -> str:
    """Return the input's type, so that what is saved can be fed as it is; float32 where numpy lacks it."""
    dtype = task.model.tensors[task.wrt].dtype
    return dtype if dtype in ("float16", "float32", "float64") else "float32"


def record(
    task: Task,
    objective: Objective,
    found: Found,
    measure: Measure,
    folder: OutputFolder | None,
    name: str,
    window: tuple[slice, ...] | None = None,
) -> dict[str, Any]:
    """Measure one result, write it, and return its row."""
    ascent = found.ascent
    score, ort_score = measure(objective, ascent.array)
    start_score = _initial(found)
    row: dict[str, Any] = {
        "target": str(objective),
        "climbed": str(found.objective),
        "label": _label(task, objective),
        "wrt": task.wrt,
        "shape": list(task.shape[1:]),
        "units": found.text,
        "steps": ascent.steps,
        "restarts": len(found.ascents),
        "score": score,
        "ort_score": ort_score,
        "initial_ort_score": measure(objective, found.start)[1],
        "climbed_score": ascent.score,
        "initial_climbed_score": start_score,
        "status": ascent.status,
        "message": "; ".join(text for text in (ascent.message, task.remark) if text),
        "start": task.start,
        "window": None if window is None else [[part.start, part.stop] for part in window],
        "consistency": asdict(found.consistency),
        "optimizer": task.settings.optimizer,
        "differentiable": True,
        "files": [],
    }
    if folder is None:
        return row
    from onnxviz.formats.pictures import enlarge, save_picture
    from onnxviz.formats.results import Result

    dtype = own_type(task)
    every = np.stack([one.array for one in found.ascents]).astype(dtype)
    arrays = {
        "input": ascent.array.astype(dtype)[None],
        "restarts": every,
        "scores": np.asarray([one.score for one in found.ascents], np.float64),
        "history": np.stack([_padded(one.history, task.settings.steps) for one in found.ascents]),
    }
    own = [axis.replace(" ", "_") for axis in task.space.axes]
    axes = {
        "input": " ".join(("batch", *own)),
        "restarts": " ".join(("restart", *own)),
        "history": "restart step",
    }
    title = f"{objective}" + (f" ({row['label']})" if row["label"] else "")
    subtitle = f"{task.model.name}: {ort_score:.4g} by ONNX Runtime, from {row['initial_ort_score']:.4g}"
    if found.transparency is not None:
        arrays["transparency"] = found.transparency.astype(np.float32)[None]
        axes["transparency"] = axes["input"]
    drawn = _drawn(task, found)
    inside = window or (slice(None),) * drawn.ndim
    picture = task.drawing.draw(drawn[inside], title, subtitle, every.astype(np.float32))
    if task.drawing.is_picture:
        picture = enlarge(picture, max(1, _SMALL // max(picture.shape[:2])))
    files = ["picture.png", "arrays.npz", "result.json"]
    row["files"] = [str(folder.path / name / file) for file in files]
    with folder.item(name) as item:
        save_picture(item / "picture.png", picture)
        provenance = {"model": task.model.name, "sha256": task.model.digest, "seed": task.settings.seed}
        Result(arrays, axes, row, ascent.status, ascent.message, provenance).save(item)
    return row


def _drawn(task: Task, found: Found) -> np.ndarray:
    """Return what is drawn of an input: all of it, or with phases alone what the target cared for."""
    if found.transparency is None:
        return found.ascent.array
    from onnxviz.methods.maco import faded

    axes = task.space.axes
    channel = axes.index("channel") if "channel" in axes else None
    return faded(found.ascent.array, found.transparency, task.space.middle, channel)


def _padded(history: np.ndarray, steps: int) -> np.ndarray:
    padded = np.full(steps, np.nan, np.float32)
    padded[: len(history)] = history
    return padded


def _initial(found: Found) -> float:
    return found.ascent.initial_score


def _label(task: Task, objective: Objective) -> str:
    """Return the name of the class that a target picks, where the model's metadata names as many as it has."""
    target = objective.target
    if target is None or not task.labels or not target.index or not isinstance(target.index[0], int):
        return ""
    shape = task.model.tensors[target.tensor].shape
    if shape is None or len(shape) < 2 or shape[1] != len(task.labels):
        return ""
    return task.labels[target.index[0]]


def finish(task: Task, folder: OutputFolder, document: dict[str, Any]) -> None:
    """Write the contact sheet and the whole result."""
    from onnxviz.formats.atomic_file import atomic_file
    from onnxviz.formats.file_names import safe_names
    from onnxviz.formats.json_documents import json_text
    from onnxviz.formats.pictures import save_picture
    from onnxviz.formats.sheet import Sheet, Tile

    names = safe_names(str(one) for one in task.objectives)
    shown = [row for row in document["runs"] if folder.done(names[row["target"]])]
    if len(shown) > 1:
        tiles = []
        for row in shown:
            picture = _picture(folder.partial / names[row["target"]] / "picture.png")
            caption = row["label"] or row["target"]
            tiles.append(Tile(picture, caption, _detail(row), sharp=False if max(picture.shape[:2]) > _SMALL else None))
        subtitle = f"{len(shown)} targets, each as high as it will go; by ONNX Runtime"
        save_picture(folder.file("sheet.png"), Sheet(tiles, task.model.name, subtitle).draw())
    with atomic_file(folder.file("result.json")) as file:
        file.write(json_text(document).encode("utf-8"))


def _detail(row: dict[str, Any]) -> str:
    return f"{row['ort_score']:.4g}" if row["status"] == "ok" else f"{row['ort_score']:.4g}, {row['status']}"


def _picture(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
