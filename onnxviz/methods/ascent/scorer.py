"""The scores of objectives by ONNX Runtime, for many inputs at once, or one by one where the file fixes its batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onnxviz.methods.ascent.batching import Batched
from onnxviz.methods.objectives.channel_statistics import channel_statistics
from onnxviz.methods.objectives.objectives import Objective

Runtime = Callable[[Mapping[str, np.ndarray]], Mapping[str, Any]]
"""A function from named arrays to named arrays, such as a `Session`."""

Feed = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""A function from (sample, *shape) inputs that move to the runtime's inputs, such as parts of a joined vector, or token ids."""

Score = Callable[[Sequence[Objective], NDArray[np.float32]], NDArray[np.float64]]
"""A function from objectives and (sample, *shape) inputs to (objective, sample) scores, such as a `Scorer`."""


class Scorer:
    """A function from objectives and inputs to scores.

    Parameters
    ----------
    session : callable
        Computes the tensors that the objectives read.
    name : str
        The name of the input that moves.
    held : mapping of str to ndarray
        The other inputs, for a batch of one.
    sample : (*shape) ndarray
        An input for a test whether several samples at once give the same as each alone.
    other : (*shape) ndarray, optional
        A second input for the test, which differs from the first. Default: the first with noise, which suits numbers and not ids.
    feed : callable, optional
        Returns the runtime's inputs for samples of the input that moves. Default: these samples, under `name`.
    copies : int
        The batch that the file fixes. It is filled with copies of one sample.
    batch_size : int
        The most samples at once.

    Attributes
    ----------
    rows : dict of str to int
        How many rows one sample makes in each tensor, for tensors with more than one row. A score is the mean over them.
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
        given = {key: np.asarray(value) for key, value in held.items()}
        # Texts are no tensors; the runtime is fed them as they are.
        texts = {key: given.pop(key) for key in [*given] if given[key].dtype.kind == "O"}
        others = {key: torch.as_tensor(value) for key, value in given.items()}
        self._name = name
        run = partial(_run, session, name, feed, texts)
        unlike = None if other is None else torch.as_tensor(other)[None]
        self._batched = Batched(run, name, others, torch.as_tensor(sample)[None], copies, other=unlike)
        self.rows = self._batched.rows
        self.batch_size = batch_size if self._batched.batchable else 1

    def alone(self, objective: Objective, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the scores of inputs by one objective, (sample,)."""
        scores: NDArray[np.float64] = self([objective], inputs)[0]
        return scores

    def responses(self, channels: Mapping[str, int], inputs: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """Return the activation of each channel of some tensors, averaged over all positions.

        Parameters
        ----------
        channels : mapping of str to int
            The tensors, each with the axis after the batch that holds its channels.
        inputs : (sample, *shape) ndarray
            The inputs, in the model's own units.

        Returns
        -------
        dict of str to ndarray
            The means, (sample, channel) for each tensor. A tensor whose number of rows is no multiple of the number of samples is
            left out.
        """
        return {name: means for name, (means, _) in self.statistics(channels, inputs).items()}

    def statistics(
        self, channels: Mapping[str, int], inputs: NDArray[Any]
    ) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return the mean and the deviation of each channel of some tensors over all positions.

        Parameters
        ----------
        channels, inputs
            As in `responses`.

        Returns
        -------
        dict of str to (ndarray, ndarray)
            Each (sample, channel). A tensor whose number of rows is no multiple of the number of samples is left out.
        """
        parts: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in channels}
        for first in range(0, len(inputs), self.batch_size):
            part = torch.as_tensor(np.ascontiguousarray(inputs[first : first + self.batch_size]))
            answers = self._batched({self._name: part})
            for name, axis in channels.items():
                found = channel_statistics(answers[name], axis, len(part))
                if found is not None:
                    parts[name].append(found)
        return {
            name: (torch.cat([mean for mean, _ in part]).numpy(), torch.cat([spread for _, spread in part]).numpy())
            for name, part in parts.items()
            if part
        }

    def __call__(self, objectives: Sequence[Objective], inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the scores of inputs by several objectives.

        Parameters
        ----------
        objectives : sequence of Objective
            The objectives.
        inputs : (sample, *shape) ndarray
            The inputs, in the model's own units.

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


def _run(
    session: Runtime, name: str, feed: Feed | None, texts: Mapping[str, np.ndarray], inputs: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the tensors of ONNX Runtime in the form that `Batched` takes, as float64, so that means add no rounding."""
    fed: dict[str, np.ndarray] = {key: value.numpy() for key, value in inputs.items()}
    count = len(inputs[name])
    for key, text in texts.items():
        fed[key] = np.repeat(text, count, axis=0) if text.ndim and len(text) == 1 else text
    if feed is not None:
        fed |= feed(fed.pop(name))
    answers = session(fed)
    return {key: torch.as_tensor(np.asarray(value, np.float64)) for key, value in answers.items()}
