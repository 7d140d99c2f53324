"""The model: a graph that ONNX Runtime and torch can run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto

from onnxviz.errors import ModelError
from onnxviz.model.graph import external_data, preparation, reading
from onnxviz.model.graph.graph import Graph

if TYPE_CHECKING:
    from onnxviz.model.engine.network import Network
    from onnxviz.model.session import Session


class Model(Graph):
    """An ONNX model that can be inspected, cut, and run by ONNX Runtime or by torch."""

    @cached_property
    def _sessions(self) -> dict[tuple[tuple[str, ...], tuple[str, ...], int | None], Session]:
        return {}

    def _computed_weight(self, name: str) -> np.ndarray:
        from onnxviz.model.session import Session

        values: np.ndarray = Session(self, [name])({})[name]
        return values

    def session(
        self, tensors: Sequence[str] | None = None, wrt: Sequence[str] = (), threads: int | None = None
    ) -> Session:
        """Return an ONNX Runtime session of the part of the model up to some tensors.

        The same arguments return the same session.

        Parameters
        ----------
        tensors : sequence of str, optional
            Tensors to compute. Default: the model's outputs.
        wrt : sequence of str
            Tensors that become inputs.
        threads : int, optional
            Threads of a run. Default: as many as ONNX Runtime finds cores.

        Raises
        ------
        TargetError
            If one of the names is not a tensor of the model.
        EvaluationError
            If ONNX Runtime refuses the model.
        """
        from onnxviz.model.session import Session

        names = tuple(self.outputs if tensors is None else tensors)
        key = (names, tuple(wrt), threads)
        if key not in self._sessions:
            self._sessions[key] = Session(self, names, wrt, threads)
        return self._sessions[key]

    def close_sessions(self) -> None:
        """Drop all sessions that `session` keeps; this frees ONNX Runtime's memory."""
        self._sessions.clear()

    def network(self, tensors: Sequence[str] | None = None, wrt: Sequence[str] = (), **options: Any) -> Network:
        """Return the part of the model up to some tensors as a differentiable torch network.

        Parameters
        ----------
        tensors : sequence of str, optional
            Tensors to compute. Default: the model's outputs.
        wrt : sequence of str
            Tensors that become inputs.
        **options
            Keywords of `Network`.

        Raises
        ------
        TargetError
            If one of the names is not a tensor of the model.
        UnsupportedOperators
            If some nodes cannot be converted. The message lists all of them.
        """
        from onnxviz.model.engine.network import Network

        return Network(self, tuple(self.outputs if tensors is None else tensors), wrt, **options)

    def _repr_html_(self) -> str:
        """Return the model as HTML for a notebook."""
        from onnxviz.model.notebook import model_html

        return model_html(self)


def load(source: str | os.PathLike[str] | bytes | ModelProto) -> Model:
    """Return a model. The file is read; nothing is run.

    Parameters
    ----------
    source : path, bytes or ModelProto
        The model. External data is read only from inside the model's folder.

    Returns
    -------
    Model

    Raises
    ------
    UsageError
        If the file does not exist.
    ModelError
        If the file is not a valid ONNX model: truncated, cyclic, two tensors of one name, a missing weight, ….
    """
    original, where = reading.read(source)
    try:
        graph, constants, opsets = preparation.prepare(original)
        for part in preparation.every_tensor(original, constants):
            if external_data.is_external(part):
                external_data.locate(part, where.folder)
    except ModelError as error:
        raise type(error)(f"{where.name}: {error}") from None
    return Model(where, graph, opsets, constants, original)
