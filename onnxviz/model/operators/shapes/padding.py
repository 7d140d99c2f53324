"""Pad and CenterCropPad: what lies beyond a tensor's border."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Ints, operator
from onnxviz.model.operators.shapes.allocation import allowed


def _fill(value: Tensor) -> Tensor | complex:
    """Return a number of the tensor's own kind; a tensor that a gradient goes to stays one."""
    if value.requires_grad:
        return value
    number: complex = value.item()
    return number


Fill = Annotated[Tensor | complex, _fill]


@operator("Pad", since=1, until=1)
def pad_1(data: Tensor, *, paddings: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Pad every axis; the amounts stand in the node under their first name."""
    return _padded(data, paddings, value, None, mode)


@operator("Pad", since=2, until=10)
def pad_2(data: Tensor, *, pads: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Pad every axis by amounts that stand in the node."""
    return _padded(data, pads, value, None, mode)


@operator("Pad", since=11, until=17)
def pad_11(data: Tensor, pads: Ints, constant_value: Fill | None = None, *, mode: str = "constant") -> Tensor:
    """Pad every axis."""
    return _padded(data, pads, constant_value, None, mode)


@operator("Pad", since=18)
def pad(
    data: Tensor, pads: Ints, constant_value: Fill | None = None, axes: Ints | None = None, *, mode: str = "constant"
) -> Tensor:
    """Pad some axes."""
    return _padded(data, pads, constant_value, axes, mode)


@operator("Pad", domain="com.microsoft")
def pad_microsoft(data: Tensor, pads: Ints, value: Fill | None = None, *, mode: str = "constant") -> Tensor:
    """Pad every axis; the amounts may come as a row of a matrix."""
    return _padded(data, pads, value, None, mode)


@operator("CenterCropPad", since=18)
def center_crop_pad(input_data: Tensor, shape: Ints, *, axes: Sequence[int] | None = None) -> Tensor:
    """Crop or zero-pad axes about their middle; an odd rest goes to the end."""
    axes = range(input_data.dim()) if axes is None else axes
    if len(axes) != len(shape):
        raise EvaluationError(
            f"CenterCropPad to {list(shape)} along the axes {list(axes)}; give one size for each axis"
        )
    befores, afters = [], []
    for axis, wanted in zip(axes, shape, strict=True):
        missing = wanted - input_data.shape[axis]
        before = missing // 2 if missing > 0 else -(-missing // 2)
        befores.append(before)
        afters.append(missing - before)
    return _padded(input_data, [*befores, *afters], 0, axes, "constant")


def _padded(
    data: Tensor, pads: Sequence[int], fill: Tensor | complex | None, axes: Sequence[int] | None, mode: str
) -> Tensor:
    """Pad and crop the axes named.

    Parameters
    ----------
    data : Tensor
        Any shape and type.
    pads : sequence of int
        The amounts before each axis named, then the amounts after each; negative ones crop.
    fill : Tensor or number, optional
        What "constant" puts there; 0 by default.
    axes : sequence of int, optional
        All of them by default.
    mode : str
        "constant", "reflect", "edge" or "wrap".
    """
    axes = range(data.dim()) if axes is None else axes
    count = len(axes)
    if len(pads) != 2 * count:
        raise EvaluationError(f"Pad by {list(pads)} along {count} axes; two numbers for each axis would do")
    amounts = {axis % data.dim(): (pads[place], pads[place + count]) for place, axis in enumerate(axes)}
    amounts = {axis: pair for axis, pair in amounts.items() if pair != (0, 0)}
    if not amounts:
        return data
    allowed([data.shape[axis] + sum(amounts.get(axis, ())) for axis in range(data.dim())], "Pad")
    if mode == "constant":
        return _constant(data, amounts, 0 if fill is None else fill)
    if mode not in ("reflect", "edge", "wrap"):
        raise EvaluationError(f"Pad in the mode '{mode}'; constant, reflect, edge and wrap are known")
    return _continued(data, amounts, mode)


def _constant(data: Tensor, amounts: dict[int, tuple[int, int]], fill: Tensor | complex) -> Tensor:
    # torch wants the last axis first.
    flat = [amount for axis in range(data.dim() - 1, min(amounts) - 1, -1) for amount in amounts.get(axis, (0, 0))]
    if isinstance(fill, Tensor):
        inside = F.pad(torch.ones_like(data, dtype=torch.bool), flat)
        return torch.where(inside, F.pad(data, flat), fill.reshape(()))
    return F.pad(data, flat, value=fill)  # type: ignore[arg-type]  # torch takes int and bool as well as float


def _continued(data: Tensor, amounts: dict[int, tuple[int, int]], mode: str) -> Tensor:
    """Crop first, then continue what is left beyond its border, as ONNX Runtime does."""
    for axis, (before, after) in amounts.items():
        if before < 0 or after < 0:
            left, right = max(-before, 0), max(-after, 0)
            data = data.narrow(axis, left, data.shape[axis] - left - right)
            amounts = {**amounts, axis: (max(before, 0), max(after, 0))}
        size, most = data.shape[axis], max(amounts[axis])
        if most and (size == 0 or (mode == "reflect" and most >= size)):
            raise EvaluationError(
                f"Pad in the mode '{mode}' by {most} along axis {axis}, of which {size} are there; that is too far"
            )
    rank = data.dim()
    if mode != "wrap" and data.is_floating_point() and 3 <= rank <= 5 and min(amounts) >= 2:
        flat = [amount for axis in range(rank - 1, 1, -1) for amount in amounts.get(axis, (0, 0))]
        return F.pad(data, flat, mode="reflect" if mode == "reflect" else "replicate")
    for axis, (before, after) in amounts.items():
        size = data.shape[axis]
        places = torch.arange(-before, size + after, device=data.device)
        if mode == "edge":
            places = places.clamp(0, size - 1)
        elif mode == "wrap":
            places = places.remainder(size)
        else:
            places = size - 1 - (size - 1 - places.abs()).abs()
        data = data.index_select(axis, places)
    return data
