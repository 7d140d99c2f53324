"""What a person asks of `attribute`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

from onnxviz.analyses.inputs.features import Names, Rows
from onnxviz.analyses.inputs.request import InputRequest


@dataclass(frozen=True, kw_only=True)
class AttributionRequest:
    """What is explained, and how.

    Attributes
    ----------
    inputs : InputRequest
        What is said of the model's inputs.
    targets : tuple of str
        What is explained; by default the class of the highest score.
    methods : tuple of str
        Names of `METHODS`, or "all"; by default the method that suits the model.
    wrt : str, optional
        The tensor that is explained: an input, or any float tensor inside the graph. By default what the samples feed.
    baseline : {"zero", "mean", "blur"}, path or array, optional
        What stands for an absent part. By default the mean of pictures, signals and known features, else zero.
    layer : str, optional
        The tensor that Grad-CAM looks at.
    steps : int, optional
        Points of the integral of integrated gradients.
    samples : int, optional
        Masks of rise (1000), orders of shapley (25), noise of smoothgrad (32).
    window : int, optional
        The side of occlusion's window, in pixels or samples.
    literal : bool
        Whether a probability itself is explained, and not the logit before its Softmax or Sigmoid.
    names : path or sequence of str, optional
        A vector's feature names.
    data : path or (sample, feature) array, optional
        Real samples of a vector: their mean is the baseline.
    vocab : path or sequence of str, optional
        The tokens' names, by id.
    label : str, optional
        A table's column, or an archive's member, that is no feature.
    seed : int
        Same seed, same result.
    device : str
        "auto", "cpu", "cuda" or "cuda:1".
    """

    inputs: InputRequest = field(default_factory=InputRequest)
    targets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    wrt: str | None = None
    baseline: str | os.PathLike[str] | np.ndarray | None = None
    layer: str | None = None
    steps: int | None = None
    samples: int | None = None
    window: int | None = None
    literal: bool = False
    names: Names | None = None
    data: Rows | None = None
    vocab: Names | None = None
    label: str | None = None
    seed: int = 0
    device: str = "auto"
