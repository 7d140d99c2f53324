"""What the jobs of a report share, so that any process can do them: pickled, and led to files that lie elsewhere there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.request import MaximizationRequest

Place = Callable[[Any], Any]
"""Leads a path to where its file lies; leaves everything else as it is."""

Self = TypeVar("Self")


class Work(Protocol):
    """What all jobs of one kind share."""

    def relocated(self: Self, place: Place) -> Self:
        """Return the same with every path led to another place."""


@dataclass(frozen=True)
class UnitWork:
    """What every search of units shares.

    Attributes
    ----------
    model_path : path
        The model's file.
    request : MaximizationRequest
        What is asked; the targets are each job's own.
    threads : int
        How many threads compute. A sum that more share is rounded otherwise, so the number is the same wherever jobs run.
    """

    model_path: str | os.PathLike[str]
    request: MaximizationRequest
    threads: int

    def relocated(self, place: Place) -> UnitWork:
        """Return the same with the model, the data and the held files at other places."""
        said = self.request.inputs
        held = {name: place(value) for name, value in said.held.items()}
        request = replace(self.request, data=place(self.request.data), inputs=replace(said, held=held))
        return replace(self, model_path=place(self.model_path), request=request)
