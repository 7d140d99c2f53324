"""Is the differentiable copy the shipped model? Torch against ONNX Runtime, tensor by tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Run = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Agreement:
    """How well a tensor's two values agree.

    Attributes
    ----------
    name : str
        The tensor.
    shape : tuple of int
        As ONNX Runtime gives it.
    dtype : str
        As ONNX Runtime gives it.
    max_abs_error : float
        The largest difference.
    max_rel_error : float
        The same over the tensor's own range: the larger of its spread and its largest magnitude.
    ok : bool
        Whether the relative error is within the tolerance, and the values are finite in the same places.
    note : str
        What is wrong beyond the numbers: another shape, say.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    max_abs_error: float
    max_rel_error: float
    ok: bool
    note: str = ""


def agreement(name: str, ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> Agreement:
    """Compare two values of a tensor.

    Parameters
    ----------
    name : str
        The tensor.
    ours, theirs : ndarray
        What torch and what ONNX Runtime give.
    tolerance : float
        The largest error allowed, relative to the tensor's own range: an absolute one would be too tight for large
        activations and too loose for small ones.

    Examples
    --------
    >>> agreement("a", np.array([1.0, 2.0]), np.array([1.0, 2.001]), 1e-2).ok
    True
    """
    dtype, shape = str(theirs.dtype), tuple(theirs.shape)
    if ours.shape != theirs.shape:
        return Agreement(
            name,
            shape,
            dtype,
            np.inf,
            np.inf,
            False,
            f"torch gives the shape {'x'.join(map(str, ours.shape)) or 'scalar'}",
        )
    if not theirs.size:
        return Agreement(name, shape, dtype, 0.0, 0.0, True)
    mine, wanted = ours.astype(np.float64), theirs.astype(np.float64)
    finite = np.isfinite(wanted)
    same = np.where(np.isnan(wanted), np.isnan(mine), mine == wanted)
    if not np.array_equal(finite, np.isfinite(mine)) or not np.all(same[~finite]):
        return Agreement(name, shape, dtype, np.inf, np.inf, False, "finite in different places")
    if not finite.any():
        return Agreement(name, shape, dtype, 0.0, 0.0, True)
    error = float(np.abs(mine[finite] - wanted[finite]).max())
    extent = max(float(np.ptp(wanted[finite])), float(np.abs(wanted[finite]).max()))
    # A tensor that is all zeros, or too small for its own type to hold, has no range to be relative to.
    relative = error / extent if extent > 1e-30 else (0.0 if error < 1e-30 else np.inf)
    return Agreement(name, shape, dtype, error, relative, relative <= tolerance)


def verify(
    network: Run, session: Run, inputs: Mapping[str, Any], names: Sequence[str], tolerance: float
) -> list[Agreement]:
    """Compare tensors as torch and as ONNX Runtime compute them.

    Parameters
    ----------
    network, session : callable
        Named arrays in, named arrays out, the same names on both sides.
    inputs : mapping of str to ndarray
        What both are fed.
    names : sequence of str
        The tensors, in graph order.
    tolerance : float
        As `agreement` takes it.

    Returns
    -------
    list of Agreement
        In the order of `names`; the first that is not ok is where the two part ways.

    Raises
    ------
    EvaluationError
        If either refuses the inputs.
    """
    with torch.no_grad():
        ours = network(inputs)
    theirs = session(inputs)
    rows = []
    for name in names:
        wanted = theirs[name]
        if isinstance(wanted, (list, dict)) or wanted is None:
            continue
        rows.append(agreement(name, _array(ours[name]), np.asarray(wanted), tolerance))
    return rows


def _array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        array: np.ndarray = value.detach().cpu().numpy()
        return array
    return np.asarray(value)
