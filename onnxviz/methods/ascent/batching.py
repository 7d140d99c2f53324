"""How many samples a network takes at once, found out rather than assumed: many models are exported for a batch of one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from onnxviz.errors import OnnxvizError
from onnxviz.methods.devices import full_precision
from onnxviz.methods.objectives.rows import first_rows

Run = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


class Batched:
    """A network whose held inputs follow the batch of the one that moves.

    Parameters
    ----------
    network : callable
        Named tensors in, named tensors out.
    name : str
        The input that moves.
    held : mapping of str to Tensor
        The others, as for a batch of one.
    sample : (1, *shape) Tensor
        An input to try it with.
    other : (1, *shape) Tensor, optional
        A second one, unlike the first; by default the first with noise.
    copies : int
        The batch that the network is exported for, where it is fixed: one sample is repeated so many times, and the first answer counts.

    Attributes
    ----------
    batchable : bool
        Whether several samples at once give what each gives alone.
    rows : dict of str to int
        How many rows of each tensor one sample makes, where that is not 1.
    """

    def __init__(
        self,
        network: Run,
        name: str,
        held: Mapping[str, Tensor],
        sample: Tensor,
        copies: int = 1,
        *,
        other: Tensor | None = None,
    ) -> None:
        self.network = network
        self.name = name
        self.held = dict(held)
        self.copies = copies
        self._repeated: frozenset[str] = frozenset()
        self.rows: dict[str, int] = {}
        self.batchable = self._try(sample, other)

    def __call__(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Run the network on (batch, *shape) samples."""
        moving = inputs[self.name]
        if self.copies > 1:
            repeated = {name: value.expand(self.copies, *value.shape[1:]) for name, value in inputs.items()}
            answer = self.network({**self.held, **repeated})
            return {
                name: first_rows(value, self.copies) if value.ndim else value.reshape(1)
                for name, value in answer.items()
            }
        count = moving.shape[0]
        held = {
            name: value.expand(count, *value.shape[1:]) if name in self._repeated and count > 1 else value
            for name, value in self.held.items()
        }
        # A file may leave even the batch out of what it gives.
        answer = self.network({**held, **inputs})
        return {
            name: value.reshape(1) if isinstance(value, Tensor) and not value.ndim else value
            for name, value in answer.items()
        }

    def running(self, network: Run) -> Batched:
        """Return another network with the same held inputs."""
        twin = copy.copy(self)
        twin.network = network
        return twin

    def obstacle(self, name: str, tensors: Sequence[str] | None = None) -> str:
        """Return what keeps every gradient of some tensors from another one, if the network can tell; else ""."""
        tell = getattr(self.network, "obstacle", None)
        return "" if tell is None else str(tell(name, tensors))

    def _try(self, sample: Tensor, other: Tensor | None) -> bool:
        """Run two different samples together and apart; first with the held inputs as they are, then repeated."""
        if self.copies > 1:
            return False
        if other is None:
            other = sample + 0.1 * (sample.std(correction=0) + 1) * torch.randn(
                sample.shape, generator=torch.Generator().manual_seed(0)
            ).to(sample)
        one_row = frozenset(name for name, value in self.held.items() if value.ndim and value.shape[0] == 1)
        with torch.no_grad(), full_precision():
            alone = [self({self.name: one}) for one in (sample, other)]
            self.rows = {
                name: len(value)
                for name, value in alone[0].items()
                if isinstance(value, Tensor) and value.ndim and len(value) > 1
            }
            for repeated in dict.fromkeys((frozenset[str](), one_row)):
                self._repeated = repeated
                try:
                    together = self({self.name: torch.cat((sample, other))})
                except OnnxvizError:
                    continue
                if all(_same(together[name], alone[0][name], alone[1][name]) for name in together):
                    return True
        self._repeated = frozenset()
        return False


def _same(together: Tensor, first: Tensor, second: Tensor) -> bool:
    if not isinstance(together, Tensor) or first.ndim == 0 or together.shape != (2 * first.shape[0], *first.shape[1:]):
        return False
    apart = torch.cat((first, second))
    if not together.is_floating_point():
        return bool(torch.equal(together, apart))
    finite = apart[apart.isfinite()]
    spread = float(finite.abs().max()) if finite.numel() else 0.0
    return torch.allclose(together, apart, rtol=1e-3, atol=1e-4 * spread + 1e-7, equal_nan=True)
