"""What an ascent pays for roughness and contrast of the input; all weights are 0 unless asked for."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Penalty:
    """Weighted sums over a standardized input, each one number per sample.

    Weights compare with those published for pictures in 0 to 1 (lucid: .25 for the variation, .05 for l1 at 64 pixels),
    as a standardized picture has a range of length 1.

    Attributes
    ----------
    total_variation : float
        Weight of the absolute differences between neighbors.
    l1, l2 : float
        Weights of the absolute values and of the squares: distances from the middle of the range.
    """

    total_variation: float = 0.0
    l1: float = 0.0
    l2: float = 0.0

    def __call__(self, standardized: Tensor, spatial: tuple[int, ...] = ()) -> Tensor:
        """Return what each sample pays.

        Parameters
        ----------
        standardized : Tensor
            (batch, *shape), 0 in the middle.
        spatial : tuple of int
            The axes, batch counted, along which neighbors belong together.

        Returns
        -------
        Tensor
            (batch,), never negative if no weight is.
        """
        flat = standardized.flatten(1)
        total = self.l1 * flat.abs().sum(1) + self.l2 * flat.square().sum(1)
        for axis in spatial:
            total = total + self.total_variation * standardized.diff(dim=axis).abs().flatten(1).sum(1)
        return total
