"""What `maximize` finds out about a result beyond its score, as its kind of input wants it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnxviz.commands.maximization_task import Task
    from onnxviz.commands.scoring import Scorer
    from onnxviz.commands.token_findings import TokenFindings
    from onnxviz.commands.vector_findings import VectorFindings
    from onnxviz.methods.objectives import Objective
    from onnxviz.methods.search import Found, Space


@dataclass(frozen=True, eq=False)
class Findings:
    """What is fed in the end, and what is known of it.

    Attributes
    ----------
    array, start : (*shape) ndarray
        What is fed to the model in the end and at the start: the input; of tokens their ids.
    vector : VectorFindings or None
        Of a vector.
    tokens : TokenFindings or None
        Of tokens.
    """

    array: np.ndarray
    start: np.ndarray
    vector: VectorFindings | None = None
    tokens: TokenFindings | None = None

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

    def every(self, found: Found) -> np.ndarray:
        """Return what every start ended in, (restart, *shape)."""
        if self.vector is not None:
            return self.vector.every
        return self.tokens.every if self.tokens is not None else np.stack([one.array for one in found.ascents])

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
    network, check : callable
        Differentiable, to the tensors that were climbed and to those that the targets read.
    score, score_climbed : Scorer
        By ONNX Runtime: of the targets, and of what was climbed in their place.
    """

    task: Task
    network: Any
    check: Any
    score: Scorer
    score_climbed: Scorer

    def __call__(self, objective: Objective, found: Found) -> Findings:
        """Return what is known of one result."""
        task = self.task
        broken = found.ascent.status in ("interrupted", "not_finite")
        if task.tokens is not None:
            from onnxviz.commands.token_findings import token_findings

            tokens = token_findings(task, objective, found, self.score, self.check)
            return Findings(tokens.ids, tokens.start, tokens=tokens)
        is_vector = task.expected.kind == "vector" and len(task.shape) == 2
        if not is_vector or broken or not np.isfinite(found.ascent.array).all():
            return Findings(found.ascent.array, found.start)
        from onnxviz.commands.vector_findings import vector_findings

        vector = vector_findings(task, objective, found, self.score, self.score_climbed, self.climb)
        return Findings(vector.array, found.start, vector=vector)

    def climb(self, space: Space, objective: Objective) -> Found:
        """Climb one objective once, in a space of its own."""
        import torch

        from onnxviz.methods.search import search

        task = self.task
        held = {name: torch.as_tensor(value) for name, value in task.held.items()}
        settings = replace(task.settings, restarts=1)
        groups = search(
            self.network,
            space,
            [objective],
            held,
            settings,
            device=torch.device(task.device),
            batch_size=1,
            copies=task.copies,
        )
        return next(iter(groups))[0]
