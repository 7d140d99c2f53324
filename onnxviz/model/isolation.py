"""One operator at a time: torch on the very values that ONNX Runtime has in front of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from onnxviz.model.graph.structure import read_by
from onnxviz.model.session import Session

if TYPE_CHECKING:
    from onnxviz.model.model import Model


class Isolation:
    """Operators of a model, each computed by torch from what ONNX Runtime computed before it.

    Parameters
    ----------
    model : Model
        The model.
    tensors : sequence of str
        Tensors that nodes make: what is to be computed in isolation.
    inputs : mapping of str to ndarray
        What the model is fed.
    device : str or torch.device
        Where torch computes.

    Raises
    ------
    EvaluationError
        If ONNX Runtime refuses the model or the inputs.

    Notes
    -----
    One run of ONNX Runtime gives every value; it stays in memory as long as this object does.
    """

    def __init__(
        self,
        model: Model,
        tensors: Sequence[str],
        inputs: Mapping[str, Any],
        device: str | torch.device = "cpu",
    ) -> None:
        self.model = model
        self.device = device
        needed = dict.fromkeys(tensors)
        for name in tensors:
            needed.update(dict.fromkeys(self.sources(name)))
        # A session of its own, not one that the model keeps: it serves this once.
        self._values: dict[str, Any] = Session(model, list(needed))(inputs)

    def sources(self, name: str) -> tuple[str, ...]:
        """Return what the node that makes a tensor reads, weights left out."""
        return sources(self.model, name)

    def __call__(self, name: str) -> tuple[Any, Any]:
        """Return a tensor as torch computes it from ONNX Runtime's values, and as ONNX Runtime does.

        Raises
        ------
        UnsupportedOperators, EvaluationError
            If torch does not compute it.
        """
        before = self.sources(name)
        network = self.model.network([name], before, device=self.device)
        with torch.no_grad():
            ours = network({one: self._values[one] for one in before})[name]
        return ours, self._values[name]


def sources(model: Model, name: str) -> tuple[str, ...]:
    """Return what the node that makes a tensor reads, weights left out; nothing for an input or a weight."""
    node = model.producers.get(name)
    return () if node is None else tuple(one for one in read_by(node) if one not in model.constants)
