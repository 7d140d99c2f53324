"""The request for `examples`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from onnxviz.analyses.inputs.request import DataRequest


@dataclass(frozen=True, kw_only=True)
class ExamplesRequest:
    """The targets that score the samples, and the number of samples that are shown.

    Attributes
    ----------
    reading : DataRequest
        The settings of the data and of the model's inputs.
    targets : tuple of str
        The targets that score the samples: ``conv1[*]`` (every unit), ``logits[3]``, a sum.
    k : int
        The number of highest, of spread and of lowest samples.
    at : {"mean", "max", "center"}, optional
        The question that every target is asked: the mean over its positions, the highest place, or the center, as in
        ``max(conv1[3])``. A target that asks a question itself keeps it. Default: the question that fits each target.
    synthetic : path, optional
        A result folder of `maximize`. Its pictures are shown beside the samples of the same target.
    sheets : int
        The largest number of sheets.
    """

    reading: DataRequest = field(default_factory=DataRequest)
    targets: tuple[str, ...] = ()
    k: int = 9
    at: str | None = None
    synthetic: str | os.PathLike[str] | None = None
    sheets: int = 100
