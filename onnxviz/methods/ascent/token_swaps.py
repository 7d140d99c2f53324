"""Which tokens to try next, as the gradient at the present ones suggests (HotFlip: Ebrahimi et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onnxviz.methods.ascent.maximization import Scored


@dataclass(frozen=True, slots=True, eq=False)
class TokenSwaps:
    """Proposes token sequences that differ from the present one in one position, or in several at once.

    Attributes
    ----------
    network : callable
        Named tensors in, named tensors out, differentiable in `name`.
    name : str
        The tensor that the table's rows become, (1, time, feature).
    ids : str
        The input of the ids themselves, where the network reads it as well.
    objective : Scored
        What shall rise, read off the network.
    rows : (token, feature) Tensor
        The table.
    held : mapping of str to Tensor
        The other inputs.
    movable : (time,) bool
        The positions that may change.
    count : int
        How many single changes to propose.
    each : int
        At most so many of them in one position.
    """

    network: Any
    name: str
    ids: str
    objective: Scored
    rows: Tensor
    held: Mapping[str, Tensor]
    movable: NDArray[np.bool_]
    count: int = 64
    each: int = 8

    def __call__(self, present: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (candidate, time) ids, the most promising single changes first, then ever more changes at once."""
        gains = self._gains(present)
        each = min(self.each, gains.shape[1])
        tokens = torch.topk(gains, each, dim=1)
        order = tokens.values.flatten().argsort(descending=True, stable=True)[: self.count].tolist()
        found = []
        for place in order:
            position, rank = divmod(place, each)
            if tokens.values[position, rank] > 0:
                changed = present.copy()
                changed[position] = int(tokens.indices[position, rank])
                found.append(changed)
        best, most = tokens.values[:, 0], tokens.indices[:, 0].cpu().numpy()
        positions = best.argsort(descending=True, stable=True)[: int((best > 0).sum())].cpu().numpy()
        several = 2
        while several < 2 * len(positions):
            chosen = positions[:several]
            changed = present.copy()
            changed[chosen] = most[chosen]
            found.append(changed)
            several *= 2
        return np.stack(found) if found else np.empty((0, *present.shape), np.int64)

    def _gains(self, present: NDArray[np.int64]) -> Tensor:
        """Return what each token promises in each position, (time, token), to first order; nothing in kept positions."""
        place = torch.as_tensor(present, device=self.rows.device)
        vectors = self.rows[place][None].requires_grad_()
        fed = {**self.held, self.ids: place[None], self.name: vectors}
        score = self.objective(self.network(fed)).sum()
        (gradient,) = torch.autograd.grad(score, vectors)
        # A probability of almost 0 or 1 has a gradient so small that the products below would vanish.
        largest = gradient.abs().max()
        gradient = gradient / torch.where(largest > 0, largest, 1)
        promised = gradient[0] @ self.rows.T
        gains = promised - promised.gather(1, place[:, None])
        gains[torch.as_tensor(~self.movable, device=gains.device)] = 0
        return torch.nan_to_num(gains, nan=0.0)
