"""The channel order, red first or blue first, from the mean of each channel that a file stores, or from its producer.

Photographs have more red than green, and more green than blue. The means of ImageNet are .485, .456 and .406 of the
range, those of CIFAR .491, .482 and .447. Collections of faces or streets have the same order.
"""

from __future__ import annotations

import numpy as np

from onnxviz.contract import InputContract
from onnxviz.model.expectations.batch_statistics import remembered
from onnxviz.model.expectations.input_range import leading_affine
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.labels import metadata

_APART = 0.01
"""Least distance between the first and the last channel's means, as a share of the range."""

_SURE = 6.0
"""Least distance between the two means, in standard errors of the estimated difference."""

_FIT = 0.1
"""Most error of the filters' means as explained by the channel means, in standard deviations of the outputs."""


def from_channel_means(model: Graph, found: InputContract) -> InputContract:
    """Return the contract with the order of a color picture's channels, if the file tells the order.

    Parameters
    ----------
    model : Graph
        The model.
    found : InputContract
        Contract with a known range. If the metadata name a pixel format, it is returned unchanged.
    """
    if found.color != "rgb" or not found.bounded or "Image.BitmapPixelFormat" in metadata(model.original):
        return found
    width = float(np.mean(np.asarray(found.high) - np.asarray(found.low)))
    for means, errors, source in (_subtracted(model, found), _solved(model, found)):
        if len(means) != 3:
            continue
        falls = means[:-1] - means[1:]
        apart = abs(float(means[0] - means[2]))
        if apart < _APART * width or apart < _SURE * float(np.hypot(errors[0], errors[2])):
            continue
        if not (np.all(falls > 0) or np.all(falls < 0)):
            continue
        order, words = ("rgb", "red") if falls[0] > 0 else ("bgr", "blue")
        listed = ", ".join(f"{mean:.3g}" for mean in means)
        note = f"{source} {listed} for the three channels: {words} first, as photographs have more red than blue"
        return found.with_note(note, color=order, color_told=True)
    return found


def from_producer(model: Graph, found: InputContract) -> InputContract:
    """Return the contract with blue first, if the producer is Caffe or Caffe2, whose collections were trained so."""
    producer = model.original.producer_name
    if found.color != "rgb" or found.color_told or "caffe" not in producer.lower():
        return found
    note = f"blue first, as networks of Caffe were trained (producer {producer})"
    return found.with_note(note, color="bgr", color_told=True)


_Means = tuple[np.ndarray, np.ndarray, str]
_NOTHING: _Means = (np.zeros(0), np.zeros(0), "")


def _subtracted(model: Graph, found: InputContract) -> _Means:
    """Return the means that the graph subtracts first."""
    factor, offset, chain = leading_affine(model, found)
    if not chain or offset.size != 3 or bool(np.any(factor == 0)):
        return _NOTHING
    return -offset / factor, np.zeros(3), "the graph subtracts the means"


def _solved(model: Graph, found: InputContract) -> _Means:
    """Return the channel means that explain the running means of the batch normalization after the first convolution.

    A filter's mean output is the sum over channels of its kernel's sum times the channel's mean, whatever else the
    pictures show. There are more filters than channels: least squares, each filter in units of its own standard
    deviation.
    """
    read = remembered(model, found)
    if read is None or read[0].shape[1] != 3 or len(read[0]) < 6:
        return _NOTHING
    kernels, bias, mean, variance = read
    scale = 1 / np.sqrt(np.maximum(variance, 1e-12))
    sums = kernels.sum((2, 3)) * scale[:, None]
    wanted = (mean - bias) * scale
    if np.linalg.matrix_rank(sums) < 3:
        return _NOTHING
    means = np.linalg.lstsq(sums, wanted, rcond=None)[0]
    rest = float(np.square(sums @ means - wanted).sum() / (len(wanted) - 3))
    if rest > _FIT**2:
        return _NOTHING
    errors = np.sqrt(rest * np.diag(np.linalg.inv(sums.T @ sums)))
    return means, errors, "the running means of the first batch normalization give the means"
