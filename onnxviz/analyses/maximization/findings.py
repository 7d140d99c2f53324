"""What `maximize` finds out about a result beyond its score, as its kind of input wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.methods.ascent.status import Status

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.task import Task
    from onnxviz.analyses.maximization.token_findings import TokenFindings
    from onnxviz.analyses.maximization.vector_findings import VectorFindings
    from onnxviz.methods.ascent.scorer import Scorer
    from onnxviz.methods.ascent.search import Found
    from onnxviz.methods.ascent.settings import Settings
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.objectives.objectives import Objective

_BROKEN = (Status.INTERRUPTED, Status.NOT_FINITE)
"""The ends of an ascent whose input is not examined further."""

_AWAKE = 0.5
"""A picture that was woken just a little rises by less than this part of what noise does."""


@dataclass(frozen=True, eq=False)
class Findings:
    """What is fed in the end, and what is known of it.

    Attributes
    ----------
    array, start : (*shape) ndarray
        What is fed to the model in the end and at the start: the input, whole numbers and codes set right; of tokens
        their ids.
    every, starts : (restart, *shape) ndarray
        The same of every start.
    vector : VectorFindings or None
        Of a vector.
    tokens : TokenFindings or None
        Of tokens.
    remark : str
        What a person should know of how it was found.
    """

    array: np.ndarray
    start: np.ndarray
    every: np.ndarray
    starts: np.ndarray
    vector: VectorFindings | None = None
    tokens: TokenFindings | None = None
    remark: str = ""

    def summary(self, task: Task) -> dict[str, Any]:
        """Return what the result's row tells beyond its score."""
        told: dict[str, Any] = {}
        if self.vector is not None:
            told["features"] = self.vector.summary(task)
        if self.tokens is not None:
            told["tokens"] = self.tokens.summary(task)
        if task.rate is not None:
            told["sound"] = {"rate": task.rate, "peak": float(np.abs(self.array).max())}
        return told

    def arrays(self) -> dict[str, tuple[np.ndarray, str]]:
        """Return further arrays to save, each with its axes."""
        if self.tokens is not None:
            return {
                "vectors": (self.tokens.soft[None], "batch time feature"),
                "similarity": (self.tokens.similarity, "time"),
                "contributions": (self.tokens.drops, "time"),
            }
        if self.vector is None:
            return {}
        told = {
            "reference": (self.vector.reference, "feature"),
            "contributions": (self.vector.drops(), "feature"),
        }
        if self.vector.neighbors is not None:
            told["nearest_rows"] = (self.vector.neighbor_rows, "row feature")
        return told


@dataclass(frozen=True, eq=False)
class Inquiry:
    """Finds it out.

    Attributes
    ----------
    task : Task
        What is settled.
    network, check : callable or None
        Differentiable, to the tensors that were climbed and to those that the targets read; none where the search goes
        without gradients.
    score, score_climbed : Scorer
        By ONNX Runtime: of the targets, and of what was climbed in their place; of what is fed.
    score_moving : Scorer or None
        Of what was climbed, as a search without gradients moves it, if it is one.
    batch_size : int
        The most samples at once.
    """

    task: Task
    network: Any
    check: Any
    score: Scorer
    score_climbed: Scorer
    score_moving: Scorer | None
    batch_size: int

    def __call__(
        self,
        objective: Objective,
        found: Found,
        space: Space,
        best_probe: float = -np.inf,
        probe: Callable[[], np.ndarray] | None = None,
    ) -> tuple[Found, Findings]:
        """Return what is known of one result; and the result, which is another where the climb did not pay.

        A logit may rise while its probability falls, as the others rise more: then the probability itself is climbed. A
        unit may be dead at every start, or nearly so, and alive elsewhere: then it is climbed from an input at which it is
        alive.

        Parameters
        ----------
        objective : Objective
            The target.
        found : Found
            What the search found; what was climbed may be another objective.
        space : Space
            Where it was searched.
        best_probe : float
            The highest score of inputs that nobody chose.
        probe : callable, optional
            Gives one of them that scores high, (*shape).
        """
        if probe is not None and self._beaten(objective, found, space, best_probe):
            begun = self._climb(replace(space, beginning=probe()), found.objective, self.network, self.task.settings)
            if begun.ascent.score > found.ascent.score:
                findings = replace(self._findings(objective, begun), remark=self._rows(objective))
                remark = "the random starts ended below a random input, and it was climbed from there"
                if _dead(found):
                    remark = "dead at its random starts, and climbed from a random input at which it is not"
                return begun, replace(findings, remark="; ".join(filter(None, (remark, findings.remark))))
        findings = replace(self._findings(objective, found), remark=self._rows(objective))
        stopped = found.ascent.status in _BROKEN
        if objective == found.objective or objective.members or self.check is None or stopped:
            return found, findings
        start, end = self.score.alone(objective, np.stack([findings.start, findings.array]))
        if not end < max(start, best_probe):
            return found, findings
        literal = self._climb(space, objective, self.check, self.task.settings)
        again = self._findings(objective, literal)
        if not self.score.alone(objective, again.array[None])[0] > end:
            return found, findings
        other = "its start" if end < start else "a random input"
        remark = f"{found.objective} rose and left {objective} below {other}, so {objective} itself was climbed"
        return literal, replace(again, remark="; ".join(filter(None, (remark, findings.remark))))

    def _beaten(self, objective: Objective, found: Found, space: Space, best_probe: float) -> bool:
        """Whether a random input scores higher than what the search found, and a climb from there is the remedy."""
        if self.network is None or objective.members or space.beginning is not None or self.task.tokens is not None:
            return False
        if not _dead(found):
            # Where a logit left its probability behind, the remedy is to climb the probability; and a vector has more starts.
            same = space.spectral and objective == found.objective and found.ascent.status not in _BROKEN
            rise = found.ascent.score - found.ascent.initial_score
            return same and rise < _AWAKE * (best_probe - found.ascent.initial_score)
        return bool(self.score.alone(objective, found.ascent.array[None])[0] < best_probe)

    def _rows(self, objective: Objective) -> str:
        """Say where one sample makes several rows of what the target reads, as a detector's boxes of all places."""
        counted = {name: self.score.rows[name] for name in objective.tensors if name in self.score.rows}
        return "; ".join(
            f"one input makes {count} rows of {name}: their mean counts" for name, count in counted.items()
        )

    def _findings(self, objective: Objective, found: Found) -> Findings:
        task = self.task
        arrays = np.stack([one.array for one in found.ascents])
        if task.tokens is not None:
            starts, every = task.tokens.nearest(found.starts), task.tokens.nearest(arrays)
            if objective.members:
                return Findings(every[found.best], starts[found.best], every, starts)
            from onnxviz.analyses.maximization.token_findings import token_findings

            check = None if self.network is None else self.check
            tokens = token_findings(task, objective, found, self.score, check)
            return Findings(tokens.ids, tokens.start, every, starts, tokens=tokens)
        if task.lattice is not None:
            arrays = arrays.astype(np.float32)
        starts, every = task.settled(found.starts), task.settled(arrays)
        plain = Findings(every[found.best], starts[found.best], every, starts)
        is_vector = task.expected.kind == "vector" and len(task.shape) == 2
        broken = found.ascent.status in _BROKEN or not np.isfinite(plain.array).all()
        if not is_vector or broken or objective.members:
            return plain
        from onnxviz.analyses.maximization.vector_findings import vector_findings

        literal = found.objective == objective
        once = replace(task.settings, restarts=1, frame_every=None)
        climb = partial(self._climb, network=self.check if literal else self.network, settings=once)
        score = self.score if literal else self.score_climbed
        vector = vector_findings(task, objective, found, self.score, score, climb)
        return replace(plain, array=vector.array, vector=vector)

    def _climb(self, space: Space, objective: Objective, network: Any, settings: Settings) -> Found:
        """Climb one objective.

        Raises
        ------
        KeyboardInterrupt
            If it is interrupted.
        """
        import torch

        task = self.task
        if self.score_moving is not None:
            from onnxviz.methods.ascent.evolution import evolve

            found = next(iter(evolve(self.score_moving, space, [objective], settings)))[0]
        else:
            from onnxviz.methods.ascent.search import search

            groups = search(
                network,
                space,
                [objective],
                {name: torch.as_tensor(value) for name, value in task.held.items()},
                settings,
                device=torch.device(task.device),
                batch_size=self.batch_size,
                copies=task.copies,
            )
            found = next(iter(groups))[0]
        if found.ascent.status == Status.INTERRUPTED:
            raise KeyboardInterrupt
        return found


def _dead(found: Found) -> bool:
    """Tell whether no start gave a gradient."""
    return all(ascent.status == Status.DEAD for ascent in found.ascents)
