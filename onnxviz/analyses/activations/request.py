"""What a person asks of `activations`."""

from __future__ import annotations

from dataclasses import dataclass, field

from onnxviz.analyses.inputs.request import DataRequest


@dataclass(frozen=True, kw_only=True)
class ActivationsRequest:
    """Which tensors are looked at, on how many samples.

    Attributes
    ----------
    reading : DataRequest
        What is said of the samples and of the model's inputs.
    targets : tuple of str
        What is looked at: ``conv1``, ``conv1[12]``; by default the outputs.
    limit : int
        So many samples at most, the first.
    top : int
        So many of the strongest units are listed.
    """

    reading: DataRequest = field(default_factory=DataRequest)
    targets: tuple[str, ...] = ()
    limit: int = 8
    top: int = 10
