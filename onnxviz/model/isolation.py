"""Operators in isolation: torch computes each operator from the values that ONNX Runtime computed before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from onnxviz.model.graph.structure import read_by
from onnxviz.model.staged_session import session_of

if TYPE_CHECKING:
    from onnxviz.model.model import Model

Run = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Isolation:
    """Operators of a model, each computed by torch from ONNX Runtime's values of the operator's inputs.

    Parameters
    ----------
    model : Model
        The model.
    tensors : sequence of str
        Tensors to compute in isolation. Each is the output of a node.
    inputs : mapping of str to ndarray
        Values of the model's inputs.
    network : callable, optional
        Returns a torch function for some tensors, fed with other tensors: ``network(tensors, wrt)``. Default: the model's own.

    Raises
    ------
    EvaluationError
        If ONNX Runtime refuses the model or the inputs.

    Notes
    -----
    One run of ONNX Runtime computes all values. They stay in memory as long as this object does.
    """

    def __init__(
        self,
        model: Model,
        tensors: Sequence[str],
        inputs: Mapping[str, Any],
        network: Callable[[Sequence[str], Sequence[str]], Run] | None = None,
    ) -> None:
        self.model = model
        self._network = model.network if network is None else network
        needed = dict.fromkeys(tensors)
        for name in tensors:
            needed.update(dict.fromkeys(self.sources(name)))
        # Not `model.session`, which keeps its sessions: this session is used only once.
        self._values: dict[str, Any] = session_of(model, list(needed))(inputs)

    def sources(self, name: str) -> tuple[str, ...]:
        """Return the tensors, without weights, that the node that makes a tensor reads."""
        return sources(self.model, name)

    def __call__(self, name: str) -> tuple[Any, Any]:
        """Return a tensor's value by torch, computed from ONNX Runtime's values, and its value by ONNX Runtime.

        Raises
        ------
        UnsupportedOperators, EvaluationError
            If torch cannot compute the tensor.
        """
        before = self.sources(name)
        network = self._network([name], before)
        with torch.no_grad():
            ours = network({one: self._values[one] for one in before})[name]
        return ours, self._values[name]


def sources(model: Model, name: str) -> tuple[str, ...]:
    """Return the tensors, without weights, that the node that makes a tensor reads; none for an input or a weight."""
    node = model.producers.get(name)
    return () if node is None else tuple(one for one in read_by(node) if one not in model.constants)
