"""Where `maximize` searches what is no token: bounds, center and spread, from the options, the data and the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.inputs.features import Features, read_features
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.moving import Moving
    from onnxviz.contract import InputContract
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.methods.ascent.space import Space
    from onnxviz.model.model import Model


def signal_rate(model: Model, given: float | None, kind: str) -> float | None:
    """Return a signal's samples per second: --sample-rate, or what the file's metadata says.

    Raises
    ------
    UsageError
        If it is given and the input is no signal.
    """
    from onnxviz.model.graph.labels import sample_rate

    if given is not None and kind != "signal":
        raise UsageError(f"--sample-rate is for signals; the input is of the kind {kind}")
    return given or (sample_rate(model.original) if kind == "signal" else None)


def search_space(
    model: Model,
    moving: Moving,
    expected: InputContract,
    shape: tuple[int, ...],
    center: np.ndarray | None,
    spread: np.ndarray | None,
    rate: float | None,
    options: dict[str, Any],
) -> tuple[Space, Drawing, Features]:
    """Return where inputs are searched, how they are drawn, and what is known of a vector's features.

    Parameters
    ----------
    model : Model
        The model.
    moving : Moving
        What moves; no tokens.
    expected, shape
        What it takes, and its shape with the batch.
    center, spread : ndarray or None
        Where the values of a tensor inside the graph lie.
    rate : float or None
        A signal's samples per second.
    options : dict
        As they were given.

    Raises
    ------
    UsageError, DataError
        If an option does not suit the input, or a file cannot be read.
    """
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.methods.ascent.space import Space
    from onnxviz.model.graph.labels import feature_names

    name, own = moving.name, shape[1:]
    axes = expected.axes if len(expected.axes) == len(own) else tuple(f"axis{place + 1}" for place in range(len(own)))
    flat = expected.kind == "vector" and len(own) == 1
    features = Features()
    chosen = options["parameterization"] or ""
    if chosen == "fourier" and not expected.axes:
        raise UsageError(f"--parameterization {chosen}: nothing is known of the axes of {name}")
    if flat:
        if chosen in ("fourier", "maco"):
            raise UsageError(f"--parameterization {chosen}: {name} is a vector, whose elements have no neighbors")
        known = moving.joined.names if moving.joined else feature_names(model.original)
        # Of a tensor inside the graph the data hold no rows: they are the input's.
        data = options["data"] if moving.inputs else None
        features = read_features(own[0], known, options["bounds"], options["names"], data, options["kept"])
    elif any(options[key] not in (None, ()) for key in ("bounds", "names", "kept")):
        raise UsageError(f"--bounds, --names and --keep are for vectors; {name} is {expected.noun} (see --range)")
    low = features.low if features.low is not None else _along(expected.low, axes)
    high = features.high if features.high is not None else _along(expected.high, axes)
    if low is not None and options["norm"] is not None:
        raise UsageError("--norm is for unbounded inputs; leave out --bounds, --range and --data, or leave out --norm")
    mean = features.mean if features.mean is not None else _along(expected.mean, axes) if expected.mean else center
    scale = features.scale if features.scale is not None else _along(expected.scale, axes) if expected.scale else spread
    drawing = Drawing(
        expected,
        features.shown_names(own[0]) if flat else (),
        mean if flat else None,
        scale if flat else None,
        low if flat else None,
        high if flat else None,
        rate,
    )
    mean = np.zeros(()) if mean is None else np.asarray(mean)
    scale = np.ones(()) if scale is None else np.asarray(scale)
    if features.kept:
        low, high, mean, scale = _kept(features.kept, own, low, high, mean, scale)
    colors = expected.color if expected.color in ("rgb", "bgr") and expected.kind == "image" else None
    kind = expected.kind if len(expected.axes) == len(own) and moving.inputs else "array"
    space = Space(
        name, own, axes, kind, colors, low, high, mean, scale, options["norm"], features.groups, parameterization=chosen
    )
    return space, drawing, features


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
