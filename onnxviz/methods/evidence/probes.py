"""Probes: random inputs from the whole search space, which show the scores of a target without a search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from onnxviz.methods.ascent.fourier import PIXEL, Fourier
from onnxviz.methods.ascent.parameterizations import Direct
from onnxviz.methods.ascent.runs import Run, normal, uniform
from onnxviz.methods.ascent.space import Space


def probes(space: Space, count: int, seed: int) -> NDArray[np.float32]:
    """Return random inputs.

    Parameters
    ----------
    space : Space
        The space to draw from.
    count : int
        The number of inputs.
    seed : int
        The user's seed.

    Returns
    -------
    (count, *shape) float32 ndarray
        The inputs in the model's own units. Vectors are uniform between their bounds, or lie in random directions from their mean. Of
        pictures and signals every second one is smooth, with natural statistics and high contrast; the others are plain noise. Where
        the space holds a norm, all have this norm.
    """
    cpu = torch.device("cpu")
    runs = [Run("probes", number, seed) for number in range(count)]
    start = space.start(runs, cpu)
    generators = [run.generator("noise") for run in runs]
    if space.low is not None and space.high is not None:
        low, high = (torch.as_tensor(edge, dtype=torch.float32) for edge in (space.low, space.high))
        # Each bound is halved first. Exporters write the limits of float32 for "no bound", and their difference would overflow.
        noise = (low / 2 + high / 2) + (high / 2 - low / 2) * uniform(generators, space.shape)
    elif isinstance(start, Direct):
        # Where the search stays on a sphere, probes lie on it, too. Farther out a score would be higher for that reason alone.
        free = replace(start, variables=(normal(generators, space.shape),))
        free.project()
        noise = free.realize()
    else:
        noise = start.middle + start.span * normal(generators, space.shape)
    found: NDArray[np.float32] = noise.numpy().astype(np.float32)
    if isinstance(start, Fourier):
        smooth = replace(start, variables=(start.variables[0].detach() / PIXEL,))
        found[::2] = smooth.realize().numpy()[::2]
        if start.contrast is not None:
            # Where the search holds a norm, probes have it too. With a larger one a score would be higher for that reason alone.
            found = start.held(torch.as_tensor(found)).numpy()
    return found
