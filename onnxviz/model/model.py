"""The model: a graph that ONNX Runtime and torch can run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto

from onnxviz.errors import ModelError
from onnxviz.model.graph import external_data, preparation, reading
from onnxviz.model.graph.graph import Graph
from onnxviz.model.plugins import Name, extensions, named

if TYPE_CHECKING:
    from onnxviz.errors import Unsupported
    from onnxviz.model.engine.network import Network
    from onnxviz.model.session import Session


class Model(Graph):
    """An ONNX model that can be inspected, cut, and run by ONNX Runtime or by torch."""

    @cached_property
    def _sessions(self) -> dict[tuple[tuple[str, ...], tuple[str, ...], int | None], Session]:
        return {}

    def _computed_weight(self, name: str) -> np.ndarray:
        from onnxviz.model.staged_session import session_of

        values: np.ndarray = session_of(self, [name])({})[name]
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
        from onnxviz.model.staged_session import session_of

        names = tuple(self.outputs if tensors is None else tensors)
        key = (names, tuple(wrt), threads)
        if key not in self._sessions:
            self._sessions[key] = session_of(self, names, wrt, threads)
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

    @property
    def provenance(self) -> dict[str, Any]:
        """The model as a JSON document names it: its path and SHA-256, and what the user named beside it.

        ``unconfirmed`` lists the custom operators that a plugin alone computes, since ONNX Runtime does not know them.
        """
        told: dict[str, Any] = {"path": None if self.path is None else str(self.path), "sha256": self.digest}
        if self.extensions.names:
            names = self.extensions.names
            told |= {"plugins": list(names.plugins), "custom_ops": list(names.custom_ops)}
            told["unconfirmed"] = [f"{one.domain}.{one.operator}".lstrip(".") for one in self.unconfirmed]
        return told

    @cached_property
    def unconfirmed(self) -> tuple[Unsupported, ...]:
        """The custom operators that a plugin alone computes: ONNX Runtime does not know them, so nothing confirms their values."""
        from onnxviz.model.staged_session import unconfirmed

        return unconfirmed(self)

    def _repr_html_(self) -> str:
        """Return the model as HTML for a notebook."""
        from onnxviz.model.notebook import model_html

        return model_html(self)


def load(
    source: str | os.PathLike[str] | bytes | ModelProto,
    *,
    plugins: Name | Sequence[Name] = (),
    custom_ops: Name | Sequence[Name] = (),
) -> Model:
    """Return a model. The file is read; nothing of it is run.

    Parameters
    ----------
    source : path, bytes or ModelProto
        The model. External data is read only from inside the model's folder.
    plugins : str, path, or sequence of them
        Modules with custom operators, as dotted names or .py files. They are imported. Their operators serve this model alone,
        where onnxviz has no operator of its own.
    custom_ops : path or sequence of paths
        Shared libraries with which ONNX Runtime computes custom operators. They are loaded.

    Returns
    -------
    Model

    Raises
    ------
    UsageError
        If the file does not exist, or a plugin or a library cannot be loaded.
    ModelError
        If the file is not a valid ONNX model: truncated, cyclic, two tensors of one name, a missing weight, ….
    """
    original, where = reading.read(source)
    where = replace(where, extensions=extensions(named(plugins, custom_ops)))
    try:
        graph, constants, opsets = preparation.prepare(original)
        for part in preparation.every_tensor(original, constants):
            if external_data.is_external(part):
                external_data.locate(part, where.folder)
    except ModelError as error:
        raise type(error)(f"{where.name}: {error}") from None
    return Model(where, graph, opsets, constants, original)
