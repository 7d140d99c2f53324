"""Pad and CenterCropPad: values added beyond the border of a tensor, or cut off inside it."""

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
    """Return the value of a tensor as a number. A tensor that requires a gradient is returned unchanged."""
    if value.requires_grad:
        return value
    number: complex = value.item()
    return number


Fill = Annotated[Tensor | complex, _fill]


@operator("Pad", since=1, until=1)
def pad_1(data: Tensor, *, paddings: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Return the data padded along every axis (ONNX Pad 1).

    The amounts are the attribute `paddings`.
    """
    return _padded(data, paddings, value, None, mode)


@operator("Pad", since=2, until=10)
def pad_2(data: Tensor, *, pads: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Return the data padded along every axis (ONNX Pad 2).

    The amounts are the attribute `pads`.
    """
    return _padded(data, pads, value, None, mode)


@operator("Pad", since=11, until=17)
def pad_11(data: Tensor, pads: Ints, constant_value: Fill | None = None, *, mode: str = "constant") -> Tensor:
    """Return the data padded along every axis (ONNX Pad 11 and 13).

    The amounts are an input.
    """
    return _padded(data, pads, constant_value, None, mode)


@operator("Pad", since=18)
def pad(
    data: Tensor, pads: Ints, constant_value: Fill | None = None, axes: Ints | None = None, *, mode: str = "constant"
) -> Tensor:
    """Return the data padded along the given axes (ONNX Pad 18 to 25).

    The amounts are an input.
    """
    return _padded(data, pads, constant_value, axes, mode)


@operator("Pad", domain="com.microsoft")
def pad_microsoft(data: Tensor, pads: Ints, value: Fill | None = None, *, mode: str = "constant") -> Tensor:
    """Return the data padded along every axis (com.microsoft Pad).

    The amounts are an input, which may be a matrix with a single row.
    """
    return _padded(data, pads, value, None, mode)


@operator("CenterCropPad", since=18)
def center_crop_pad(input_data: Tensor, shape: Ints, *, axes: Sequence[int] | None = None) -> Tensor:
    """Return the data cropped or padded with zeros around the middle of each axis (ONNX CenterCropPad 18).

    An odd rest goes to the end.
    """
    axes = range(input_data.dim()) if axes is None else axes
    if len(axes) != len(shape):
        raise EvaluationError(f"CenterCropPad to {list(shape)} along the axes {list(axes)}; give each axis a size")
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
    """Return the data padded and cropped along the given axes.

    Parameters
    ----------
    data : Tensor
        Any shape and type.
    pads : sequence of int
        The amounts before each of the axes, then the amounts after each. A negative amount crops.
    fill : Tensor or number, optional
        The new value in the mode "constant". The default is 0.
    axes : sequence of int, optional
        The axes to pad. The default is all axes.
    mode : str
        "constant", "reflect", "edge" or "wrap".

    Raises
    ------
    EvaluationError
        If the amounts do not fit the axes, or the mode has another name.
    AllocationError
        If the amounts ask for more elements than are allowed.
    """
    axes = range(data.dim()) if axes is None else axes
    count = len(axes)
    if len(pads) != 2 * count:
        raise EvaluationError(f"Pad by {list(pads)} along {count} axes; give two numbers for each axis")
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
    # torch takes the amounts of the last axis first.
    flat = [amount for axis in range(data.dim() - 1, min(amounts) - 1, -1) for amount in amounts.get(axis, (0, 0))]
    if isinstance(fill, Tensor):
        inside = F.pad(torch.ones_like(data, dtype=torch.bool), flat)
        return torch.where(inside, F.pad(data, flat), fill.reshape(()))
    return F.pad(data, flat, value=fill)  # type: ignore[arg-type]  # torch takes int and bool, too


def _continued(data: Tensor, amounts: dict[int, tuple[int, int]], mode: str) -> Tensor:
    """Return the data cropped, then continued beyond its border, as ONNX Runtime does."""
    for axis, (before, after) in amounts.items():
        if before < 0 or after < 0:
            left, right = max(-before, 0), max(-after, 0)
            data = data.narrow(axis, left, data.shape[axis] - left - right)
            amounts = {**amounts, axis: (max(before, 0), max(after, 0))}
        size, most = data.shape[axis], max(amounts[axis])
        if most and (size == 0 or (mode == "reflect" and most >= size)):
            raise EvaluationError(
                f"Pad in the mode '{mode}' by {most} along axis {axis} of size {size}; "
                f"{'give a padding below the size' if size else 'give an axis that is not empty'}"
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
