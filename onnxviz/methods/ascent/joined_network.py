"""A network whose several inputs are fed as one vector."""

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
        Named tensors in, named tensors out; may offer `replacing`, as `Network` does.
    name : str
        Under which the vector is given, (batch, feature).
    inputs : tuple of str
        Those of the network that it is given to.
    split : callable
        From the vector to the inputs by name.
    """

    network: Any
    name: str
    inputs: tuple[str, ...]
    split: Callable[[Any], dict[str, Any]]

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Compute the tensors; the vector is among them, as a term may read what moves."""
        others = {name: value for name, value in inputs.items() if name != self.name}
        vectors = inputs[self.name]
        answer = self.network({**others, **self.split(vectors)})
        # Where the network's device is another than the vector's, its terms meet on the network's.
        device = next((value.device for value in answer.values()), vectors.device)
        return {**answer, self.name: vectors.to(device)}

    def replacing(self, functions: Mapping[str, Callable[..., Any]]) -> JoinedNetwork:
        """Return the same with other functions for some operators."""
        return JoinedNetwork(self.network.replacing(functions), self.name, self.inputs, self.split)

    def obstacle(self, name: str, tensors: Sequence[str] | None = None) -> str:
        """Return what keeps every gradient of some tensors from the vector, or from another input; "" if nothing is known to."""
        known = None if tensors is None else [one for one in tensors if one != self.name]
        return str(self.network.obstacle(self.inputs if name == self.name else name, known))
