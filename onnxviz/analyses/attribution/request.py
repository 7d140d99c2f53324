"""The request of `attribute`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from onnxviz.analyses.inputs.classes import Classes
from onnxviz.analyses.inputs.features import Names, Rows
from onnxviz.analyses.inputs.request import InputRequest


@dataclass(frozen=True, kw_only=True)
class AttributionRequest:
    """The targets that are explained, and the methods and their settings.

    Attributes
    ----------
    inputs : InputRequest
        Settings of the model's inputs.
    targets : tuple of str
        The targets to explain. Default: the class with the highest score.
    methods : tuple of str
        Names from `METHODS`, or "all". Default: a method that suits the model.
    wrt : str, optional
        The tensor that is explained: an input, or any float tensor inside the graph. Default: the inputs of the samples.
    baseline : {"zero", "mean", "blur"}, path or array, optional
        The value of an absent part. Default: the mean for pictures, signals and known features, else zero.
    layer : str, optional
        The tensor for Grad-CAM.
    steps : int, optional
        The number of points of the integral of integrated gradients.
    samples : int, optional
        The number of masks of rise (default 1000), of orders of shapley (25), of noisy copies of smoothgrad (32).
    window : int, optional
        The side of occlusion's window, in pixels or samples.
    literal : bool
        Whether a probability itself is explained. Otherwise the logit before its Softmax or Sigmoid is explained.
    names : path or sequence of str, optional
        A vector's feature names.
    data : path or (sample, feature) array, optional
        Real samples of a vector: their mean is the baseline.
    vocab : path or sequence of str, optional
        The tokenizer (``tokenizer.json``, ``vocab.txt``), or the tokens' names by id. Default: the file beside the model.
    classes : path, sequence of str or mapping, optional
        The names of the classes, or a file of names. They replace the names in the model's file.
    text : str or sequence of str, optional
        The text to explain, for a model of tokens, in place of a file.
    text_column : str, optional
        The column of a table that holds texts. Default: a column named like "text", or the only column of text.
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
    classes: Classes | None = None
    text: str | Sequence[str] | None = None
    text_column: str | None = None
    label: str | None = None
    seed: int = 0
    device: str = "auto"
