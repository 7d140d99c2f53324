"""Red or blue first? If the file does not say, the model is asked: which order tells photographs apart?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from onnxviz.contract import InputContract
from onnxviz.errors import OnnxvizError
from onnxviz.model.expectations.natural_pictures import laid_out
from onnxviz.model.model import Model

_MEASURED: WeakKeyDictionary[Model, dict[Any, tuple[float | None, float | None]]] = WeakKeyDictionary()

_CLEAR = 1.2
"""How many times better the outputs must tell photographs apart in one order. Three classifiers of other publishers have 1.21, 1.26
and 1.46 times in their own order; models that no order suits better have less than 1.05 in either."""

_CLASSES = 5
"""The least number of classes. Detectors and models with fewer outputs hardly depend on the order."""

_LEAST = 1e-6
"""Probabilities count by their logarithm; less than this counts as this."""


def probe_order(
    model: Model, expected: InputContract, shape: tuple[int, ...], others: Mapping[str, np.ndarray]
) -> InputContract:
    """Return the contract with the order of the colors that a measurement gives; with a note if none is clear.

    A classifier confuses photographs whose red and blue are swapped. So four photographs are shown in both orders, and the spread of
    ONNX Runtime's outputs over photographs is compared with their spread over classes.

    Parameters
    ----------
    model : Model
        The model.
    expected : InputContract
        The contract of a color picture whose order nothing tells; anything else is returned unchanged.
    shape : tuple of int
        The shape of the input, batch included.
    others : mapping of str to ndarray
        Values of all other inputs.
    """
    if not is_open(expected):
        return expected
    red, blue = _measured(model, expected, shape, others)
    if red and blue and max(red, blue) >= _CLEAR * min(red, blue):
        color, words = ("rgb", "red") if red > blue else ("bgr", "blue")
        ratio = max(red, blue) / min(red, blue)
        note = f"{words} first: in this order the outputs tell photographs apart {ratio:.2g} times as well"
        return expected.with_note(note, color=color, color_told=True)
    return expected.with_note("nothing tells the order of the colors: RGB is assumed (change with `channels`)")


def is_open(expected: InputContract) -> bool:
    """Return whether a contract is that of a color picture, and nothing tells whether red or blue comes first."""
    return expected.has_pixels and expected.color == "rgb" and not expected.color_told


def _measured(
    model: Model, expected: InputContract, shape: tuple[int, ...], others: Mapping[str, np.ndarray]
) -> tuple[float | None, float | None]:
    """Return how well photographs are told apart with red first and with blue first. Each model is measured once.

    Both are None if they are not told apart with red first: there is nothing to compare.
    """
    held = tuple((name, value.shape, str(value.dtype), value.tobytes()) for name, value in sorted(others.items()))
    key = (expected.name, expected.axes, expected.low, expected.high, shape, held)
    known = _MEASURED.setdefault(model, {})
    if key not in known:
        known[key] = _compared(model, expected, shape, others)
    return known[key]


def _compared(
    model: Model, expected: InputContract, shape: tuple[int, ...], others: Mapping[str, np.ndarray]
) -> tuple[float | None, float | None]:
    """Return the same as `_measured`, by runs of the model."""
    sizes = dict(zip(expected.axes, shape[1:], strict=True))
    shown = photographs(sizes["height"], sizes["width"])
    red = _tells_apart(_answers(model, expected, shape, others, shown))
    return (red, _tells_apart(_answers(model, expected, shape, others, shown[:, ::-1]))) if red else (None, None)


def _tells_apart(answers: list[list[np.ndarray]] | None) -> float | None:
    """Return the outputs' spread over photographs, relative to their spread over classes; None if it cannot be told."""
    if answers is None:
        return None
    stacked = np.stack([np.concatenate(scores) for scores in answers])
    spread = float(stacked.mean(0).std())
    if stacked.shape[1] < _CLASSES or not (spread > 0 and np.isfinite(stacked).all()):
        return None
    return float(stacked.std(0).mean()) / spread


def mean_certainty(
    model: Model, expected: InputContract, shape: tuple[int, ...], others: Mapping[str, np.ndarray]
) -> float | None:
    """Return the mean probability of the class that is highest on each of four photographs, by ONNX Runtime.

    Parameters
    ----------
    model : Model
        The model.
    expected : InputContract
        The contract of a color picture, in whose range the photographs are fed.
    shape : tuple of int
        The shape of the input, batch included.
    others : mapping of str to ndarray
        Values of all other inputs.

    Returns
    -------
    float or None
        None where no output has classes, or the model does not run on the photographs.
    """
    sizes = dict(zip(expected.axes, shape[1:], strict=True))
    answers = _answers(model, expected, shape, others, photographs(sizes["height"], sizes["width"]))
    if answers is None or max(len(scores) for scores in answers[0]) < _CLASSES:
        return None
    found = []
    for scores in answers:
        classes = max(scores, key=len)
        found.append(1 / float(np.exp(classes - classes.max()).sum()))
    return float(np.mean(found)) if np.isfinite(found).all() else None


def _answers(
    model: Model,
    expected: InputContract,
    shape: tuple[int, ...],
    others: Mapping[str, np.ndarray],
    shown: np.ndarray,
) -> list[list[np.ndarray]] | None:
    """Return the scores of each output with classes on each photograph; None where there are none."""
    classes = [name for name, info in model.outputs.items() if info.is_float and _is_scores(info.shape)]
    if not classes or dict(zip(expected.axes, shape[1:], strict=True)).get("channel") != 3:
        return None
    low, high = (np.reshape(np.asarray(ends, np.float64), (-1, 1, 1)) for ends in (expected.low, expected.high))
    rows = []
    try:
        session = model.session(classes)
        for photograph in shown:
            picture = laid_out((low + (high - low) * photograph)[None], expected.axes, shape[1:])[0]
            answers = session({**others, expected.name: np.repeat(picture[None], shape[0], axis=0)})
            rows.append([_scores(answers[name]) for name in classes])
        np.stack([np.concatenate(scores) for scores in rows])
    except (OnnxvizError, ValueError):  # it does not run alone, or its outputs change size
        return None
    return rows


def _is_scores(shape: Sequence[int | str | None] | None) -> bool:
    """Return whether a tensor has one number for each class: a single axis after the batch, beside axes of length 1."""
    return shape is not None and len(shape) > 1 and len([size for size in shape[1:] if size != 1]) == 1


def _scores(answer: np.ndarray) -> np.ndarray:
    """Return the scores of the first sample; of probabilities the logarithms."""
    scores = np.ravel(np.asarray(answer, np.float64)[0])
    is_share = scores.min() >= 0 and abs(float(scores.sum()) - 1) < 0.01
    return np.log(np.maximum(scores, _LEAST)) if is_share else scores


def photographs(height: int, width: int) -> np.ndarray:
    """Return four photographs, cut to the shape of a picture and resized.

    They are an astronaut (NASA, public domain), a cat (Stefan van der Walt, CC0), a cup of coffee (Rachel Michetti, CC0) and a rocket
    (SpaceX, public domain), as scikit-image has them.

    Parameters
    ----------
    height, width : int
        The size in pixels.

    Returns
    -------
    (4, 3, height, width) float64 ndarray
        Values from 0 to 1, red first.
    """
    stored = _stored()
    side = stored.shape[1]
    tall, wide = (max(1, round(side * size / max(height, width))) for size in (height, width))
    top, left = (side - tall) // 2, (side - wide) // 2
    cut = stored[:, top : top + tall, left : left + wide].astype(np.float64) / 255
    resized = _along(_along(cut, 1, height), 2, width)
    bounded: np.ndarray = np.clip(resized.transpose(0, 3, 1, 2), 0.0, 1.0)
    return bounded


@cache
def _stored() -> np.ndarray:
    with np.load(Path(__file__).with_name("photographs.npz")) as file:
        found: np.ndarray = file["photographs"]
    return found


def _along(pictures: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Resize pictures along an axis: averaged to a smaller size, interpolated to a larger size."""
    old = pictures.shape[axis]
    if size < old:
        # The sum up to each place, interpolated: its differences are exact means.
        total = np.insert(np.cumsum(pictures, axis), 0, 0, axis)
        ends = _interpolated(total, axis, np.linspace(0, old, size + 1))
        means: np.ndarray = np.diff(ends, axis=axis) * (size / old)
        return means
    return _interpolated(pictures, axis, (np.arange(size) + 0.5) * old / size - 0.5)


def _interpolated(values: np.ndarray, axis: int, places: np.ndarray) -> np.ndarray:
    """Return values at places between the entries of an axis, linearly interpolated."""
    places = np.clip(places, 0, values.shape[axis] - 1)
    before = np.minimum(places.astype(int), max(0, values.shape[axis] - 2))
    share = np.expand_dims(places - before, tuple(range(1, values.ndim - axis)))
    after = np.minimum(before + 1, values.shape[axis] - 1)
    found: np.ndarray = np.take(values, before, axis) * (1 - share) + np.take(values, after, axis) * share
    return found
