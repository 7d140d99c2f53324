"""Settings that the jobs of a report share. Any process can use them: they can be pickled, and their paths replaced."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.request import MaximizationRequest

Place = Callable[[Any], Any]
"""Returns the new path for a path, and every other value unchanged."""

Self = TypeVar("Self")


class Work(Protocol):
    """Settings that all jobs of one kind share."""

    def relocated(self: Self, place: Place) -> Self:
        """Return a copy in which every path is replaced."""


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
    """

    model_path: str | os.PathLike[str]
    request: MaximizationRequest
    threads: int

    def relocated(self, place: Place) -> UnitWork:
        """Return a copy in which the paths of the model, the data and the held files are replaced."""
        said = self.request.inputs
        held = {name: place(value) for name, value in said.held.items()}
        request = replace(self.request, data=place(self.request.data), inputs=replace(said, held=held))
        return replace(self, model_path=place(self.model_path), request=request)
