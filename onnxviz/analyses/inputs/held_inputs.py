"""The inputs that no sample feeds: their values, at the sizes of each sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.wording import quoted

if TYPE_CHECKING:
    from onnxviz.model.graph.graph import Graph


@dataclass(frozen=True, eq=False)
class HeldInputs:
    """The values of the inputs that no sample feeds.

    Attributes
    ----------
    values : dict of str to ndarray
        The values at the usual sizes, batch included.
    given : dict of str to ndarray
        The values of the request; an array without axes fills its input.
    dims : dict of str to int
        Sizes of symbolic axes, as the request gives them.
    shapes : dict of str to tuple of int
        Whole shapes of inputs, as the request gives them.
    """

    values: dict[str, np.ndarray]
    given: dict[str, np.ndarray]
    dims: dict[str, int]
    shapes: dict[str, tuple[int, ...]]

    def beside(self, model: Graph, samples: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
        """Return the values beside samples: an input that shares a size with a sample follows it.

        Parameters
        ----------
        model : Graph
            The model.
        samples : mapping of str to sequence of int
            The shape of one sample for each input that is fed, without the batch.
        """
        from onnxviz.model.expectations.resting import rest

        dims, shapes = sizes_of_samples(model, samples)
        return rest(model, list(self.values), self.given, {**dims, **self.dims}, {**shapes, **self.shapes})


def sizes_of_samples(
    model: Graph, samples: Mapping[str, Sequence[int]]
) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """Return the sizes of symbolic axes and the whole shapes of inputs that samples settle.

    Parameters
    ----------
    model : Graph
        The model.
    samples : mapping of str to sequence of int
        The shape of one sample for each input, without the batch.
    """
    from onnxviz.model.expectations.contract_reading import contract

    dims: dict[str, int] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, sizes in samples.items():
        declared, expected = model.inputs[name].shape, contract(model, name)
        sizes = expected.tensor_shape((1, *sizes))
        if declared is None or len(declared) != len(sizes):
            continue
        if not expected.whole:
            sizes = (declared[0] if isinstance(declared[0], int) else 1, *sizes[1:])
        shapes[name] = sizes
        pairs = list(zip(declared, sizes, strict=True))[not expected.whole :]
        dims.update({size: own for size, own in pairs if isinstance(size, str)})
    return dims, shapes


def resting_text(values: np.ndarray) -> str:
    """Return held values for a message: the number that all of them are, or their least and largest."""
    if not values.size:
        return "held empty"
    if values.dtype.kind == "O":
        return f"held at {quoted(str(values.flat[0]))}"
    if values.dtype.kind not in "biuf":
        return "held"
    low, high = float(values.min()), float(values.max())
    return f"held at {low:g}" if low == high else f"held at {low:g} to {high:g}"
