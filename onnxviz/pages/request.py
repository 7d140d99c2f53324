"""The request for a report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from onnxviz.analyses.inputs.classes import Classes
from onnxviz.analyses.inputs.features import Names
from onnxviz.analyses.inputs.moving import Named
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
    classes : path, sequence of str or mapping, optional
        The names of the classes, or a file of names. They replace the names in the model's file.
    text : str or sequence of str, optional
        Texts as sample inputs, for a model of tokens.
    text_column : str, optional
        The column of the data that holds texts. Default: a column named like "text", or the only column of text.
    vocab : path or sequence of str, optional
        The tokenizer of a model of tokens, or the names of its tokens. Default: the file beside the model.
    cluster : str, optional
        The address of a Dask cluster whose workers search units and score samples.
    steps, restarts : int, optional
        As in `maximize`.
    wrt : str or sequence of str, optional
        The input to search; several columns of a table are searched together.
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
    classes: Classes | None = None
    text: str | Sequence[str] | None = None
    text_column: str | None = None
    vocab: Names | None = None
    cluster: str | None = None
    steps: int | None = None
    restarts: int | None = None
    wrt: Named | None = None
    seed: int = 0
    device: str = "auto"

    @property
    def data_path(self) -> Path | None:
        """The path of the data; None without data."""
        return None if self.data is None else Path(self.data)
