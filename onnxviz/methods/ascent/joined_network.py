"""A network whose inputs are fed with the parts of one vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, slots=True)
class JoinedNetwork:
    """Feeds the parts of one vector to the inputs of a network.

    Attributes
    ----------
    network : callable
        A function from named tensors to named tensors, which may have a method `replacing`, as `Network` does.
    name : str
        The name of the vector, (batch, feature).
    inputs : tuple of str
        The network's inputs that the vector is split into.
    split : callable
        Returns the inputs by name for a vector.
    """

    network: Any
    name: str
    inputs: tuple[str, ...]
    split: Callable[[Any], dict[str, Any]]

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of the network, and the vector itself, since a term may read the input that moves."""
        others = {name: value for name, value in inputs.items() if name != self.name}
        vectors = inputs[self.name]
        answer = self.network({**others, **self.split(vectors)})
        # Where network and vector are on different devices, the vector is returned on the network's device.
        device = next((value.device for value in answer.values()), vectors.device)
        return {**answer, self.name: vectors.to(device)}

    def replacing(self, functions: Mapping[str, Callable[..., Any]]) -> JoinedNetwork:
        """Return the same network with other functions for some operators."""
        return JoinedNetwork(self.network.replacing(functions), self.name, self.inputs, self.split)

    def obstacle(self, name: str, tensors: Sequence[str] | None = None) -> str:
        """Return what stops all gradients from some tensors to the vector, or to another input; "" if nothing is known."""
        known = None if tensors is None else [one for one in tensors if one != self.name]
        return str(self.network.obstacle(self.inputs if name == self.name else name, known))
