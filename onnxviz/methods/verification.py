"""Is the differentiable copy the shipped model? Torch against ONNX Runtime, tensor by tensor."""

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
"""An error on the same inputs counts as rounding up to this share of the tolerance, and up to eight units of float32 in any case."""


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
    amplified : bool
        Whether it is not ok only because rounding upstream grew on its way here: every operator that took part agrees on the same
        inputs (`explain`).
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
        """Whether torch and ONNX Runtime differ here by more than rounding explains."""
        return not self.ok and not self.amplified


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


def suspects(rows: Sequence[Agreement], sources: Callable[[str], Sequence[str]], tolerance: float) -> tuple[str, ...]:
    """Return the tensors whose operators may have had a part in what is not ok, each after those it depends on.

    Parameters
    ----------
    rows : sequence of Agreement
        What `verify` found, in graph order.
    sources : callable
        What the operator that makes a tensor reads; nothing for a tensor that none makes.
    tolerance : float
        As `verify` was given it.

    Returns
    -------
    tuple of str
        The tensors that are not ok, and before them all whose error is more than rounding or is not known, as whole numbers' is not.
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
    """Tell operators that differ from tensors in which rounding has grown.

    `verify` compares accumulated values: where one operator rounds otherwise, an ill-conditioned one far behind it may turn a
    difference of 1e-7 into one of percents, and neither is wrong. So each operator that may have had a part is computed once more,
    alone, on ONNX Runtime's own values of its inputs.

    Parameters
    ----------
    rows : sequence of Agreement
        What `verify` found, in graph order.
    alone : callable
        Gives a tensor as torch and as ONNX Runtime compute it from the same inputs.
    sources : callable
        As `suspects` takes it.
    tolerance : float
        As `verify` was given it.

    Returns
    -------
    list of Agreement
        The rows. One that is not ok is `amplified` if what its operator reads differs at all, the operator is within the tolerance
        on the same inputs, and none upstream that had a part errs there by more than rounding: a twentieth of the tolerance. Its
        errors stay as they were found.
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
            error = errors[name]  # nothing upstream differs: what is right alone goes wrong in the whole
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
    """Return the largest error over the range; of a sequence, the worst of its tensors."""
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
