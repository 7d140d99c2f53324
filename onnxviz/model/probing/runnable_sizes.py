"""Sizes that a file leaves open and its graph does not: found by running it, not by guessing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np

from onnxviz.errors import OnnxvizError
from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.expectations.input_roles import input_roles
from onnxviz.model.expectations.resting import rest
from onnxviz.model.expectations.sample_inputs import settled_shape
from onnxviz.model.model import Model

_SIDES: dict[str, tuple[int, ...]] = {
    "image": (320, 256, 640, 128, 64, 32),
    "signal": (512, 256, 1024, 16000, 160),
    "spectrogram": (128, 64, 256, 100, 32),
    "clip": (16, 8, 32, 64, 112, 224),
    "volume": (64, 96, 128, 16),
    "points": (2048, 512, 256, 4096),
    "letters": (1000, 600, 500, 100, 2000),
    "sequence": (16, 100, 128),
    "tokens": (128, 32, 64, 256, 512, 8, 1),
    "array": (16, 64, 128, 224),
}
"""Sizes in use, tried for every axis but the batch and the channels that is open, where the usual ones do not run."""

_MOST_TRIES = 48
"""So many sizes are tried: most of those that do not run end within a few operators."""

_LARGEST = 1 << 24
"""The most elements of an input that is tried."""

_WEIGHTED = ("MatMul", "Gemm", "Add", "Mul", "Sub", "Div", "Reshape", "Conv", "ConvTranspose", "Concat", "Where")
_ANY_LENGTH = ("NonMaxSuppression", "NonZero", "Compress", "Unique")
"""Operators whose outputs may rightly be empty."""

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
    into a Reshape all the same, a table of positions has one length, and a kernel needs more than one step. These sizes are
    tried, the surest first: a cache of one step in place of an empty one, the sizes that outputs declare as the batch, those
    of the weights that meet the input, and those that are in use.

    Parameters
    ----------
    model : Model
        The model.
    name : str
        The input whose sizes are wanted; other inputs follow where they share a symbol.
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
    if not declared or name in shapes or not _open_axes(model, held, dims, shapes):
        return usual, ""
    expected = contract(model, name)
    if expected.whole or expected.spare:
        return usual, ""
    shape = settled_shape(model, name, dims, shapes)
    if _runs(model, held, usual):
        return usual, ""
    tried = {_key(usual)}
    for sizes in islice(_others(model, name, shape, held, dims, shapes), _MOST_TRIES):
        key = _key(sizes)
        if key not in tried and _runs(model, held, sizes):
            other = settled_shape(model, name, *sizes)
            if other == shape:
                listed = ", ".join(f"{one}={size}" for one, size in sizes[0].items() if one not in dims)
                return sizes, f"the usual sizes fail; using {listed or 'other sizes'} (change with `dims`)"
            before, taken = ("x".join(map(str, one)) for one in (shape, other))
            return sizes, f"the size {before} fails; using {taken} (change with `shapes`)"
        tried.add(key)
    return usual, ""


def _key(sizes: Sizes) -> str:
    return repr([sorted(part.items()) for part in sizes])


def _open_axes(
    model: Model, held: Mapping[str, np.ndarray], dims: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, list[int]]:
    """Return the axes of each input that nothing sets; the batch only where an output declares another."""
    firsts = declared_batches(model)
    found = {}
    for name, info in model.inputs.items():
        if name in shapes or (name in held and held[name].ndim):
            continue
        axes = [
            axis
            for axis, size in enumerate(info.shape or ())
            if not isinstance(size, int) and size not in dims and (axis or firsts)
        ]
        if axes:
            found[name] = axes
    return found


def declared_batches(model: Model) -> list[int]:
    """Return the batches above 1 that outputs declare."""
    first = {info.shape[0] for info in model.outputs.values() if info.is_float and info.shape}
    return sorted(size for size in first if isinstance(size, int) and size > 1)


def _others(
    model: Model,
    name: str,
    shape: tuple[int, ...],
    held: Mapping[str, np.ndarray],
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
) -> Iterator[Sizes]:
    """Yield sizes to be tried, the surest first."""
    free = _open_axes(model, held, dims, shapes)
    caches = {one: role for one, role in input_roles(model).items() if role.name == "cache" and one in free}
    short = _with_caches(model, caches, 1, dims, shapes) if caches else (dict(dims), dict(shapes))
    if caches:
        yield short
        yield _with_caches(model, caches, 0, dims, shapes)
    expected = contract(model, name)
    firsts = declared_batches(model) if 0 in free.get(name, ()) else []
    places = [place for place in free.get(name, ()) if place and expected.axes[place - 1 : place] != ("channel",)]
    usual, known = _SIDES.get(expected.kind, ()), _sizes_of_weights(model, name)
    sides = dict.fromkeys((*usual, *known) if expected.kind == "image" else (*known, *usual))
    every = [place for place in free.get(name, ()) if place]
    candidates = [(first, *shape[1:]) for first in firsts]
    candidates += [tuple(f if p in (0, *places) else s for p, s in enumerate(shape)) for f in firsts if places]
    candidates += [tuple(side if p in places else s for p, s in enumerate(shape)) for side in sides if places]
    # Open channels, and axes of different lengths.
    candidates += [tuple(side if p == place else s for p, s in enumerate(shape)) for place in every for side in known]
    for other in candidates:
        if math.prod(other) <= _LARGEST:
            yield _with_shape(model, name, other, *((dims, shapes) if not caches else short))
    for side in sides:  # every open size of the model
        whole = (dict(dims), dict(shapes))
        for one, axes in free.items():
            own = settled_shape(model, one, *whole)
            sized = tuple(side if axis and axis in axes else size for axis, size in enumerate(own))
            if len(free) > 1 and math.prod(sized) <= _LARGEST:
                whole = _with_shape(model, one, sized, *whole)
        yield whole


def _with_shape(
    model: Model, name: str, shape: tuple[int, ...], dims: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
) -> Sizes:
    """Return sizes in which an input has a shape, and its symbols have these sizes."""
    declared = model.inputs[name].shape or () if name in model.inputs else ()
    named = {size: shape[place] for place, size in enumerate(declared) if isinstance(size, str)}
    return {**named, **dims}, {**shapes, name: shape}


def _with_caches(
    model: Model,
    caches: Mapping[str, object],
    length: int,
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
) -> Sizes:
    """Return sizes in which every cache holds so many steps."""
    roles, sizes = input_roles(model), (dict(dims), dict(shapes))
    for name in caches:
        axis, declared = roles[name].axis, model.inputs[name].shape or ()
        if axis is None or isinstance(declared[axis], int):
            continue
        if isinstance(declared[axis], str):
            sizes[0].setdefault(str(declared[axis]), length)
        else:
            own = settled_shape(model, name, *sizes)
            sizes[1][name] = tuple(length if place == axis else size for place, size in enumerate(own))
    return sizes


def _sizes_of_weights(model: Model, name: str, most: int = 12) -> list[int]:
    """Return the sizes above 1 of the first weights that meet an input, in the order of the graph."""
    reached, found = {name}, dict[int, None]()
    for node in model.nodes:
        if reached.isdisjoint(node.input) or node.op_type in ("Shape", "Size"):
            continue
        reached.update(node.output)
        if node.op_type not in _WEIGHTED:
            continue
        for other in node.input:
            sizes = list(model.tensors[other].shape or ()) if other in model.constants else []
            if node.op_type == "Reshape" and sizes and math.prod(size for size in sizes if isinstance(size, int)) < 9:
                entries = [int(size) for size in np.asarray(model.weight(other)).reshape(-1)]
                sizes = [math.prod(size for size in entries if size > 0), *entries]
            found.update(dict.fromkeys(size for size in sizes if isinstance(size, int) and 1 < size <= _LARGEST))
        if len(found) >= most:
            break
    return list(found)[:most]


def _runs(model: Model, held: Mapping[str, np.ndarray], sizes: Sizes) -> bool:
    """Whether ONNX Runtime computes every output for inputs of such sizes, and none is empty that need not be."""
    try:
        fed = rest(model, list(model.inputs), held, *sizes)
        answers = model.session(list(model.outputs))(fed)
    except OnnxvizError:
        return False
    if any(node.op_type in _ANY_LENGTH for node in model.nodes):
        return True
    return all(np.asarray(value).size > 0 for value in answers.values() if isinstance(value, np.ndarray))
