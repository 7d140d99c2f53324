"""A run: one ascent of one target from one start, and where its random numbers come from.

Every random draw of a run comes from generators that depend on the run alone, so that its result does not change with
what else is computed in the same batch, or where in the batch it stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Run:
    """What tells one ascent from another.

    Attributes
    ----------
    key : str
        What is maximized, in words that do not change between calls: the text of the target.
    restart : int
        0 for the first start of this target, 1 for the second, and so on.
    seed : int
        The seed the user gave.
    """

    key: str
    restart: int = 0
    seed: int = 0

    def generator(self, purpose: str) -> torch.Generator:
        """Return a fresh generator for one purpose of this run.

        It lives on the CPU whatever the device of the ascent, so that every device starts from the same numbers.

        Parameters
        ----------
        purpose : str
            What the numbers are for ("start", "transform"): draws for one do not shift those for another.
        """
        generator = torch.Generator()
        generator.manual_seed(self.draw(purpose))
        return generator

    def draw(self, purpose: str) -> int:
        """Return the seed of one purpose of this run, 64 bits, for generators of other libraries."""
        identity = repr((self.seed, self.key, self.restart, purpose)).encode()
        return int.from_bytes(hashlib.sha256(identity).digest()[:8], "big")


def normal(generators: Sequence[torch.Generator], shape: Sequence[int]) -> Tensor:
    """Draw standard normal numbers, each sample from its own generator.

    Parameters
    ----------
    generators : sequence of torch.Generator
        One per sample.
    shape : sequence of int
        Of one sample.

    Returns
    -------
    Tensor
        (batch, *shape) float32, on the CPU.
    """
    return torch.stack([torch.randn(tuple(shape), generator=generator) for generator in generators])


def uniform(generators: Sequence[torch.Generator], shape: Sequence[int]) -> Tensor:
    """Draw numbers uniform in [-1, 1), each sample from its own generator.

    Parameters
    ----------
    generators : sequence of torch.Generator
        One per sample.
    shape : sequence of int
        Of one sample.

    Returns
    -------
    Tensor
        (batch, *shape) float32, on the CPU.
    """
    return torch.stack([torch.rand(tuple(shape), generator=generator) for generator in generators]) * 2 - 1
