"""Settings that the jobs of a report share. Any process can use them: they can be pickled, and their paths replaced."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from onnxviz.analyses.opening import opened_once
from onnxviz.errors import ClusterError
from onnxviz.model.graph.extensions import NO_NAMES, ExtensionNames

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.request import MaximizationRequest
    from onnxviz.model.model import Model

Place = Callable[[Any], Any]
"""Returns the new path for a path, and every other value unchanged."""

Self = TypeVar("Self")


class Work(Protocol):
    """Settings that all jobs of one kind share."""

    def relocated(self: Self, place: Place) -> Self:
        """Return a copy in which every path is replaced."""


@dataclass(frozen=True)
class Companions:
    """The plugins and libraries beside a model, by name. A job loads them from the disk of its own machine; no code is sent.

    Attributes
    ----------
    names : ExtensionNames
        The names.
    digests : tuple of (str, str)
        The digest of each file on the machine that makes the report, by name.
    """

    names: ExtensionNames = NO_NAMES
    digests: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, model: Model) -> Companions:
        """Return the companions of a model."""
        return cls(model.extensions.names, tuple(model.extensions.digests.items()))

    def opened(self, path: Path) -> Model:
        """Return the model of a file with its companions.

        Raises
        ------
        ClusterError
            If a plugin or a library on this machine has another content.
        UsageError, ModelError
            As `onnxviz.load` does.
        """
        model = opened_once(path, self.names)
        found = model.extensions.digests
        other = next((name for name, digest in self.digests if found.get(name) != digest), None)
        if other is not None:
            raise ClusterError(
                f"{other} is another file on this machine: put the same plugins and libraries everywhere"
            )
        return model


NO_COMPANIONS = Companions()


@dataclass(frozen=True)
class UnitWork:
    """Settings that all searches of units share.

    Attributes
    ----------
    model_path : path
        The model's file.
    request : MaximizationRequest
        The request of a search. Each job adds its targets.
    threads : int
        The number of threads that compute. Another number rounds sums differently, so it is the same on every machine.
    companions : Companions
        The plugins and libraries that serve the model.
    """

    model_path: str | os.PathLike[str]
    request: MaximizationRequest
    threads: int
    companions: Companions = NO_COMPANIONS

    def relocated(self, place: Place) -> UnitWork:
        """Return a copy in which the paths of the model, the data and the held files are replaced."""
        said = self.request.inputs
        held = {name: place(value) for name, value in said.held.items()}
        request = replace(self.request, data=place(self.request.data), inputs=replace(said, held=held))
        return replace(self, model_path=place(self.model_path), request=request)
