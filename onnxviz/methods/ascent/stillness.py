"""Stillness: no input of several moves a target, so that an ascent would not leave its start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onnxviz.methods.ascent.batching import Batched
from onnxviz.methods.ascent.maximization import Ascent
from onnxviz.methods.ascent.rectifiers import REDIRECTED
from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.search import Found
from onnxviz.methods.ascent.space import Space
from onnxviz.methods.ascent.status import Status
from onnxviz.methods.objectives.objectives import Objective


def stands_still(
    network: Any,
    space: Space,
    objective: Objective,
    held: Mapping[str, Tensor],
    inputs: NDArray[np.float32],
    device: torch.device,
    *,
    batch_size: int = 1,
    copies: int = 1,
) -> bool:
    """Return whether the gradient of an objective is exactly zero at some inputs, even where dead rectifiers let it pass.

    Parameters
    ----------
    network : callable
        A differentiable function from named tensors to named tensors, as `search` takes it.
    space : Space
        The space that is searched.
    objective : Objective
        What would be maximized.
    held : mapping of str to Tensor
        The other inputs, for a batch of one.
    inputs : (sample, *shape) ndarray
        The inputs.
    device : torch.device
        The device to compute on.
    batch_size, copies : int
        As in `search`.

    Returns
    -------
    bool
        False as well where an operator stops the gradient: then nothing is known.
    """
    samples = torch.as_tensor(inputs, dtype=torch.float32, device=device)
    batched = Batched(network, space.name, held, samples[:1], copies)
    if hasattr(network, "replacing"):
        # A rectifier may be dead at all of these inputs and alive elsewhere: an ascent would find the way there.
        batched = batched.running(network.replacing(REDIRECTED))
    for part in torch.split(samples, batch_size if batched.batchable else 1):
        moved = part.clone().requires_grad_()
        answers = {**batched({space.name: moved}), space.name: moved}
        scores = objective({name: answers[name] for name in objective.tensors}, len(part))
        if not scores.requires_grad:
            return False
        (gradient,) = torch.autograd.grad(scores.sum(), moved, allow_unused=True)
        if gradient is not None and bool((gradient != 0).any()):
            return False
    return True


def at_rest(space: Space, objective: Objective, seed: int, score: float, device: torch.device) -> Found:
    """Return the result for an objective that no input changes: its first start, without a step.

    Parameters
    ----------
    space : Space
        The space that would be searched.
    objective : Objective
        What would be maximized.
    seed : int
        The user's seed.
    score : float
        The score of every input.
    device : torch.device
        The device to compute on.
    """
    start = space.start([Run(str(objective), 0, seed)], device)
    with torch.no_grad():
        beginning = start.realize().cpu().numpy().astype(np.float32)
    ascent = Ascent(beginning[0], score, score, np.empty(0, np.float32), Status.CONSTANT, 0)
    return Found.of(objective, [ascent], beginning, start)
