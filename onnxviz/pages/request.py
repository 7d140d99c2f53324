"""What a person asks of a report."""

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
        What is said of the model's inputs.
    budget : float
        So many seconds are searched; infinity for as long as it takes.
    patterns : tuple of str
        The tensors that are shown, as ``conv*``; by default the outputs and a spread of layers.
    units : int
        So many units of each tensor, at least.
    single_file : bool
        Whether all of it is written into one HTML file as well.
    inputs : tuple of path
        Sample inputs: what each does inside, and what drives the answer.
    label : str, optional
        A column of the data, or an archive's member, that names the samples' classes and is no feature.
    cluster : str, optional
        The address of a Dask cluster whose workers search and score.
    steps, restarts : int, optional
        As `maximize` has them.
    wrt : str, optional
        The input that is searched.
    seed : int
        Same seed, same result.
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
        """The data as a path."""
        return None if self.data is None else Path(self.data)
