"""What `maximize` keeps of a target: its score by ONNX Runtime, its picture, its arrays; and the sheet of all targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.maximization.pictures import draw, draw_sample
from onnxviz.analyses.maximization.scoring import own_type
from onnxviz.analyses.maximization.trust import caption

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.findings import Findings
    from onnxviz.analyses.maximization.scoring import Measure
    from onnxviz.analyses.maximization.task import Task
    from onnxviz.analyses.maximization.trust import Trust
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.methods.ascent.maximization import Ascent
    from onnxviz.methods.ascent.search import Found
    from onnxviz.methods.objectives.objectives import Objective

_SMALL = 256
"""Pictures of fewer pixels a side are enlarged until they have about as many."""


def record(
    task: Task,
    objective: Objective,
    found: Found,
    findings: Findings,
    measure: Measure,
    trust: Trust,
    folder: OutputFolder | None,
    name: str,
    window: tuple[slice, ...] | None = None,
) -> dict[str, Any]:
    """Measure one result, write it, and return its row."""
    ascent = found.outcome
    together = bool(objective.members)
    chosen = findings.every if together else findings.array[None]
    starts = findings.starts if together else findings.start[None]
    climbed = found.ascents if together else (ascent,)
    ours, theirs = measure(objective, chosen)
    score = None if ours is None else float(ours.mean())
    ort_score = float(theirs.mean())
    begun = float(measure(objective, starts)[1].mean())
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
        "initial_ort_score": begun,
        "climbed_score": float(np.mean([one.score for one in climbed])),
        "initial_climbed_score": float(np.mean([one.initial_score for one in climbed])),
        "set": {"members": len(chosen), "own_ort_scores": _own(objective, chosen, measure)} if together else None,
        "status": ascent.status.reported,
        "message": "; ".join(text for text in (ascent.message, findings.remark, task.remark) if text),
        "start": task.start,
        "window": None if window is None else [[part.start, part.stop] for part in window],
        "consistency": trust.agreement(objective, found, findings.every),
        **trust.row(objective, found, findings.array, score, ort_score, begun),
        "optimizer": task.settings.optimizer,
        "differentiable": not task.stopped[task.objectives.index(objective)],
        "files": [],
        **findings.summary(task),
    }
    if folder is None:
        return row
    from onnxviz.drawing.pictures import enlarge, save_picture
    from onnxviz.formats.audio_files import write_wav, writes_sound
    from onnxviz.formats.results import Result

    dtype = own_type(task)
    arrays = {
        "input": (chosen[0] if task.moving.whole else chosen).astype(dtype),
        "restarts": findings.every.astype(dtype),
        "scores": np.asarray([one.score for one in found.ascents], np.float64),
        "history": np.stack([_padded(one.history, task.settings.steps) for one in found.ascents]),
    }
    own = ["time"] if task.tokens else [axis.replace(" ", "_") for axis in task.space.axes]
    axes = {
        "input": " ".join(own if task.moving.whole else ("batch", *own)),
        "restarts": " ".join(("restart", *own)),
        "history": "restart step",
    }
    for key, (array, words) in findings.arrays().items():
        arrays[key], axes[key] = array, words
    title = f"{objective}" + (f" ({row['label']})" if row["label"] else "")
    subtitle = f"{task.model.name}: {ort_score:.4g} by ONNX Runtime, from {row['initial_ort_score']:.4g}"
    trusted = caption(row)
    subtitle += f"; {trusted}" if trusted else ""
    if found.transparency is not None:
        arrays["transparency"] = found.transparency.astype(np.float32)[None]
        axes["transparency"] = axes["input"]
    inside = window or (slice(None),) * findings.array.ndim
    windowed = (slice(None), *inside)
    others = findings.every.astype(dtype)[windowed]
    if together:
        picture = _set_picture(task, objective, others, row, title, subtitle)
    else:
        picture = draw(task, findings, _drawn(task, found, findings.array)[inside], title, subtitle, others)
        if task.drawing.is_picture:
            picture = enlarge(picture, max(1, _SMALL // max(picture.shape[:2])))
    sounds = task.rate is not None and writes_sound(findings.array)
    files = ["picture.png", "arrays.npz", "result.json", *(["sound.wav"] if sounds else [])]
    row["files"] = [str(folder.path / name / file) for file in files]
    with folder.item(name) as item:
        save_picture(item / "picture.png", picture)
        if sounds and task.rate is not None:
            write_wav(item / "sound.wav", findings.array, task.rate)
        _save_frames(task, ascent, inside, item)
        provenance = {"model": task.model.name, "sha256": task.model.digest, "seed": task.settings.seed}
        Result(arrays, axes, row, ascent.status.reported, ascent.message, provenance).save(item)
    return row


def _save_frames(task: Task, ascent: Ascent, inside: tuple[slice, ...], folder: Path) -> None:
    """Draw the way of the ascent that the result shows, a picture for each step that was kept."""
    from onnxviz.drawing.pictures import enlarge, save_picture

    if not ascent.frames:
        return
    (folder / "frames").mkdir()
    for step, array in ascent.frames.items():
        sample = array[inside] if task.tokens is None else task.tokens.nearest(array[None])[0]
        picture = draw_sample(task, sample, "", f"after {step} steps")
        if task.drawing.is_picture:
            picture = enlarge(picture, max(1, _SMALL // max(picture.shape[:2])))
        save_picture(folder / "frames" / f"step_{step:05d}.png", picture)


def _drawn(task: Task, found: Found, array: np.ndarray) -> np.ndarray:
    """Return what is drawn of an input: all of it, or with phases alone what the target cared for."""
    if found.transparency is None:
        return array
    from onnxviz.methods.ascent.maco import faded

    axes = task.space.axes
    channel = axes.index("channel") if "channel" in axes else None
    return faded(array, found.transparency, task.space.middle, channel)


def _padded(history: np.ndarray, steps: int) -> np.ndarray:
    padded = np.full(steps, np.nan, np.float32)
    padded[: len(history)] = history
    return padded


def _own(objective: Objective, every: np.ndarray, measure: Measure) -> list[float]:
    """Return what each member of a set scores by the terms that it has to itself, by ONNX Runtime."""
    return measure(objective.alone, every)[1].tolist() if objective.alone is not None else []


def _set_picture(
    task: Task, objective: Objective, every: np.ndarray, row: dict[str, Any], title: str, subtitle: str
) -> np.ndarray:
    """Draw all members of a set beside each other."""
    from onnxviz.drawing.sheet import Sheet, Tile
    from onnxviz.methods.objectives.sets import Interpolation
    from onnxviz.wording import number_text

    shares = np.linspace(1, 0, len(every))
    own = row["set"]["own_ort_scores"]
    tiles = []
    for place, (array, share) in enumerate(zip(every, shares, strict=True)):
        caption = f"{share:.0%} and {1 - share:.0%}" if objective.passes else f"{place + 1} of {len(every)}"
        picture = draw_sample(task, array)
        # A chart is read in its own size, never in squares.
        sharp = None if task.drawing.is_picture else False
        tiles.append(Tile(picture, caption, number_text(own[place]) if own else "", sharp=sharp))
    note = ("below each its score" if objective.alone == objective else f"below each: {objective.alone}") if own else ""
    for _, term in objective.terms:
        if isinstance(term, Interpolation):
            note = f"shares of {term.target} and {term.other}; {note}"
    return Sheet(tiles, title, subtitle, note=note).draw()


def _label(task: Task, objective: Objective) -> str:
    """Return the name of the class that a target picks, where the file names as many as there are."""
    from onnxviz.model.graph.zipped import zipped_labels

    target = objective.target
    if target is None or not target.index or not isinstance(target.index[0], int):
        return ""
    zipped = zipped_labels(task.model, target.tensor)
    if -len(zipped) <= target.index[0] < len(zipped):
        return zipped[target.index[0]]
    shape = task.model.tensors[target.tensor].shape
    if not task.labels or shape is None or len(shape) < 2 or shape[1] != len(task.labels):
        return ""
    return task.labels[target.index[0]]


def finish(task: Task, folder: OutputFolder, document: dict[str, Any]) -> None:
    """Write the contact sheet and the whole result."""
    from onnxviz.drawing.pictures import save_picture
    from onnxviz.drawing.sheet import Sheet, Tile
    from onnxviz.formats.atomic_file import atomic_file
    from onnxviz.formats.file_names import safe_names
    from onnxviz.formats.json_documents import json_text

    names = safe_names(str(one) for one in task.objectives)
    shown = [row for row in document["runs"] if folder.done(names[row["target"]])]
    if len(shown) > 1:
        tiles = []
        tensor = _common_tensor(task, [row["target"] for row in shown])
        for row in shown:
            picture = _picture(folder.partial / names[row["target"]] / "picture.png")
            caption = row["label"] or row["target"].removeprefix(tensor) or tensor
            tiles.append(Tile(picture, caption, _detail(row), sharp=False if max(picture.shape[:2]) > _SMALL else None))
        subtitle = f"{len(shown)} targets, each as high as it will go; by ONNX Runtime"
        title = f"{tensor} of {task.model.name}" if tensor else task.model.name
        save_picture(folder.file("sheet.png"), Sheet(tiles, title, subtitle).draw())
    with atomic_file(folder.file("result.json")) as file:
        file.write(json_text(document).encode("utf-8"))


def _common_tensor(task: Task, shown: Sequence[str]) -> str:
    """Return the tensor that all the targets are units of, which a sheet need say only once; "" if they differ."""
    targets = [one.target for one in task.objectives if str(one) in shown]
    tensors = {
        "" if target is None or not str(target).startswith(target.tensor) else target.tensor for target in targets
    }
    return tensors.pop() if len(tensors) == 1 else ""


def _detail(row: dict[str, Any]) -> str:
    words = [f"{row['ort_score']:.4g}"]
    if row["status"] in ("not_finite", "interrupted"):
        words.append(row["status"])
    elif row["verdict"]["word"] != "ok":
        words.append(row["verdict"]["word"])
    if row["data"] is not None:
        words.append(row["data"]["statement"].partition(",")[0])
    return ", ".join(words)


def _picture(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
