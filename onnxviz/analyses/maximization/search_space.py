"""The space in which all inputs but tokens are searched: bounds, center and spread from the request, the data and the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.inputs.features import Features, read_features
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.request import MaximizationRequest
    from onnxviz.analyses.maximization.subject import Subject
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.methods.ascent.space import Space
    from onnxviz.model.model import Model


CONTRAST = 1.7
"""The norm of a picture before the sigmoid: as much contrast as networks and people need, and little that is cut off at the ends."""


def signal_rate(model: Model, given: float | None, kind: str) -> float | None:
    """Return a signal's samples per second, as given or as the file's metadata says.

    Raises
    ------
    UsageError
        If it is given and the input is no signal.
    """
    from onnxviz.model.graph.labels import sample_rate

    if given is not None and kind != "signal":
        raise UsageError(f"`sample_rate` is for signals; the input is of the kind {kind}")
    return given or (sample_rate(model.original) if kind == "signal" else None)


def search_space(subject: Subject, rate: float | None, request: MaximizationRequest) -> tuple[Space, Drawing, Features]:
    """Return where inputs are searched, how they are drawn, and what is known of a vector's features.

    Parameters
    ----------
    subject : Subject
        The tensor that moves; no tokens.
    rate : float or None
        A signal's samples per second.
    request : MaximizationRequest
        What is asked.

    Raises
    ------
    UsageError, DataError
        If a field of the request does not suit the input, or a file cannot be read.
    """
    from onnxviz.methods.ascent.space import Space

    expected, own = subject.expected, subject.shape[1:]
    axes = expected.axes if len(expected.axes) == len(own) else tuple(f"axis{place + 1}" for place in range(len(own)))
    _check_parameterization(subject, request)
    features = _features(subject, request)
    low = features.low if features.low is not None else _along(expected.low, axes)
    high = features.high if features.high is not None else _along(expected.high, axes)
    if low is not None and request.norm is not None:
        raise UsageError(
            "`norm` is for unbounded inputs; leave out `bounds`, `value_range` and `data`, or leave out `norm`"
        )
    mean = features.mean
    if mean is None:
        mean = _along(expected.mean, axes) if expected.mean else subject.center
    scale = features.scale
    if scale is None:
        scale = _along(expected.scale, axes) if expected.scale else subject.spread
    drawing = _drawing(subject, features, (mean, scale, low, high), rate)
    mean = np.zeros(()) if mean is None else np.asarray(mean)
    scale = np.ones(()) if scale is None else np.asarray(scale)
    if features.kept:
        low, high, mean, scale = _kept(features.kept, own, low, high, mean, scale)
    colors = expected.color if expected.color in ("rgb", "bgr") and expected.has_pixels else None
    kind = expected.kind if len(expected.axes) == len(own) and not subject.inside else "array"
    chosen, groups = request.parameterization or "", features.groups or letter_groups(subject)
    name, norm = subject.name, request.norm
    contrast = CONTRAST if kind == "image" else None
    space = Space(name, own, axes, kind, colors, low, high, mean, scale, norm, groups, False, chosen, contrast=contrast)
    return space, drawing, features


def letter_groups(subject: Subject) -> tuple[tuple[int, ...], ...]:
    """Return the places of each position's letters in a flattened sample; empty for an input of another kind."""
    expected, own = subject.expected, subject.shape[1:]
    if expected.kind != "letters" or subject.inside or len(own) != 2:
        return ()
    places = np.arange(own[0] * own[1]).reshape(own)
    rows = places.T if expected.axes == ("letter", "position") else places
    return tuple(tuple(map(int, row)) for row in rows)


def _is_flat(subject: Subject) -> bool:
    """Return whether the tensor is a vector."""
    return subject.expected.kind == "vector" and len(subject.shape) == 2


def _check_parameterization(subject: Subject, request: MaximizationRequest) -> None:
    """Raise if the parameterization that is asked for does not suit the tensor."""
    chosen = request.parameterization
    if chosen == "fourier" and not subject.expected.axes:
        raise UsageError(f"`parameterization` {chosen}: nothing is known of the axes of {subject.name}")
    if chosen in ("fourier", "maco") and _is_flat(subject):
        raise UsageError(f"`parameterization` {chosen}: {subject.name} is a vector, whose elements have no neighbors")
    if chosen in ("fourier", "maco") and subject.expected.kind in ("points", "letters") and not subject.inside:
        raise UsageError(
            f"`parameterization` {chosen}: {subject.name} is {subject.expected.noun}, which has no spectrum"
        )


def _features(subject: Subject, request: MaximizationRequest) -> Features:
    """Return what is known of a vector's features; of other tensors nothing."""
    from onnxviz.model.graph.labels import feature_names

    if not _is_flat(subject):
        if request.bounds is not None or request.names is not None or request.kept_pairs:
            raise UsageError(
                f"`bounds`, `names` and `kept` are for vectors; {subject.name} is {subject.expected.noun} (see `value_range`)"
            )
        return Features()
    joined = subject.moving.joined
    known = joined.names if joined else feature_names(subject.model.original)
    # The rows of the data are rows of the input: they tell nothing of the features of a tensor inside the graph.
    data = None if subject.inside else request.data
    missing = subject.expected.missing
    return read_features(
        subject.shape[1],
        known,
        request.bounds,
        request.names,
        data,
        request.kept_pairs,
        joined=joined,
        missing=missing,
    )


def _drawing(
    subject: Subject, features: Features, numbers: tuple[np.ndarray | None, ...], rate: float | None
) -> Drawing:
    """Return how inputs are drawn; a vector beside its mean, deviation and bounds."""
    from onnxviz.drawing.input_drawing import Drawing

    if not _is_flat(subject):
        return Drawing(subject.expected, rate=rate)
    mean, scale, low, high = numbers
    names = features.shown_names(subject.shape[1])
    return Drawing(subject.expected, names, mean, scale, low, high, rate, features.texts)


def _kept(
    kept: dict[int, float],
    shape: tuple[int, ...],
    low: np.ndarray | None,
    high: np.ndarray | None,
    mean: np.ndarray,
    scale: np.ndarray,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray, np.ndarray]:
    """Return bounds, center and spread that leave some features no room."""
    places, values = list(kept), list(kept.values())
    if low is not None and high is not None:
        low, high = np.array(np.broadcast_to(low, shape)), np.array(np.broadcast_to(high, shape))
        if not bool(mean.any()):  # the box's own middle, as without kept features
            mean = (low + high) / 2
        low[places] = high[places] = values
    mean, scale = (
        np.array(np.broadcast_to(mean, shape), np.float64),
        np.array(np.broadcast_to(scale, shape), np.float64),
    )
    mean[places], scale[places] = values, 0
    return low, high, mean, scale


def _along(values: tuple[float, ...], axes: tuple[str, ...]) -> np.ndarray | None:
    """Return numbers that hold for all elements, or one per channel or feature, so that they broadcast."""
    if not values:
        return None
    array = np.asarray(values, np.float64)
    if array.size == 1:
        return array.reshape(())
    if "channel" in axes:
        return array.reshape([-1 if axis == "channel" else 1 for axis in axes])
    return array
