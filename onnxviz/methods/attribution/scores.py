"""The score as a function of the explained inputs, computed by torch or by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onnxviz.methods.ascent.batching import Batched, Run
from onnxviz.methods.objectives.objectives import Objective

Score = Callable[..., Tensor]
"""A function of the explained inputs, each a (sample, *shape) Tensor, in order, that returns (sample,) scores."""


class Scores:
    """An objective as a function of the inputs that are explained.

    Parameters
    ----------
    run : callable
        A function from named tensors to named tensors: a network, or `through_arrays` of a session.
    objective : Objective
        The objective whose value is the score.
    names : sequence of str
        The names of the explained inputs.
    samples : sequence of (1, *shape) Tensor
        The values of the explained inputs, for a test whether several samples can be scored at once.
    held : mapping of str to Tensor
        The other inputs, for a batch of one.
    copies : int
        The batch of the model, where its file fixes it.
    at_once : int
        How many samples fit into memory.

    Attributes
    ----------
    count : int
        How many samples were scored so far.
    at_once : int
        How many samples are scored at once; 1 where the model takes no more.
    """

    def __init__(
        self,
        run: Run,
        objective: Objective,
        names: Sequence[str],
        samples: Sequence[Tensor],
        held: Mapping[str, Tensor],
        copies: int = 1,
        at_once: int = 64,
    ) -> None:
        self.objective = objective
        self.names = tuple(names)
        self.count = 0
        others = {**held, **dict(zip(self.names[1:], samples[1:], strict=True))}
        self._batched = Batched(run, self.names[0], others, samples[0], copies)
        self.at_once = max(1, at_once) if self._batched.batchable else 1

    def running(self, run: Run) -> Scores:
        """Return the same function computed by another network, for instance by one with other gradients."""
        twin = Scores.__new__(Scores)
        twin.objective, twin.names, twin.count, twin.at_once = self.objective, self.names, 0, self.at_once
        twin._batched = self._batched.running(run)
        return twin

    def __call__(self, *moving: Tensor) -> Tensor:
        """Return the scores of samples.

        Parameters
        ----------
        *moving : (sample, *shape) Tensor
            The explained inputs, in the order of `names`.

        Returns
        -------
        (sample,) Tensor
            The scores, which are differentiable if the network is.

        Raises
        ------
        EvaluationError
            If the model refuses the values.
        """
        samples = len(moving[0])
        self.count += samples
        scores = []
        for start in range(0, samples, self.at_once):
            part = {name: value[start : start + self.at_once] for name, value in zip(self.names, moving, strict=True)}
            answers, count = self._batched(part), len(part[self.names[0]])
            found = self.objective(answers).reshape(-1)
            # Of a tensor that lists several rows for a sample, the question is asked about all of them.
            rows = len(found) > count and len(found) % count == 0
            scores.append(self.objective(answers, count) if rows else found[:count])
        return torch.cat(scores)


def through_arrays(session: Callable[[Mapping[str, np.ndarray]], Mapping[str, Any]]) -> Run:
    """Return a function of arrays as a function of tensors.

    Results of float16 become float32, so that their mean does not overflow.

    Parameters
    ----------
    session : callable
        A function from named arrays to named arrays.
    """

    def run(inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        answer = session({name: value.detach().cpu().numpy() for name, value in inputs.items()})
        return {name: torch.as_tensor(np.asarray(value, np.float64)) for name, value in answer.items()}

    return run
