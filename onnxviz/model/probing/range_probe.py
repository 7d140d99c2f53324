"""Unit range, 0 to 255, or -1 to 1? Where the file does not say, the model itself is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from onnxviz.contract import InputContract
from onnxviz.errors import OnnxvizError
from onnxviz.model.expectations.batch_statistics import IMAGENET_MEAN, IMAGENET_STD
from onnxviz.model.expectations.natural_pictures import laid_out, natural_pictures
from onnxviz.model.model import Model
from onnxviz.model.probing.order_probe import mean_certainty

_LOOKS = 4
_MEASURED: WeakKeyDictionary[Model, dict[Any, tuple[float | None, float | None]]] = WeakKeyDictionary()
_CERTAINTIES: WeakKeyDictionary[Model, dict[Any, float | None]] = WeakKeyDictionary()
_CLEAR = 2.0
"""How many times more the outputs must tell pictures apart in 0 to 255; models of unit range have about 1 or less."""
_SURER = 1.2
"""How many times as sure a classifier must be in -1 to 1 as under ImageNet's normalization. Three classifiers that were trained in -1 to
1 are 1.13, 1.28 and 1.47 times as sure there. With ImageNet's normalization built into the same networks it is .74, .94 and 1.14."""


def probe_range(
    model: Model, expected: InputContract, shape: tuple[int, ...], others: Mapping[str, np.ndarray]
) -> InputContract:
    """Replace an assumed range by a measured one, if the measurement is clear.

    A model that was trained on pixels from 0 to 255 hardly tells pictures apart that stay within a unit of its zero point. So a
    few pictures of natural statistics (amplitude 1/f) are shown in both ranges, and the spread of ONNX Runtime's outputs
    over pictures is compared with their spread over units.

    Parameters
    ----------
    model : Model
        The model.
    expected : InputContract
        Of a picture, its range assumed and not 0 to 255; anything else is returned as it is.
    shape : tuple of int
        Of the input, with the batch.
    others : mapping of str to ndarray
        All other inputs.
    """
    if not is_open(expected):
        return expected
    unit, wide = _measured(model, expected, shape, others)
    if unit is None or wide is None:
        return _even_range(model, expected, shape, others)
    bytes_range = replace(expected, low=(0.0,), high=(255.0,), mean=(), scale=())
    if wide > _CLEAR * unit and not _is_surer(model, expected, bytes_range, shape, others):
        kept = tuple(note for note in expected.evidence if "assumed" not in note)
        note = f"assumed 0 to 255: there the outputs tell pictures apart {wide / unit:.2g} times as well as in 0 to 1"
        return replace(bytes_range, evidence=(*kept, note))
    return _even_range(model, expected, shape, others)


def _even_range(
    model: Model, expected: InputContract, shape: tuple[int, ...], others: Mapping[str, np.ndarray]
) -> InputContract:
    """Return the contract with the range -1 to 1 in place of ImageNet's normalization, where photographs are surer in it."""
    low, high = (
        tuple((end - mean) / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)) for end in (0, 1)
    )
    if expected.low != low or expected.high != high:
        return expected
    even = replace(expected, low=(-1.0,), high=(1.0,), mean=(), scale=())
    normalized, plain = _certainties(model, expected, even, shape, others)
    if normalized is None or plain is None or plain < _SURER * normalized:
        return expected
    kept = tuple(note for note in expected.evidence if "assumed" not in note)
    note = f"assumed -1 to 1: there the classes of photographs are {plain / normalized:.2g} times as sure as normalized by ImageNet's mean"
    return replace(even, evidence=(*kept, note))


def _is_surer(
    model: Model, one: InputContract, other: InputContract, shape: tuple[int, ...], others: Mapping[str, np.ndarray]
) -> bool:
    """Return whether a classifier is surer of photographs in the range of one contract than in that of another."""
    here, there = _certainties(model, one, other, shape, others)
    return here is not None and there is not None and here > there


def _certainties(
    model: Model, one: InputContract, other: InputContract, shape: tuple[int, ...], others: Mapping[str, np.ndarray]
) -> tuple[float | None, float | None]:
    """Return how sure a classifier is of photographs in the ranges of two contracts; measured once for each."""
    known = _CERTAINTIES.setdefault(model, {})
    held = tuple((name, value.shape, str(value.dtype), value.tobytes()) for name, value in sorted(others.items()))
    found = []
    for contract in (one, other):
        key = (contract.name, contract.axes, contract.low, contract.high, shape, held)
        if key not in known:
            known[key] = mean_certainty(model, contract, shape, others)
        found.append(known[key])
    return found[0], found[1]


def is_open(expected: InputContract) -> bool:
    """Return whether a contract is that of a picture whose range nothing tells and a measurement can change.

    A range that is assumed as 0 to 255 already stays, whatever is measured.
    """
    assumed = any("assumed" in note for note in expected.evidence)
    return expected.has_pixels and assumed and expected.high != (255.0,)


def _measured(
    model: Model, expected: InputContract, shape: tuple[int, ...], others: Mapping[str, np.ndarray]
) -> tuple[float | None, float | None]:
    """Return how well pictures in 0 to 1 and in 0 to 255 are told apart; measured once for each model, for it runs all of it.

    Both are None if pictures in 0 to 1 are not told apart at all: there is nothing to compare.
    """
    held = tuple((name, value.shape, str(value.dtype), value.tobytes()) for name, value in sorted(others.items()))
    key = (expected.name, expected.axes, shape, held)
    known = _MEASURED.setdefault(model, {})
    if key not in known:
        pictures = _natural(shape, expected.axes)
        unit = _tells_apart(model, expected, pictures, shape[0], others)
        known[key] = (unit, _tells_apart(model, expected, pictures * 255.0, shape[0], others)) if unit else (None, None)
    return known[key]


def _natural(shape: tuple[int, ...], axes: tuple[str, ...]) -> np.ndarray:
    """Return seeded pictures in 0 to 1 in the input's layout, (look, *shape)."""
    sizes = dict(zip(axes, shape[1:], strict=True))
    pictures = natural_pictures(_LOOKS, sizes.get("channel", 1), sizes["height"], sizes["width"])
    return laid_out(pictures, axes, shape[1:])


def _tells_apart(
    model: Model, expected: InputContract, pictures: np.ndarray, batch: int, others: Mapping[str, np.ndarray]
) -> float | None:
    """Return the outputs' spread over pictures, relative to their spread over units; None where they cannot be compared."""
    floats = [output for output, info in model.outputs.items() if info.is_float]
    try:
        session = model.session(floats)
        answers = [
            session({**others, expected.name: expected.fed(np.repeat(picture[None], batch, axis=0))})
            for picture in pictures
        ]
        rows = np.stack([np.concatenate([np.ravel(answer[output]) for output in floats]) for answer in answers]).astype(
            np.float64
        )
    except (OnnxvizError, ValueError):  # it does not run alone, or its outputs change size
        return None
    units = float(rows.mean(0).std())
    return float(rows.std(0).mean()) / units if units > 0 and np.isfinite(rows).all() else None
