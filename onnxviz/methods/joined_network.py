"""A network whose several inputs are fed as one vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    split : callable
        From the vector to the inputs by name.
    """

    network: Any
    name: str
    split: Callable[[Any], dict[str, Any]]

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Compute the tensors."""
        others = {name: value for name, value in inputs.items() if name != self.name}
        answers: dict[str, Tensor] = self.network({**others, **self.split(inputs[self.name])})
        return answers

    def replacing(self, functions: Mapping[str, Callable[..., Any]]) -> JoinedNetwork:
        """Return the same with other functions for some operators."""
        return JoinedNetwork(self.network.replacing(functions), self.name, self.split)
