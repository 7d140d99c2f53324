"""What a person asks of `examples`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from onnxviz.analyses.inputs.request import DataRequest


@dataclass(frozen=True, kw_only=True)
class ExamplesRequest:
    """What samples are ranked by, and how many are shown.

    Attributes
    ----------
    reading : DataRequest
        What is said of the data and of the model's inputs.
    targets : tuple of str
        What ranks the samples: ``conv1[*]`` (every unit), ``logits[3]``, a sum.
    k : int
        How many samples of each kind.
    at : {"mean", "max"}
        What ranks a unit with many positions: its mean, which is the target's own value, or its maximum.
    synthetic : path, optional
        A result folder of `maximize`: its picture of a target is shown beside the target's samples.
    sheets : int
        Sheets of so many targets at most are drawn.
    """

    reading: DataRequest = field(default_factory=DataRequest)
    targets: tuple[str, ...] = ()
    k: int = 9
    at: str = "mean"
    synthetic: str | os.PathLike[str] | None = None
    sheets: int = 100
