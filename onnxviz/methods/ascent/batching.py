"""A test whether a network takes several samples at once, since many models are exported for a batch of one."""

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
    """A network that takes batches of the input that moves, and repeats its held inputs where that is needed.

    Parameters
    ----------
    network : callable
        A function from named tensors to named tensors.
    name : str
        The name of the input that moves.
    held : mapping of str to Tensor
        The other inputs, for a batch of one.
    sample : (1, *shape) Tensor
        An input for the test.
    other : (1, *shape) Tensor, optional
        A second input for the test, which differs from the first. Default: the first input with noise.
    copies : int
        The batch that the network is exported for, where its file fixes the batch. A sample is then repeated so many times, and the
        first result is used.

    Attributes
    ----------
    batchable : bool
        Whether several samples at once give the same results as each of them alone.
    rows : dict of str to int
        How many rows one sample makes in each tensor, for tensors with more than one row.
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
        """Return the network's tensors for (batch, *shape) samples."""
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
        # A model may return a tensor without any axis, not even the batch.
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
        """Return what stops all gradients from some tensors to another tensor, if the network can tell; else ""."""
        tell = getattr(self.network, "obstacle", None)
        return "" if tell is None else str(tell(name, tensors))

    def _try(self, sample: Tensor, other: Tensor | None) -> bool:
        """Return whether two samples together give the same as each alone, with held inputs as they are, or else repeated."""
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
    if first.shape != second.shape or not first.numel():  # where nothing is detected, nothing can be told
        return False
    apart = torch.cat((first, second))
    if not together.is_floating_point():
        return bool(torch.equal(together, apart))
    finite = apart[apart.isfinite()]
    spread = float(finite.abs().max()) if finite.numel() else 0.0
    return torch.allclose(together, apart, rtol=1e-3, atol=1e-4 * spread + 1e-7, equal_nan=True)
