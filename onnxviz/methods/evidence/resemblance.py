"""Whether inputs that differ place by place are the same to the network, as textures are whose phases and places differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxviz.methods.ascent.consistency import Consistency, consistency

FEWEST = 3
"""Of fewer channels any two inputs are alike."""

_LEAST_SPREAD = 0.05
"""Channels that vary less than this part of the median count as if they varied so much: one that random inputs leave at
rest would outweigh all others."""


@dataclass(frozen=True, slots=True)
class Resemblance:
    """How far the restarts of one target agree in what a layer answers to them, wherever it answers.

    Attributes
    ----------
    tensors : tuple of str
        Whose channels were asked.
    channels : int
        How many; the target's own is left out, since all restarts drive it alike.
    agreed : Consistency
        Of their answers as `consistency` measures inputs: cosines of the channels' means over all positions, each in
        standard deviations from its mean over random inputs. Two random inputs have a cosine near 0.
    """

    tensors: tuple[str, ...]
    channels: int
    agreed: Consistency

    @property
    def statement(self) -> str:
        """The same in words."""
        agreed = self.agreed
        cosine = "" if agreed.cosine_mean is None else f", cosine {agreed.cosine_mean:.2f}"
        asked = f"{self.channels} channels of {' and '.join(self.tensors)}"
        return f"{agreed.agreeing} of {agreed.restarts} alike to the {asked}{cosine}"


def resemblance(
    tensors: Sequence[str],
    scores: Sequence[float],
    found: NDArray[np.floating],
    random: NDArray[np.floating],
) -> Resemblance | None:
    """Compare what the channels of some tensors answer to the restarts of one target.

    Comparing pictures by a network's own features, place by place or averaged over places, is usual (Gatys, Ecker & Bethge 2015;
    Zhang et al. 2018); the mean of each channel does not change where the same texture stands elsewhere.

    Parameters
    ----------
    tensors : sequence of str
        Whose channels they are.
    scores : sequence of float
        One per restart.
    found : ndarray
        (restart, channel): mean answers to what was found; the target's own channel left out.
    random : ndarray
        (input, channel): the same of inputs that nobody chose.

    Returns
    -------
    Resemblance or None
        None for fewer than two restarts or three channels, or where random inputs are all the same to the channels.
    """
    ours, theirs = np.asarray(found, np.float64), np.asarray(random, np.float64)
    usable = np.isfinite(ours).all(0) & np.isfinite(theirs).all(0)
    ours, theirs = ours[:, usable], theirs[:, usable]
    spread = theirs.std(0)
    if len(ours) < 2 or ours.shape[1] < FEWEST or not spread.any():
        return None
    usual = float(np.median(spread)) or float(spread.max())
    away = (ours - theirs.mean(0)) / np.maximum(spread, _LEAST_SPREAD * usual)
    return Resemblance(tuple(tensors), ours.shape[1], consistency(scores, away))
