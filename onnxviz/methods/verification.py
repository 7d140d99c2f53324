"""The check of the differentiable copy of a model against ONNX Runtime, tensor by tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from onnxviz.errors import OnnxvizError

Run = Callable[[Mapping[str, Any]], Mapping[str, Any]]

AMPLIFIED = "rounding upstream, amplified"

_ROUNDING_SHARE = 1 / 20
_LEAST_ROUNDING = 1e-6
"""An operator's error on equal inputs counts as rounding up to this share of the tolerance, or up to eight float32 epsilons."""


@dataclass(frozen=True)
class Agreement:
    """How well the values of a tensor by torch and by ONNX Runtime agree.

    Attributes
    ----------
    name : str
        The name of the tensor.
    shape : tuple of int
        The shape of ONNX Runtime's value.
    dtype : str
        The type of ONNX Runtime's value.
    max_abs_error : float
        The largest difference.
    max_rel_error : float
        The largest difference divided by the tensor's own range, which is the larger of its spread and its largest magnitude.
    ok : bool
        Whether the relative error is within the tolerance, and the values are finite in the same places.
    note : str
        A remark where more is wrong than the numbers, such as another shape.
    amplified : bool
        Whether the tensor is not ok only because rounding errors of earlier operators have grown: each operator agrees when it gets
        the same inputs (`explain`).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    max_abs_error: float
    max_rel_error: float
    ok: bool
    note: str = ""
    amplified: bool = False

    @property
    def diverges(self) -> bool:
        """Whether torch and ONNX Runtime differ by more than rounding explains."""
        return not self.ok and not self.amplified


def agreement(name: str, ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> Agreement:
    """Return how well two values of a tensor agree.

    Parameters
    ----------
    name : str
        The name of the tensor.
    ours, theirs : ndarray
        The value by torch and the value by ONNX Runtime.
    tolerance : float
        The largest error allowed, relative to the tensor's own range. An absolute tolerance would be too small for large
        activations and too large for small ones.

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
    # A tensor of zeros, or of values too small for its type, has no range that an error could be divided by.
    relative = error / extent if extent > 1e-30 else (0.0 if error < 1e-30 else np.inf)
    return Agreement(name, shape, dtype, error, relative, relative <= tolerance)


def verify(
    network: Run, session: Run, inputs: Mapping[str, Any], names: Sequence[str], tolerance: float
) -> list[Agreement]:
    """Return how well tensors agree between torch and ONNX Runtime.

    Parameters
    ----------
    network, session : callable
        Functions from named arrays to named arrays, with the same names on both sides.
    inputs : mapping of str to ndarray
        The inputs of both functions.
    names : sequence of str
        The names of the tensors, in the order of the graph.
    tolerance : float
        As in `agreement`.

    Returns
    -------
    list of Agreement
        One for each tensor, in the order of `names`. The two functions begin to differ at the first tensor that is not ok.

    Raises
    ------
    EvaluationError
        If one of the functions refuses the inputs.
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


def suspects(rows: Sequence[Agreement], sources: Callable[[str], Sequence[str]], tolerance: float) -> tuple[str, ...]:
    """Return the tensors whose operators may have caused the tensors that are not ok, each after those it depends on.

    Parameters
    ----------
    rows : sequence of Agreement
        The result of `verify`, in the order of the graph.
    sources : callable
        Returns the tensors that the operator of a tensor reads; nothing for a tensor that no operator makes.
    tolerance : float
        The tolerance that `verify` was given.

    Returns
    -------
    tuple of str
        The tensors that are not ok, and the tensors before them whose error is more than rounding or is not known. The error of
        whole numbers is not known.
    """
    clean = {row.name for row in rows if row.max_rel_error <= _rounding(tolerance)}
    order: dict[str, None] = {}
    for row in rows:
        stack = [] if row.ok else [(row.name, False)]
        while stack:
            name, left = stack.pop()
            if left:
                order[name] = None
            elif name not in order:
                stack.append((name, True))
                before = [one for one in sources(name) if sources(one) and one not in clean and one not in order]
                stack.extend((one, False) for one in before)
    return tuple(order)


def explain(
    rows: Sequence[Agreement],
    alone: Callable[[str], tuple[Any, Any]],
    sources: Callable[[str], Sequence[str]],
    tolerance: float,
) -> list[Agreement]:
    """Return the rows with the operators that differ told apart from the tensors in which rounding errors have grown.

    `verify` compares accumulated values. If one operator rounds differently, an ill-conditioned operator far behind it may turn a
    difference of 1e-7 into one of several percent, although neither operator is wrong. So each operator that may be a cause is
    computed once more by itself, on ONNX Runtime's own values of its inputs.

    Parameters
    ----------
    rows : sequence of Agreement
        The result of `verify`, in the order of the graph.
    alone : callable
        Returns a tensor as torch and as ONNX Runtime compute it from the same inputs.
    sources : callable
        As in `suspects`.
    tolerance : float
        The tolerance that `verify` was given.

    Returns
    -------
    list of Agreement
        The rows. A row that is not ok becomes `amplified` under three conditions: the inputs of its operator differ; the operator
        is within the tolerance on the same inputs; and no earlier operator that may be a cause has more than a rounding error, which
        is a twentieth of the tolerance. The errors in the rows stay as they were.
    """
    errors = {row.name: row.max_rel_error for row in rows}
    amplified: set[str] = set()
    culprits: dict[str, str] = {}
    notes: dict[str, str] = {}
    failed = {row.name for row in rows if not row.ok}
    for name in suspects(rows, sources, tolerance):
        before = sources(name)
        culprit = next((culprits[one] for one in before if one in culprits), "")
        moved = any(sources(one) and errors.get(one, np.inf) > 0 for one in before)
        try:
            ours, theirs = alone(name)
            error = _error(name, ours, theirs, tolerance)
        except OnnxvizError:
            error = np.inf
        if name in failed and error > tolerance:
            notes[name] = f"differs on the same inputs, by {error:.1e} of its range" if np.isfinite(error) else ""
        elif name in failed and culprit:
            notes[name] = culprit
        elif name in failed and moved:
            amplified.add(name)
        elif name in failed:
            error = errors[
                name
            ]  # no earlier tensor differs: the operator is right by itself and wrong in the whole network
        if error > _rounding(tolerance):
            culprits[name] = f"its operator agrees; that of {name} is off by {error:.1e} on the same inputs"
        elif culprit:
            culprits[name] = culprit
    return [
        replace(row, amplified=True, note=AMPLIFIED)
        if row.name in amplified
        else replace(row, note=row.note or notes.get(row.name, ""))
        for row in rows
    ]


def _rounding(tolerance: float) -> float:
    return max(_ROUNDING_SHARE * tolerance, _LEAST_ROUNDING)


def _error(name: str, ours: Any, theirs: Any, tolerance: float) -> float:
    """Return the largest error divided by the range; of a sequence, that of its worst tensor."""
    if isinstance(theirs, (list, tuple)):
        if len(ours) != len(theirs):
            return np.inf
        return max(
            (_error(name, mine, wanted, tolerance) for mine, wanted in zip(ours, theirs, strict=True)), default=0.0
        )
    return agreement(name, _array(ours), np.asarray(theirs), tolerance).max_rel_error


def _array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        array: np.ndarray = value.detach().cpu().numpy()
        return array
    return np.asarray(value)
