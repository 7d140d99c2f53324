"""The request of `activations`."""

from __future__ import annotations

from dataclasses import dataclass, field

from onnxviz.analyses.inputs.request import DataRequest


@dataclass(frozen=True, kw_only=True)
class ActivationsRequest:
    """The targets whose values are shown, and the number of samples.

    Attributes
    ----------
    reading : DataRequest
        Settings of the samples and of the model's inputs.
    targets : tuple of str
        The targets, such as ``conv1`` or ``conv1[12]``. Default: the outputs.
    limit : int
        The largest number of samples; the first samples are used.
    top : int
        The number of strongest units that are listed.
    """

    reading: DataRequest = field(default_factory=DataRequest)
    targets: tuple[str, ...] = ()
    limit: int = 8
    top: int = 10
