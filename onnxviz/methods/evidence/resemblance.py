"""The resemblance of inputs as the network sees them: textures may differ at each place and yet be alike to the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxviz.methods.ascent.consistency import Consistency, consistency

FEWEST = 3
"""The least number of channels. With fewer channels any two inputs look alike."""

_LEAST_SPREAD = 0.05
"""The least deviation of a channel that counts, as a share of the median. A channel that random inputs hardly move would
otherwise outweigh all others."""


@dataclass(frozen=True, slots=True)
class Resemblance:
    """How far the restarts of one target agree in the activations of a layer, whatever the positions of these activations.

    Attributes
    ----------
    tensors : tuple of str
        The tensors whose channels were compared.
    channels : int
        The number of channels. The target's own channel is left out, since all restarts raise it.
    agreed : Consistency
        The agreement of the channels' means over all positions, measured by cosines as `consistency` does for inputs. Each mean is in
        standard deviations from its mean over random inputs, so that two random inputs have a cosine near 0.
    """

    tensors: tuple[str, ...]
    channels: int
    agreed: Consistency

    @property
    def statement(self) -> str:
        """The agreement in words."""
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
    """Return how far the restarts of one target agree in the mean activations of some channels.

    It is usual to compare pictures by a network's own features, at each position or averaged over positions (Gatys, Ecker & Bethge
    2015; Zhang et al. 2018). The mean of a channel does not change when the same texture moves.

    Parameters
    ----------
    tensors : sequence of str
        The tensors that the channels belong to.
    scores : sequence of float
        One per restart.
    found : ndarray
        (restart, channel): the mean activations at the inputs that were found, without the target's own channel.
    random : ndarray
        (input, channel): the mean activations at random inputs.

    Returns
    -------
    Resemblance or None
        None for fewer than two restarts or three channels, or where all random inputs have the same activations.
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
