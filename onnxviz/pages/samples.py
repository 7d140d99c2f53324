"""The real samples of a report: the data and the sample inputs, within their part of the budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxviz.errors import ClusterError, OnnxvizError
from onnxviz.pages.data import DATA, RealData, open_data
from onnxviz.pages.given_inputs import LOOKS, GivenInputs, open_inputs
from onnxviz.pages.page import Section

if TYPE_CHECKING:
    from onnxviz.analyses.listener import Listener
    from onnxviz.contract import InputContract
    from onnxviz.model.model import Model
    from onnxviz.pages.folder import ReportFolder
    from onnxviz.pages.jobs import Hands
    from onnxviz.pages.plan import Aim
    from onnxviz.pages.request import ReportRequest

Going = Callable[[], bool]
"""Returns whether there is time left."""


@dataclass
class Seen:
    """The real samples of a report.

    Attributes
    ----------
    real : RealData or None
        The data; None without data.
    given : GivenInputs or None
        The sample inputs; None without sample inputs.
    said : str
        The reason why the data could not be used; "" if they could.
    """

    real: RealData | None = None
    given: GivenInputs | None = None
    said: str = ""

    def plan(self, report: ReportFolder, wanted: Mapping[Aim, Sequence[int]], shown: Sequence[Aim]) -> None:
        """Decide which units are scored, and which tensors are shown for sample inputs.

        Parameters
        ----------
        report : ReportFolder
            Keeps the plan.
        wanted : mapping of Aim to sequence of int
            The units that the samples are scored for.
        shown : sequence of Aim
            The tensors to show for each sample input, the outputs first.
        """
        if self.real is not None:
            self.said = _refusal(partial(self.real.plan, report, wanted))
        if self.given is not None:
            self.given.plan(report, shown)

    def look(
        self, listener: Listener, report: ReportFolder, hands: Hands, until: Callable[[float], Going], before: bool
    ) -> bool:
        """Score the data and examine the sample inputs, as long as there is time.

        Parameters
        ----------
        listener : Listener
            Shows the progress.
        report : ReportFolder
            Keeps the results.
        hands : Hands
            The executor that scores shards of the data.
        until : callable
            Takes a share of the budget; returns a function that tells whether this share lasts.
        before : bool
            Whether the search comes after this call. If so, the data get at most a third of the budget, and the inputs run
            until half of it is used.

        Returns
        -------
        bool
            Whether there was any work to do.

        Raises
        ------
        ClusterError
            If other machines were lost, or have other data.
        """
        if before:
            looked = self._inputs(listener, report, until(1 / 3), LOOKS[:1])
            looked |= self._data(listener, report, hands, until(1 / 3))
            return self._inputs(listener, report, until(1 / 2), LOOKS) or looked
        if not until(1)():
            return False
        looked = self._data(listener, report, hands, until(1))
        return self._inputs(listener, report, until(1), LOOKS) or looked

    def _data(self, listener: Listener, report: ReportFolder, hands: Hands, going: Going) -> bool:
        if self.real is None or self.real.complete or self.said:
            return False
        began = time.monotonic()
        self.said = _refusal(partial(self.real.run, listener, report, hands, going))
        if self.said:
            listener.note(self.said)
        report.took("data", time.monotonic() - began)
        return True

    def _inputs(self, listener: Listener, report: ReportFolder, going: Going, looks: Sequence[str]) -> bool:
        if self.given is None or not any(row["left"] for row in self.given.summary(report)):
            return False
        self.given.run(listener, report, going, looks)
        return True

    def values(self, report: ReportFolder, tensor: str) -> list[tuple[str, list[float]]]:
        """Return the value of each unit of a tensor for each sample input, with the input's name."""
        return self.given.values(report, tensor) if self.given is not None else []

    def document(self, report: ReportFolder) -> dict[str, Any]:
        """Return the samples' part of the document of `report --json`."""
        given = self.given.summary(report) if self.given is not None else []
        return {
            "data": None if self.real is None else {**self.real.summary(report), "message": self.said},
            "inputs": [{"name": row["name"], "sha256": row["digest"], "left": row["left"]} for row in given],
        }

    def of_data(self, report: ReportFolder) -> list[Section]:
        """Return the section about the data of this call, or of an earlier call; an empty list if no call had data."""
        if self.real is not None:
            return [
                Section("data", "Real samples", "data", {**self.real.summary(report), "message": self.said}, self.said)
            ]
        earlier = report.document(DATA)
        known = earlier and earlier["summary"]
        return [Section("data", "Real samples", "data", {**known, "message": ""})] if known else []

    def of_inputs(self, report: ReportFolder) -> list[Section]:
        """Return the section about the sample inputs; an empty list if there are none."""
        inputs = self.given.summary(report) if self.given is not None else []
        return [Section("given", "Sample inputs", "given", {"inputs": inputs})] if inputs else []


def table_of(model: Model, request: ReportRequest, expected: InputContract | None) -> Path | None:
    """Return the table with the ranges and means of a vector; None for other inputs, and for data that are no file."""
    from onnxviz.model.expectations.embedding import find_embedding

    data = request.data_path
    if data is None or expected is None or expected.kind != "vector" or not data.is_file():
        return None
    # Numbers that index a table of the graph are tokens, which have no ranges.
    return data if find_embedding(model, expected.name) is None else None


def open_seen(model: Model, request: ReportRequest, moving: str, expected: InputContract | None) -> Seen:
    """Open the data and the sample inputs of a report.

    Parameters
    ----------
    model : Model
        The model.
    request : ReportRequest
        The request of the report.
    moving : str
        The input that is searched.
    expected : InputContract or None
        The contract of this input.

    Raises
    ------
    UsageError
        If a file or folder does not exist.
    DataError
        If the data or a file hold no sample for the model's inputs.
    """
    real = open_data(model, request, moving) if request.data is not None else None
    given = (
        open_inputs(model, request, moving, table_of(model, request, expected))
        if request.inputs or request.text
        else None
    )
    return Seen(real, given)


def _refusal(look: Callable[[], object]) -> str:
    """Run a function on the data; return the message of its failure, or ""."""
    try:
        look()
    except ClusterError:
        raise  # the data are not the cause
    except OnnxvizError as error:
        return str(error)
    return ""
