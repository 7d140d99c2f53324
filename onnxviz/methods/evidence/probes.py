"""Probes: seeded inputs spread over all that may be searched, to see what a target does when nobody climbs it."""

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
    """Draw inputs.

    Parameters
    ----------
    space : Space
        Where.
    count : int
        How many.
    seed : int
        The user's.

    Returns
    -------
    (count, *shape) float32 ndarray
        In the model's own units. For a vector, uniform between its bounds, or in random directions from its mean. For a picture or a
        signal, every other one is smooth, of natural statistics and much contrast, and every other one plain noise.
    """
    cpu = torch.device("cpu")
    runs = [Run("probes", number, seed) for number in range(count)]
    start = space.start(runs, cpu)
    generators = [run.generator("noise") for run in runs]
    if space.low is not None and space.high is not None:
        low, high = (torch.as_tensor(edge, dtype=torch.float32) for edge in (space.low, space.high))
        # Halves first: the float32 limits, which exporters write for "no bound", must not overflow.
        noise = (low / 2 + high / 2) + (high / 2 - low / 2) * uniform(generators, space.shape)
    elif isinstance(start, Direct):
        # On the sphere where the search is on one: farther out a score would be higher for that alone.
        free = replace(start, variables=(normal(generators, space.shape),))
        free.project()
        noise = free.realize()
    else:
        noise = start.middle + start.span * normal(generators, space.shape)
    found: NDArray[np.float32] = noise.numpy().astype(np.float32)
    if isinstance(start, Fourier):
        smooth = replace(start, variables=(start.variables[0].detach() / PIXEL,))
        found[::2] = smooth.realize().numpy()[::2]
    return found
