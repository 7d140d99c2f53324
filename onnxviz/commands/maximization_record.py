"""What `maximize` keeps of a target: its score by ONNX Runtime, its picture, its arrays; and the sheet of all targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.commands.drawing import draw

if TYPE_CHECKING:
    from onnxviz.commands.findings import Findings
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
        fed = {**task.held, **task.fed(sample)}
        # Torch begins behind what turns ids into vectors, and where several inputs are one.
        moved = {**fed, task.wrt: task.tokens.embedding.rows[sample] if task.tokens else sample}
        with torch.no_grad():
            ours = objective(network({name: torch.as_tensor(np.asarray(value)) for name, value in moved.items()}))
        answers = {name: np.asarray(value, np.float64) for name, value in session(fed).items()}
        theirs = objective(answers)  # type: ignore[arg-type]  # a term reads numpy as well
        return float(ours.reshape(-1)[0]), float(np.asarray(theirs).reshape(-1)[0])

    return measure


def own_type(task: Task) -> str:
    """Return the input's type, so that what is saved can be fed as it is; float32 where numpy lacks it."""
    if task.tokens:
        return "int64"
    dtype = "float32" if task.moving.joined else task.model.tensors[task.wrt].dtype
    return dtype if dtype in ("float16", "float32", "float64") else "float32"


def record(
    task: Task,
    objective: Objective,
    found: Found,
    findings: Findings,
    measure: Measure,
    folder: OutputFolder | None,
    name: str,
) -> dict[str, Any]:
    """Measure one result, write it, and return its row."""
    ascent = found.ascent
    score, ort_score = measure(objective, findings.array)
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
        "initial_ort_score": measure(objective, findings.start)[1],
        "climbed_score": ascent.score,
        "initial_climbed_score": start_score,
        "status": ascent.status,
        "message": ascent.message,
        "consistency": asdict(found.consistency),
        "optimizer": task.settings.optimizer,
        "differentiable": True,
        "files": [],
        **findings.summary(task),
    }
    if folder is None:
        return row
    from onnxviz.formats.audio_files import write_wav, writes_sound
    from onnxviz.formats.pictures import enlarge, save_picture
    from onnxviz.formats.results import Result

    dtype = own_type(task)
    every = findings.every(found).astype(dtype)
    arrays = {
        "input": findings.array.astype(dtype)[None],
        "restarts": every,
        "scores": np.asarray([one.score for one in found.ascents], np.float64),
        "history": np.stack([_padded(one.history, task.settings.steps) for one in found.ascents]),
    }
    own = ["time"] if task.tokens else [axis.replace(" ", "_") for axis in task.space.axes]
    axes = {
        "input": " ".join(("batch", *own)),
        "restarts": " ".join(("restart", *own)),
        "history": "restart step",
    }
    for key, (array, words) in findings.arrays().items():
        arrays[key], axes[key] = array, words
    title = f"{objective}" + (f" ({row['label']})" if row["label"] else "")
    subtitle = f"{task.model.name}: {ort_score:.4g} by ONNX Runtime, from {row['initial_ort_score']:.4g}"
    picture = draw(task, findings, title, subtitle, every)
    if task.drawing.is_picture:
        picture = enlarge(picture, max(1, _SMALL // max(picture.shape[:2])))
    sounds = task.rate is not None and writes_sound(findings.array)
    files = ["picture.png", "arrays.npz", "result.json", *(["sound.wav"] if sounds else [])]
    row["files"] = [str(folder.path / name / file) for file in files]
    with folder.item(name) as item:
        save_picture(item / "picture.png", picture)
        if sounds and task.rate is not None:
            write_wav(item / "sound.wav", findings.array, task.rate)
        provenance = {"model": task.model.name, "sha256": task.model.digest, "seed": task.settings.seed}
        Result(arrays, axes, row, ascent.status, ascent.message, provenance).save(item)
    return row


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
