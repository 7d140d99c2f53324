"""How far a found input is to be trusted, measured by ONNX Runtime.

The verdict on its unit, what is left of its score when it is moved, and where the score stands among real samples.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnxviz.commands.maximization_task import Task
    from onnxviz.methods.objectives import Objective
    from onnxviz.methods.scorer import Scorer
    from onnxviz.methods.search import Found

_PROBES, _FEW_PROBES = 64, 16
"""Inputs that nobody chose; few of those that are large, which take longest."""

_LARGE = 4096
_SCORES = 50_000_000
"""Scores that are held at once: of many targets, fewer samples."""

_NONE = np.empty(0, np.float32)


@dataclass(frozen=True)
class Trust:
    """What is measured once for all targets.

    Attributes
    ----------
    task : Task
        What is searched.
    score : Scorer
        Measures the objectives themselves.
    probes, samples : mapping of str to (sample,) ndarray
        The scores of each objective, by its text; those of samples may be empty.
    """

    task: Task
    score: Scorer
    probes: dict[str, np.ndarray]
    samples: dict[str, np.ndarray]

    @classmethod
    def measured(cls, task: Task, score: Scorer, objectives: list[Objective]) -> Trust:
        """Score the probes and the data.

        Raises
        ------
        DataError
            If the data cannot be read or does not fit.
        """
        from onnxviz.methods.probes import probes

        # What compares restarts says nothing of one input; and between token ids nothing is near.
        objectives = [objective for objective in objectives if not objective.members and task.tokens is None]
        if not objectives:
            return cls(task, score, {}, {})
        names = [str(objective) for objective in objectives]
        inputs = probes(task.space, _FEW_PROBES if np.prod(task.shape[1:]) > _LARGE else _PROBES, task.settings.seed)
        probed = score(objectives, task.settled(inputs))
        scores = np.zeros((len(objectives), 0), np.float32)
        if task.samples is not None:
            most = max(1, _SCORES // len(objectives))
            parts = []
            for batch in task.samples.batches(max(score.batch_size, 8)):
                parts.append(score(objectives, batch).astype(np.float32))
                if sum(part.shape[1] for part in parts) >= most:
                    break
            scores = np.concatenate(parts, 1)
        return cls(task, score, dict(zip(names, probed, strict=True)), dict(zip(names, scores, strict=True)))

    def best_probe(self, objective: Objective) -> float:
        """Return the highest finite score of the probes; minus infinity where there is none."""
        scores = self.probes.get(str(objective), _NONE)
        return float(scores[np.isfinite(scores)].max(initial=-np.inf))

    def row(
        self,
        objective: Objective,
        found: Found,
        array: np.ndarray,
        torch_score: float | None,
        score: float,
        start: float,
    ) -> dict[str, Any]:
        """Return the fields of one target's row.

        Parameters
        ----------
        objective : Objective
            The target.
        found : Found
            What the search found for it.
        array : (*shape) ndarray
            What is fed of it; of tokens their ids.
        torch_score, score, start : float
            Of the best input by torch and by ONNX Runtime, and of where its search began by ONNX Runtime.
        """
        from onnxviz.methods.maximization import DEAD
        from onnxviz.methods.robustness import robustness
        from onnxviz.methods.standing import standing
        from onnxviz.methods.verdict import Evidence, judge

        task, name = self.task, str(objective)
        if objective.members:
            return {"verdict": None, "robustness": None, "data": None}
        low, high, operator = _range(task, objective)
        verdict = judge(
            Evidence(
                found=score,
                start=start,
                torch=None if task.settings.optimizer == "cma" else torch_score,
                probes=self.probes.get(name, _NONE),
                samples=self.samples.get(name, _NONE),
                low=low,
                high=high,
                operator=operator,
                blocked=sum(ascent.message == DEAD for ascent in found.ascents),
                starts=len(found.ascents),
            )
        )
        moved = None
        if task.tokens is None:
            moved = robustness(
                self.score, objective, task.space, array, task.settings.seed, score, start, settle=task.settled
            )
        place = standing(score, self.samples.get(name, _NONE))
        return {
            "verdict": asdict(verdict),
            "robustness": None if moved is None else asdict(moved),
            "data": None if place is None else {**asdict(place), "statement": place.statement},
        }


def _range(task: Task, objective: Objective) -> tuple[float, float, str]:
    """Return what an objective can be at all, and the operator that says so."""
    from onnxviz.methods.objectives import Activation
    from onnxviz.model.output_range import output_range

    low = high = 0.0
    operators = []
    for weight, term in objective.terms:
        if not isinstance(term, Activation) or weight == 0:
            return -np.inf, np.inf, ""
        ends = output_range(task.model, term.target.tensor)
        low += min(weight * ends[0], weight * ends[1])
        high += max(weight * ends[0], weight * ends[1])
        operators.append(ends[2])
    return low, high, " and ".join(dict.fromkeys(operators)) if all(operators) else ""


def in_short(row: dict[str, Any]) -> dict[str, str]:
    """Return the columns of a printed table: a few words each, "" where there is nothing to say."""
    kept = row["robustness"] and row["robustness"]["kept"]
    data, agreed, verdict = row["data"], row["consistency"], row["verdict"]
    above = (
        "" if data is None else "all" if data["percentile"] == 100 else f"{np.floor(data['percentile'] * 10) / 10:g} %"
    )
    starts = "1"
    if row["restarts"] > 1:
        starts = f"{agreed['agreeing']} of {agreed['restarts']} agree"
    if row["set"]:
        starts = f"{row['restarts']} together"
    words = [row["message"] or row["status"]] if verdict is None else [verdict["word"]]
    if verdict is not None and verdict["word"] != "ok":
        words.append(verdict["message"])
    if verdict is not None and row["status"] in ("not_finite", "interrupted"):
        words.append(row["message"])
    return {
        "if moved": "-" if kept is None else f"{100 * kept:.0f} %",
        "above data": f"{above} of {data['samples']}" if above else "",
        "starts": starts,
        "verdict": ": ".join(words),
    }


def caption(row: dict[str, Any]) -> str:
    """Return what a chart says of how far its score is to be trusted."""
    words = []
    if row["restarts"] > 1 and not row["set"]:
        agreed = row["consistency"]
        words.append(f"{agreed['agreeing']} of {agreed['restarts']} starts agree")
    if row["data"] is not None:
        words.append(row["data"]["statement"].partition(",")[0])
    if row["verdict"] is not None and row["verdict"]["word"] != "ok":
        words.append(row["verdict"]["word"])
    if row["optimizer"] == "cma":
        words.append("searched without gradients")
    return "; ".join(words)
