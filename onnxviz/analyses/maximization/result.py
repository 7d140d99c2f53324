"""A maximum: the input that drives a target as high as it goes, measured once by ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.maximization.pictures import Portrait
from onnxviz.analyses.maximization.result_files import CLIP, CLOUD, SEQUENCE, SOUND, STRIP, Content, Measured, Stored
from onnxviz.analyses.maximization.scoring import Measure, own_type
from onnxviz.analyses.maximization.unit_kernel import unit_kernel
from onnxviz.analyses.maximization.wording import caption
from onnxviz.question import Question
from onnxviz.wording import question_text

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.findings import Findings
    from onnxviz.analyses.maximization.real_paths import RealPaths
    from onnxviz.analyses.maximization.task import Search, Task
    from onnxviz.analyses.maximization.trust import Trust
    from onnxviz.drawing.pictures import Picture
    from onnxviz.methods.ascent.maximization import Ascent
    from onnxviz.methods.ascent.search import Found
    from onnxviz.methods.evidence.robustness import Robustness
    from onnxviz.methods.evidence.verdict import Verdict
    from onnxviz.methods.objectives.objectives import Objective


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Maximum:
    """The input that drives a target as high as it goes, with its scores and how far they are to be trusted.

    Attributes
    ----------
    target : str
        The target.
    label : str
        The name of its class; "" where the file names none.
    question : str
        The question that the scores answer, such as "mean over places".
    places : mapping of str to list of int
        The highest place of each target that is asked for it, as an index in the target's tensor without the batch.
    wrt : str
        The tensor that moved.
    ort_score : float
        The target's value at the input, measured by ONNX Runtime on the untouched model.
    score : float or None
        The same by torch; None where torch cannot run the model.
    initial_ort_score : float
        The target's value where the search began, by ONNX Runtime.
    status : {"ok", "not_finite", "no_progress", "interrupted"}
        How the search ended.
    message : str
        What a person should know of how it went; "" where there is nothing to say.
    verdict : Verdict or None
        Whether there is something to see; None of a set.
    robustness : Robustness or None
        What is left of the score when the input is moved.
    consistency : mapping
        How far the starts agree.
    data : mapping or None
        Where the score stands among real samples.
    path : mapping or None
        How alike the path of the input through the layers is to the paths of the best real samples.
    """

    target: str
    label: str
    question: str
    places: Mapping[str, list[int]]
    wrt: str
    ort_score: float
    score: float | None
    initial_ort_score: float
    status: str
    message: str
    verdict: Verdict | None
    robustness: Robustness | None
    consistency: Mapping[str, Any]
    data: Mapping[str, Any] | None
    path: Mapping[str, Any] | None = None
    _row: dict[str, Any] = field(default_factory=dict)
    _content: Content

    @classmethod
    def of(cls, row: dict[str, Any], content: Content) -> Maximum:
        """Return the maximum that a row and its arrays tell of."""
        from onnxviz.methods.evidence.robustness import Robustness
        from onnxviz.methods.evidence.verdict import Verdict

        return cls(
            target=row["target"],
            label=row["label"],
            question=row.get("question", ""),
            places=row.get("places", {}),
            wrt=row["wrt"],
            ort_score=_number(row["ort_score"]),
            score=row["score"],
            initial_ort_score=_number(row["initial_ort_score"]),
            status=row["status"],
            message=row["message"],
            verdict=None if row["verdict"] is None else Verdict(**row["verdict"]),
            robustness=None if row["robustness"] is None else Robustness(**row["robustness"]),
            consistency=row["consistency"],
            data=row["data"],
            path=row.get("path"),
            _row=row,
            _content=content,
        )

    @classmethod
    def stored(cls, *places: Path) -> Maximum:
        """Return the maximum that lies in a folder, as `save` wrote it.

        Parameters
        ----------
        places : Path
            The folder, and where it may be renamed to.

        Raises
        ------
        DataError
            If the folder holds no result.
        """
        from onnxviz.formats.json_documents import read_json

        content = Stored(*places)
        return cls.of(read_json(content.place / "result.json")["summary"], content)

    @property
    def input(self) -> np.ndarray:
        """The input, (batch, *shape), as the model is fed with it; of a set all members; of tokens their ids."""
        return self.arrays["input"]

    @property
    def starts(self) -> np.ndarray:
        """What every start ended in, (restart, *shape)."""
        return self.arrays["restarts"]

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """All arrays that are saved, by name."""
        return self._content.arrays

    @property
    def files(self) -> tuple[str, ...]:
        """The files that hold the result; none before it is saved."""
        return tuple(self._row["files"])

    @property
    def kernel(self) -> Picture | None:
        """The kernel of a unit whose convolution reads the input, drawn as `filters` draws it, (height, width, 3) uint8; else None."""
        return self._content.kernel

    def row(self) -> dict[str, Any]:
        """Return what `maximize --json` tells of the target."""
        return dict(self._row)

    def picture(self, headed: bool = True) -> Picture:
        """Return the picture or chart that is saved, (height, width, 3) uint8.

        Parameters
        ----------
        headed : bool
            Whether a chart has its title, and a small picture is enlarged.
        """
        return self._content.picture(headed)

    def save(self, folder: str | os.PathLike[str], place: Path | None = None) -> Maximum:
        """Write picture.png, arrays.npz and result.json into a folder, and the steps into the folder frames.

        Beside them are sound.wav of a signal, clip.png of a clip, sequence.fasta of letters, points.ply of a point cloud, and
        kernel.png of a unit whose convolution reads the input.

        Parameters
        ----------
        folder : path
            Made if it is missing.
        place : Path, optional
            Where the folder will lie in the end, if it is renamed.

        Returns
        -------
        Maximum
            The same, with its files.

        Raises
        ------
        DataError
            If the folder cannot be written to.
        """
        place = Path(folder) if place is None else place
        row = {**self._row, "files": [str(place / name) for name in self._content.files]}
        self._content.write(Path(folder), row)
        return Maximum.of(row, self._content)

    def __repr__(self) -> str:
        return f"<Maximum of {self.target}: {self.ort_score:.4g} by ONNX Runtime, {self.status}>"

    def _repr_png_(self) -> bytes:
        """Show the picture in a notebook."""
        from onnxviz.drawing.pictures import picture_bytes

        return picture_bytes(self.picture())


@dataclass(frozen=True, eq=False)
class Climbed:
    """What was found for one target.

    Attributes
    ----------
    objective : Objective
        The target, as it is scored.
    found : Found
        What the search found.
    findings : Findings
        What is fed in the end, and what is known of it.
    window : tuple of slice, or None
        The part of the input that moved.
    """

    objective: Objective
    found: Found
    findings: Findings
    window: tuple[slice, ...] | None

    @property
    def together(self) -> bool:
        """Whether all starts are one set."""
        return bool(self.objective.members)

    @property
    def chosen(self) -> np.ndarray:
        """What is fed, (sample, *shape): all members of a set, else the best."""
        return self.findings.every if self.together else self.findings.array[None]

    @property
    def begun(self) -> np.ndarray:
        """Where that began, (sample, *shape)."""
        return self.findings.starts if self.together else self.findings.start[None]

    @property
    def ascents(self) -> tuple[Ascent, ...]:
        """The ascents behind that."""
        return self.found.ascents if self.together else (self.found.outcome,)


def measured(task: Task, measure: Measure, trust: Trust, paths: RealPaths, climbed: Climbed) -> Maximum:
    """Return what was found for a target, measured by ONNX Runtime.

    Parameters
    ----------
    task : Task
        What was settled.
    measure : callable
        Scores single inputs.
    trust : Trust
        Says how far the result is to be trusted.
    paths : RealPaths
        The paths of real samples.
    climbed : Climbed
        What was found.
    """
    from onnxviz.drawing.pictures import save_picture

    row = _row(task, measure, trust, paths, climbed)
    arrays, axes = _arrays(task, climbed)
    model = task.search.model
    provenance = {"model": model.name, "sha256": model.digest, "seed": task.search.settings.seed}
    message = climbed.found.outcome.message
    portrait, beside = _portrait(task, climbed, row), _beside(task, climbed)
    kernel = unit_kernel(model, climbed.objective.target, task.knowledge.expected)
    accents = climbed.findings.accents
    if accents is not None:
        beside[STRIP] = lambda path: save_picture(
            path, accents.strip(task.presentation, portrait.title, f"changes of {task.presentation.start}")
        )
    return Maximum.of(row, Measured(arrays, axes, portrait, kernel, provenance, message, beside))


def _beside(task: Task, climbed: Climbed) -> dict[str, Callable[[Path], None]]:
    """Return the files beside the picture, each with what writes it: a sound, an animation, a sequence or a point cloud."""
    from onnxviz.drawing.film_strip import save_animation
    from onnxviz.formats.audio_files import write_wav, writes_sound
    from onnxviz.formats.letters import write_fasta
    from onnxviz.formats.point_clouds import write_ply

    expected, array, rate = task.knowledge.expected, climbed.findings.array, task.presentation.rate
    if rate is not None and writes_sound(array):
        factor, silence = expected.sound_units()
        return {SOUND: lambda path: write_wav(path, (array - silence) / factor, rate)}
    if not task.search.moving.inputs:
        return {}
    if expected.kind == "clip":
        return {CLIP: lambda path: save_animation(path, task.presentation.drawing.frames(array))}
    if expected.kind == "points":
        return {CLOUD: lambda path: write_ply(path, task.presentation.drawing.points(array))}
    letters = climbed.findings.letters
    if letters is not None:
        return {SEQUENCE: lambda path: write_fasta(path, f"{climbed.objective} {task.search.model.name}", letters.text)}
    return {}


def _row(task: Task, measure: Measure, trust: Trust, paths: RealPaths, climbed: Climbed) -> dict[str, Any]:
    """Return what `maximize --json` tells of a target."""
    from onnxviz.model.graph.zipped import class_name

    search, objective, found, findings = task.search, climbed.objective, climbed.found, climbed.findings
    ascent, chosen, window = found.outcome, climbed.chosen, climbed.window
    ours, theirs = measure(objective, chosen)
    score = None if ours is None else float(ours.mean())
    ort_score = float(theirs.mean())
    begun = float(measure(objective, climbed.begun)[1].mean())
    agreed = trust.agreement(objective, found, findings.every, findings.starts)
    remarks = (ascent.message, findings.remark, task.presentation.remark)
    members = None
    if climbed.together:
        members = {"members": len(chosen), "own_ort_scores": _own(objective, chosen, measure)}
    return {
        "target": str(objective),
        "climbed": str(found.objective),
        "label": class_name(search.model, objective.target),
        "question": objective.question,
        "places": _places(search, objective, chosen[0]),
        "wrt": search.wrt,
        "shape": list(search.shape[1:]),
        "units": found.text,
        "steps": ascent.steps,
        "restarts": len(found.ascents),
        "score": score,
        "ort_score": ort_score,
        "initial_ort_score": begun,
        "climbed_score": float(np.mean([one.score for one in climbed.ascents])),
        "initial_climbed_score": float(np.mean([one.initial_score for one in climbed.ascents])),
        "set": members,
        "status": ascent.status.reported,
        "message": "; ".join(text for text in remarks if text),
        "start": task.presentation.start,
        "window": None if window is None else [[part.start, part.stop] for part in window],
        "consistency": agreed,
        **trust.row(objective, found, findings, window, agreed, score, ort_score, begun),
        "path": _path(paths, climbed),
        "near_data": task.knowledge.near_data,
        "optimizer": search.settings.optimizer,
        "differentiable": not task.knowledge.stopped[search.objectives.index(objective)],
        "files": [],
        **findings.summary(task.knowledge.features, search.tokens, task.presentation.rate),
    }


def _path(paths: RealPaths, climbed: Climbed) -> dict[str, Any] | None:
    """Return how alike the path of a result is to those of the best real samples; None where there is nothing to compare with.

    Where a part of the input moved, the rest is gray, so that the means over all positions say nothing of that part.
    """
    if climbed.together or climbed.window is not None:
        return None
    found = paths.compared(climbed.objective, climbed.findings.array)
    return None if found is None else {**asdict(found), "short": found.short, "statement": found.statement}


def _arrays(task: Task, climbed: Climbed) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays that are saved, and the names of their axes."""
    search, found, findings = task.search, climbed.found, climbed.findings
    dtype, layout = own_type(search), search.moving.own
    arrays = {
        "input": (climbed.chosen if layout is None else layout.fed(climbed.chosen)).astype(dtype),
        "restarts": findings.every.astype(dtype),
        "scores": np.asarray([one.score for one in found.ascents], np.float64),
        "history": np.stack([_padded(one.history, search.settings.steps) for one in found.ascents]),
    }
    own = ["time"] if search.tokens else [axis.replace(" ", "_") for axis in search.space.axes]
    axes = {
        "input": " ".join(own if layout is not None and layout.whole else ("batch", *own)),
        "restarts": " ".join(("restart", *own)),
        "history": "restart step",
    }
    if layout is not None and layout.spare:
        kept = iter(own)
        rest = range(1, arrays["input"].ndim)
        axes["input"] = " ".join(("batch", *(f"axis{axis}" if axis in layout.spare else next(kept) for axis in rest)))
    for key, (array, words) in findings.arrays().items():
        arrays[key], axes[key] = array, words
    if found.transparency is not None:
        arrays["transparency"] = found.transparency.astype(np.float32)[None]
        axes["transparency"] = axes["input"]
    return arrays, axes


def _portrait(task: Task, climbed: Climbed, row: dict[str, Any]) -> Portrait:
    """Return what is drawn of a target."""
    search, found, findings = task.search, climbed.found, climbed.findings
    trusted = caption(row)
    asked = f"{question_text(row['question'])} ".lstrip()
    scores = f"{asked}{row['ort_score']:.4g} by ONNX Runtime, from {row['initial_ort_score']:.4g}"
    inside = climbed.window or (slice(None),) * findings.array.ndim
    shown = findings.array
    if found.transparency is not None:
        from onnxviz.methods.ascent.maco import faded

        axes = search.space.axes
        channel = axes.index("channel") if "channel" in axes else None
        # Where phases alone move, only what the target cared for is shown.
        shown = faded(shown, found.transparency, search.space.middle, channel)
    frames = {
        step: array[inside] if search.tokens is None else search.tokens.nearest(array[None])[0]
        for step, array in found.outcome.frames.items()
    }
    others, windowed = findings.every.astype(own_type(search)), (slice(None), *inside)
    return Portrait(
        task.presentation,
        shown[inside],
        others[windowed],
        f"{climbed.objective}" + (f" ({row['label']})" if row["label"] else ""),
        f"{search.model.name}: {scores}" + (f"; {trusted}" if trusted else ""),
        findings.vector,
        findings.drops,
        climbed.objective if climbed.together else None,
        row["set"]["own_ort_scores"] if row["set"] else (),
        frames,
    )


def _places(search: Search, objective: Objective, array: np.ndarray) -> dict[str, list[int]]:
    """Return where the targets that are asked for their highest place have it, by ONNX Runtime.

    Returns
    -------
    dict of str to list of int
        For each such target the index in its tensor without the batch; where the first axis lists rows in place of samples, with
        the row in front.
    """
    targets = [
        target
        for _, term in objective.terms
        if term.is_value
        for target in term.targets
        if target.question is Question.HIGHEST
    ]
    if not targets:
        return {}
    fed = {**search.held, **search.moving.fed(np.repeat(array[None].astype(own_type(search)), search.copies, axis=0))}
    answers = search.session([target.tensor for target in targets])(fed)
    found = {}
    for target in targets:
        values = np.asarray(answers[target.tensor], np.float64)
        if values.ndim < 2 or not values.size:
            continue
        own = len(values) // search.copies
        if own < 2:
            found[str(target)] = list(target.highest(values[:1]))
        else:
            row = int(target.pick(values[:own]).reshape(own, -1).max(1).argmax())
            found[str(target)] = [row, *target.highest(values[row : row + 1])]
    return found


def _padded(history: np.ndarray, steps: int) -> np.ndarray:
    padded = np.full(steps, np.nan, np.float32)
    padded[: len(history)] = history
    return padded


def _own(objective: Objective, every: np.ndarray, measure: Measure) -> list[float]:
    """Return what each member of a set scores by the terms that it has to itself, by ONNX Runtime."""
    return measure(objective.alone, every)[1].tolist() if objective.alone is not None else []


def _number(value: float | None) -> float:
    """Return a number that JSON may hold as null."""
    return float("nan") if value is None else value
