"""The request for a report."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from onnxviz.analyses.inputs.request import InputRequest


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """What a report shows, and how long it may take.

    Attributes
    ----------
    data : path, optional
        Real samples: a folder of pictures or sounds, an array, or a table.
    said : InputRequest
        The settings of the model's inputs.
    budget : float
        Seconds for the whole report; infinity for no limit. A slow model gets fewer steps.
    patterns : tuple of str
        The tensors to show, such as ``conv*``. Default: the outputs and a selection of layers.
    units : int
        The number of units of each tensor, at least.
    single_file : bool
        Whether the whole report is also written into one HTML file.
    inputs : tuple of path
        Sample inputs. The page shows what each does inside the model, and which of its parts drive the answer.
    label : str, optional
        The column of the data, or the array of an archive, with the class of each sample; it is not a feature.
    cluster : str, optional
        The address of a Dask cluster whose workers search units and score samples.
    steps, restarts : int, optional
        As in `maximize`.
    wrt : str, optional
        The input to search.
    seed : int
        The seed of all random numbers. The same seed gives the same result.
    device : str
        "auto", "cpu", "cuda" or "cuda:1".
    """

    data: str | os.PathLike[str] | None = None
    said: InputRequest = field(default_factory=InputRequest)
    budget: float = 120.0
    patterns: tuple[str, ...] = ()
    units: int = 12
    single_file: bool = False
    inputs: tuple[str | os.PathLike[str], ...] = ()
    label: str | None = None
    cluster: str | None = None
    steps: int | None = None
    restarts: int | None = None
    wrt: str | None = None
    seed: int = 0
    device: str = "auto"

    @property
    def data_path(self) -> Path | None:
        """The path of the data; None without data."""
        return None if self.data is None else Path(self.data)
