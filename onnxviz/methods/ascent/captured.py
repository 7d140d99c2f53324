"""A network on a GPU whose kernels are recorded once and replayed: small networks cost what they compute, not what launching them costs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from onnxviz.errors import OnnxvizError
from onnxviz.methods.ascent.batching import Batched


class Captured:
    """A `Batched` network on a CUDA device, recorded as CUDA graphs: one forward, one backward, for each shape that it meets.

    A recording has one set of buffers. Between a forward pass and its backward pass there must be no other forward pass
    with gradients; passes without gradients run as they are and disturb nothing.

    Parameters
    ----------
    network : Batched
        The network. Where it cannot be recorded, since it waits for a number that the device computes, it runs as it is.

    Attributes
    ----------
    recorded : bool
        Whether some shape has been recorded so far.
    obstacles : list of str
        Why shapes were not recorded.

    Notes
    -----
    ``torch.cuda.make_graphed_callables``: the backward pass is recorded as well, and what it returns is a step like any
    other to autograd.
    """

    def __init__(self, network: Batched) -> None:
        self._network = network
        self.obstacles: list[str] = []
        self._recordings: dict[tuple[Any, ...], tuple[tuple[str, ...], Callable[[Tensor], Any]] | None] = {}

    @property
    def recorded(self) -> bool:
        """Whether some shape has been recorded."""
        return any(self._recordings.values())

    def __call__(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Run the network on (batch, *shape) samples."""
        moving = inputs[self._network.name]
        if len(inputs) > 1 or not moving.is_cuda or not (torch.is_grad_enabled() and moving.requires_grad):
            return self._network(inputs)
        key = (tuple(moving.shape), moving.stride(), moving.dtype)
        if key not in self._recordings:
            self._recordings[key] = self._record(moving)
        recording = self._recordings[key]
        if recording is None:
            return self._network(inputs)
        names, run = recording
        return dict(zip(names, run(moving), strict=True))

    def obstacle(self, name: str, tensors: Sequence[str] | None = None) -> str:
        """Return what keeps every gradient of some tensors from another one, as `Batched` tells it."""
        return self._network.obstacle(name, tensors)

    def _record(self, moving: Tensor) -> tuple[tuple[str, ...], Callable[[Tensor], Any]] | None:
        """Record the passes for inputs of one shape; None where that is not possible."""
        network, sample = self._network, moving.detach().clone().requires_grad_()
        with torch.no_grad():
            answer = network({network.name: sample})
        names = tuple(name for name, value in answer.items() if isinstance(value, Tensor) and value.is_cuda)
        if len(names) < len(answer):
            return None

        def run(inputs: Tensor) -> tuple[Tensor, ...]:
            found = network({network.name: inputs})
            return tuple(found[name] for name in names)

        held = torch.cuda.get_sync_debug_mode()
        try:
            with torch.enable_grad(), warnings.catch_warnings():
                # The sample's own gradient is collected on another stream than the recording's, and is thrown away.
                warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream")
                warnings.filterwarnings("ignore", message="Synchronization debug mode is a prototype")
                # A recording that fails is untidy, so whatever makes the host wait is found by a pass without one; the
                # pass before it lets libraries wait as they start.
                for mode in (held, "error"):
                    torch.cuda.set_sync_debug_mode(mode)
                    trial = [value.sum() for value in run(sample) if value.requires_grad]
                    torch.autograd.grad(trial, sample, allow_unused=True)
                torch.cuda.set_sync_debug_mode(held)
                return names, torch.cuda.make_graphed_callables(run, (sample,), allow_unused_input=True)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, OnnxvizError) as error:
            # Whatever a recording cannot hold (a size that hangs on values, a copy from the host): the passes as they are do.
            self.obstacles.append(str(error).strip().splitlines()[0])
            return None
        finally:
            torch.cuda.set_sync_debug_mode(held)
