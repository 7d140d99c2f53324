"""The range of pictures from the running statistics of the batch normalization after the first convolution.

Its running mean and variance are those of the convolution's outputs on the training pictures. Here the convolution is
applied to pictures with the statistics of photographs, in each range that is in use. Where the outputs' means and
variances agree with the running statistics, the range is found.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from onnxviz.contract import InputContract
from onnxviz.errors import OnnxvizError
from onnxviz.model.expectations.first_layer import first_layer
from onnxviz.model.expectations.natural_pictures import natural_pictures
from onnxviz.model.graph.graph import Graph

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_PICTURES, _SIDE, _SHARED = 8, 224, 0.9
"""Number of pictures, their size, their correlation between channels. The size is usual: in smaller pictures neighbors
differ more."""

_STRIDE = 4
"""Step between the places where the kernels are applied."""

_NARROW = 8.0
"""Width of a range that holds too few whole numbers for a picture."""

_CLEAR = 1.2
"""Least number of times that the second-best range must fit worse."""


def from_batch_statistics(model: Graph, found: InputContract) -> InputContract:
    """Return the range under which the first batch normalization's statistics are those of photographs.

    Parameters
    ----------
    model : Graph
        The model.
    found : InputContract
        Contract of a picture in color or gray; other contracts are returned unchanged.
    """
    read = remembered(model, found) if found.has_pixels and found.color else None
    if read is None:
        return found
    kernels, bias, mean, variance = read
    channels = kernels.shape[1]
    pictures = natural_pictures(_PICTURES, channels, _SIDE, _SIDE, _SHARED)
    patches = sliding_window_view(pictures, kernels.shape[2:], (2, 3))[:, :, ::_STRIDE, ::_STRIDE]
    # (place, filter, channel): the outputs are linear, so that a range scales and shifts each channel's part of them.
    parts = np.einsum("nchwij,fcij->nhwfc", patches, kernels, optimize=True).reshape(-1, *kernels.shape[:2])
    sums = kernels.sum((2, 3))
    ranges = _ranges(channels)
    if found.holds_integers:  # whole numbers have wide ranges alone
        ranges = {name: ends for name, ends in ranges.items() if float((ends[1] - ends[0]).max()) > _NARROW}
    fits = {}
    for name, (low, high) in ranges.items():
        span = np.broadcast_to(high - low, (channels,))
        answers = parts @ span + sums @ np.broadcast_to(low, (channels,)) + bias
        fits[name] = _misfit(answers.mean(0), answers.var(0), mean, variance)
    ordered = sorted(fits, key=lambda name: fits[name])
    if not fits[ordered[1]] > _CLEAR * fits[ordered[0]]:
        return found
    low, high = ranges[ordered[0]]
    note = (
        f"the running statistics of the first batch normalization fit photographs {ordered[0]} "
        f"({fits[ordered[1]] / fits[ordered[0]]:.2g} times better than {ordered[1]})"
    )
    return found.with_note(note, low=tuple(map(float, low)), high=tuple(map(float, high)))


def _ranges(channels: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the ranges in use: their names for messages, and their ends."""
    ranges = {
        "in 0 to 1": (np.zeros(1), np.ones(1)),
        "in 0 to 255": (np.zeros(1), np.full(1, 255.0)),
        "in -1 to 1": (-np.ones(1), np.ones(1)),
        "in -128 to 127": (np.full(1, -128.0), np.full(1, 127.0)),
    }
    if channels == 3:
        mean, std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
        ranges["normalized by ImageNet's mean and deviation"] = (-mean / std, (1 - mean) / std)
    return ranges


def _misfit(ours: np.ndarray, our_variance: np.ndarray, theirs: np.ndarray, their_variance: np.ndarray) -> float:
    """Return the distance between two sets of means and variances, the median over filters."""
    variance = np.maximum(our_variance, 1e-12) + np.maximum(their_variance, 1e-12)
    ratio = np.log(np.maximum(our_variance, 1e-12) / np.maximum(their_variance, 1e-12))
    return float(np.median((ours - theirs) ** 2 / variance + ratio**2))


def remembered(model: Graph, found: InputContract) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Return the first convolution, and the running statistics of the batch normalization after it.

    Parameters
    ----------
    model : Graph
        The model.
    found : InputContract
        The input's contract.

    Returns
    -------
    tuple of ndarray, or None
        The kernels, (filter, channel, height, width); their biases, and the outputs' means and variances, (filter,).
        None if the model does not begin with these two layers.
    """
    try:
        layer = first_layer(model, found.name)
        convolution = model.producers[layer.layer]
        norms = [node for node in model.nodes if node.op_type == "BatchNormalization" and node.input[0] == layer.layer]
        if layer.operator != "Conv" or layer.groups != 1 or layer.kernels.ndim != 4 or not norms:
            return None
        if layer.kernels.shape[1] not in (1, 3) or max(layer.kernels.shape[2:]) > _SIDE:
            return None
        kernels = layer.kernels.astype(np.float64)
        bias = np.zeros(len(kernels))
        if len(convolution.input) > 2 and convolution.input[2]:
            bias = np.asarray(model.weight(convolution.input[2]), np.float64)
        mean, variance = (np.asarray(model.weight(name), np.float64) for name in norms[0].input[3:5])
    except (OnnxvizError, KeyError):  # computed, or not in the file
        return None
    if not bias.shape == mean.shape == variance.shape == (len(kernels),):
        return None
    return kernels, bias, mean, variance
