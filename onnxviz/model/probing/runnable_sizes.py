"""Sizes that a file leaves open and its graph does not: found by running it, not by guessing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from onnxviz.errors import OnnxvizError
from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.expectations.resting import rest
from onnxviz.model.expectations.sample_inputs import settled_shape
from onnxviz.model.model import Model

_SIDES: dict[str, tuple[int, ...]] = {
    "image": (320, 256, 640, 128, 64, 32),
    "signal": (512, 256, 1024, 16000, 160),
    "sequence": (16, 100, 128),
}
"""Sizes in use, tried for every axis but the batch and the channels that is open, where the usual ones do not run."""

Sizes = tuple[dict[str, int], dict[str, tuple[int, ...]]]


def runnable_sizes(
    model: Model,
    name: str,
    held: Mapping[str, np.ndarray],
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
) -> tuple[Sizes, str]:
    """Return sizes with which ONNX Runtime runs a model, and a sentence where they are not the usual ones.

    A graph may hold a batch or a length that its input does not declare: exporters name an axis "batch" and write the size
    into a Reshape all the same. Then the sizes that outputs declare are tried as the batch, and for other axes those that
    are in use.

    Parameters
    ----------
    model : Model
        The model.
    name : str
        The input whose sizes are wanted.
    held, dims, shapes : mapping
        Values and sizes that the user gave.

    Returns
    -------
    (dims, shapes) : dict, dict
        As they were given, and what was found. What nothing runs with is left for the run itself to tell.
    sentence : str
        "" where nothing had to be found.
    """
    usual = (dict(dims), dict(shapes))
    declared = model.tensors[name].shape
    if not declared or name in shapes:
        return usual, ""
    expected = contract(model, name)
    if expected.whole or expected.spare:
        return usual, ""
    kind, axes = expected.kind, expected.axes
    firsts = {
        info.shape[0]
        for info in model.outputs.values()
        if info.is_float and info.shape and isinstance(info.shape[0], int) and info.shape[0] > 1
    }
    is_open = [not isinstance(size, int) and size not in dims for size in declared]
    sides = [place + 1 for place, axis in enumerate(axes) if axis != "channel" and is_open[place + 1]]
    if not (sides and kind in _SIDES) and not (is_open[0] and firsts):
        return usual, ""
    shape = settled_shape(model, name, dims, shapes)
    if _runs(model, name, shape, held, usual):
        return usual, ""
    for other in _others(shape, sorted(firsts) if is_open[0] else [], sides, _SIDES.get(kind, ())):
        named = {size: other[place] for place, size in enumerate(declared) if isinstance(size, str)}
        sizes = ({**dims, **named}, {**shapes, name: other})
        if _runs(model, name, other, held, sizes):
            tried, taken = ("x".join(map(str, one)) for one in (shape, other))
            return sizes, f"ONNX Runtime does not run it as {tried} but as {taken}; `shapes` sets its sizes"
    return usual, ""


def _others(
    shape: tuple[int, ...], firsts: list[int], places: list[int], sides: tuple[int, ...]
) -> Iterator[tuple[int, ...]]:
    for first in firsts:
        yield (first, *shape[1:])
    for first in firsts if places else ():
        yield tuple(first if place in (0, *places) else size for place, size in enumerate(shape))
    for side in sides if places else ():
        yield tuple(side if place in places else size for place, size in enumerate(shape))


def _runs(model: Model, name: str, shape: tuple[int, ...], held: Mapping[str, np.ndarray], sizes: Sizes) -> bool:
    """Whether ONNX Runtime computes every output for inputs of such sizes."""
    fed = rest(model, list(model.inputs), held, sizes[0], {**sizes[1], name: shape})
    try:
        model.session(list(model.outputs))(fed)
    except OnnxvizError:
        return False
    return True
