"""Objectives measured by ONNX Runtime on many inputs at once, or one by one where the file fixes its batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onnxviz.methods.ascent.batching import Batched
from onnxviz.methods.objectives.objectives import Objective

Runtime = Callable[[Mapping[str, np.ndarray]], Mapping[str, Any]]
"""Named arrays in, named arrays out; `Session` is one."""

Feed = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""From (sample, *shape) of what moves to what the runtime is fed for it: parts of a joined vector, token ids."""

Score = Callable[[Sequence[Objective], NDArray[np.float32]], NDArray[np.float64]]
"""From objectives and (sample, *shape) inputs to (objective, sample) scores; `Scorer` is one."""


class Scorer:
    """A function from objectives and inputs to scores.

    Parameters
    ----------
    session : callable
        Computes what the objectives read.
    name : str
        The input that moves.
    held : mapping of str to ndarray
        The others, as for a batch of one.
    sample : (*shape) ndarray
        An input, to find out with whether several at once give what each gives alone.
    other : (*shape) ndarray, optional
        A second one, unlike the first; by default the first with noise, which suits numbers but no ids.
    feed : callable, optional
        What the runtime is fed for samples of what moves; by default they themselves, under `name`.
    copies : int
        The batch that the file fixes; it is filled with copies of one sample.
    batch_size : int
        The most samples at once.

    Attributes
    ----------
    rows : dict of str to int
        How many rows of each tensor one sample makes, where that is not 1; a score is the mean over them.
    """

    def __init__(
        self,
        session: Runtime,
        name: str,
        held: Mapping[str, np.ndarray],
        sample: NDArray[Any],
        *,
        other: NDArray[Any] | None = None,
        feed: Feed | None = None,
        copies: int = 1,
        batch_size: int = 1,
    ) -> None:
        others = {key: torch.as_tensor(np.asarray(value)) for key, value in held.items()}
        self._name = name
        run = partial(_run, session, name, feed)
        unlike = None if other is None else torch.as_tensor(other)[None]
        self._batched = Batched(run, name, others, torch.as_tensor(sample)[None], copies, other=unlike)
        self.rows = self._batched.rows
        self.batch_size = batch_size if self._batched.batchable else 1

    def alone(self, objective: Objective, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Score inputs by one objective, (sample,)."""
        scores: NDArray[np.float64] = self([objective], inputs)[0]
        return scores

    def responses(self, channels: Mapping[str, int], inputs: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """Return what each channel of some tensors answers to inputs, on average over all positions.

        Parameters
        ----------
        channels : mapping of str to int
            The tensors, each with the axis after the batch that holds its channels.
        inputs : (sample, *shape) ndarray
            In the model's own units.

        Returns
        -------
        dict of str to ndarray
            (sample, channel) each; a tensor that does not share out its rows among the samples is left out.
        """
        parts: dict[str, list[Tensor]] = {name: [] for name in channels}
        for first in range(0, len(inputs), self.batch_size):
            part = torch.as_tensor(np.ascontiguousarray(inputs[first : first + self.batch_size]))
            answers = self._batched({self._name: part})
            for name, axis in channels.items():
                answer = answers[name]
                if answer.ndim < 2 or len(answer) % len(part):
                    continue
                means = (
                    answer.movedim(min(1 + axis, answer.ndim - 1), 1).flatten(2).mean(2) if answer.ndim > 2 else answer
                )
                parts[name].append(means.reshape(len(part), -1, means.shape[1]).mean(1))
        return {name: torch.cat(part).numpy() for name, part in parts.items() if part}

    def __call__(self, objectives: Sequence[Objective], inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Score inputs.

        Parameters
        ----------
        objectives : sequence of Objective
            What to measure.
        inputs : (sample, *shape) ndarray
            In the model's own units.

        Returns
        -------
        (objective, sample) float64
        """
        parts = [torch.empty((len(objectives), 0), dtype=torch.float64)]
        for first in range(0, len(inputs), self.batch_size):
            part = torch.as_tensor(np.ascontiguousarray(inputs[first : first + self.batch_size]))
            answers = dict(self._batched({self._name: part}))
            # An objective may read the input itself.
            answers.setdefault(self._name, part.double())
            parts.append(torch.stack([objective(answers, len(part)).double().reshape(-1) for objective in objectives]))
        scores: NDArray[np.float64] = torch.cat(parts, 1).numpy()
        return scores


def _run(session: Runtime, name: str, feed: Feed | None, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Run ONNX Runtime as `Batched` runs a network; answers in float64, so that a mean adds no rounding of its own."""
    fed = {key: value.numpy() for key, value in inputs.items()}
    if feed is not None:
        fed |= feed(fed.pop(name))
    answers = session(fed)
    return {key: torch.as_tensor(np.asarray(value, np.float64)) for key, value in answers.items()}
