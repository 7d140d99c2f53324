"""A run: one ascent of one target from one start, with its random numbers.

All random numbers of a run come from generators that depend on the run alone. So its result does not depend on the other runs in the
same batch, or on its place in the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Run:
    """The identity of an ascent, which distinguishes it from all others.

    Attributes
    ----------
    key : str
        The text of the target, which does not change between calls.
    restart : int
        0 for the first start of this target, 1 for the second, and so on.
    seed : int
        The user's seed.
    """

    key: str
    restart: int = 0
    seed: int = 0

    def generator(self, purpose: str) -> torch.Generator:
        """Return a new generator for one purpose of this run.

        The generator is on the CPU for every device of the ascent, so that all devices start from the same numbers.

        Parameters
        ----------
        purpose : str
            The use of the numbers, such as "start" or "transform". Each purpose has its own sequence of numbers.
        """
        generator = torch.Generator()
        generator.manual_seed(self.draw(purpose))
        return generator

    def draw(self, purpose: str) -> int:
        """Return the seed for one purpose of this run, 64 bits, for generators of other libraries."""
        identity = repr((self.seed, self.key, self.restart, purpose)).encode()
        return int.from_bytes(hashlib.sha256(identity).digest()[:8], "big")


def normal(generators: Sequence[torch.Generator], shape: Sequence[int]) -> Tensor:
    """Return standard normal numbers, drawn for each sample from its own generator.

    Parameters
    ----------
    generators : sequence of torch.Generator
        One per sample.
    shape : sequence of int
        The shape of one sample.

    Returns
    -------
    Tensor
        (batch, *shape) float32, on the CPU.
    """
    return torch.stack([torch.randn(tuple(shape), generator=generator) for generator in generators])


def uniform(generators: Sequence[torch.Generator], shape: Sequence[int]) -> Tensor:
    """Return numbers uniform in [-1, 1), drawn for each sample from its own generator.

    Parameters
    ----------
    generators : sequence of torch.Generator
        One per sample.
    shape : sequence of int
        The shape of one sample.

    Returns
    -------
    Tensor
        (batch, *shape) float32, on the CPU.
    """
    return torch.stack([torch.rand(tuple(shape), generator=generator) for generator in generators]) * 2 - 1
