"""What a person asks of `filters`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

from onnxviz.analyses.inputs.request import InputRequest


@dataclass(frozen=True, kw_only=True)
class FiltersRequest:
    """Which kernels are described, and what they are applied to.

    Attributes
    ----------
    inputs : InputRequest
        What is said of the model's inputs.
    weight : str, optional
        Another layer than the first: its weight, or what it makes.
    input_name : str, optional
        The input that the first layer is looked for from, where there are several.
    apply : path or array, optional
        A picture, an array or a sound: what each filter answers on it is measured.
    seed : int
        For the inputs that are not given.
    """

    inputs: InputRequest = field(default_factory=InputRequest)
    weight: str | None = None
    input_name: str | None = None
    apply: str | os.PathLike[str] | np.ndarray | None = None
    seed: int = 0
