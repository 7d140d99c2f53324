"""Scores of many inputs by ONNX Runtime on the untouched model, as many at once as it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.errors import OnnxvizError

if TYPE_CHECKING:
    from onnxviz.commands.maximization_task import Task
    from onnxviz.methods.objectives import Objective


class Scorer:
    """Scores inputs.

    Parameters
    ----------
    task : Task
        What is fed, and how.
    session : callable
        Named arrays in, named arrays out.
    at_once : int
        The most samples at once.
    """

    def __init__(self, task: Task, session: Any, at_once: int) -> None:
        self._task, self._session = task, session
        self._at_once = at_once if task.copies == 1 else 1
        self._repeat: bool | None = None  # whether the held inputs follow the batch; None until it was tried

    def __call__(self, objective: Objective, samples: np.ndarray) -> np.ndarray:
        """Return (sample,) float64 scores of (sample, *shape) inputs."""
        if self._at_once > 1 and self._repeat is None and len(samples) > 1:
            self._try(objective, samples)
        size = self._at_once if self._repeat is not None else 1
        parts = [self._score(objective, samples[first : first + size]) for first in range(0, len(samples), size)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _score(self, objective: Objective, samples: np.ndarray) -> np.ndarray:
        task = self._task
        fed = task.fed(np.repeat(samples, task.copies, axis=0))
        held = dict(task.held)
        if self._repeat and len(samples) > 1:
            held = {
                name: np.repeat(value, len(samples), axis=0) if value.ndim and len(value) == 1 else value
                for name, value in held.items()
            }
        answers = {name: np.asarray(value, np.float64) for name, value in self._session({**held, **fed}).items()}
        scores = np.asarray(objective(answers))  # type: ignore[arg-type]  # a term reads numpy as well
        return scores.reshape(-1)[: len(samples)] if task.copies == 1 else scores.reshape(-1)[:1]

    def _try(self, objective: Objective, samples: np.ndarray) -> None:
        """Find out whether two samples at once give what each gives alone: with the held inputs as they are, or repeated."""
        pair = np.stack([samples[0], self._other(samples[0])])
        alone = np.concatenate([self._score(objective, one[None]) for one in pair])
        for repeat in (False, True):
            self._repeat = repeat
            try:
                together = self._score(objective, pair)
            except (OnnxvizError, ValueError, IndexError):  # the graph, or its answer, is bound to one sample
                continue
            scale = float(np.abs(alone[np.isfinite(alone)]).max(initial=0.0))
            if together.shape == (2,) and np.allclose(together, alone, rtol=1e-3, atol=1e-5 * scale, equal_nan=True):
                return
        self._repeat, self._at_once = None, 1

    def _other(self, sample: np.ndarray) -> np.ndarray:
        """Return a sample that has little in common with one: where two are alike, nobody sees how they are mixed."""
        generator = np.random.default_rng(0)
        if self._task.tokens is not None:
            return generator.integers(0, len(self._task.tokens.embedding.rows), sample.shape)
        noise = 0.1 * (float(sample.std()) + 1) * generator.standard_normal(sample.shape)
        return np.asarray(sample + noise, sample.dtype)
