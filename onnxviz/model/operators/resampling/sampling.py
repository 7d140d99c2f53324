"""Samples between pixels: GridSample, AffineGrid, and linear interpolation at arbitrary positions."""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Ints, operator
from onnxviz.model.operators.shapes.allocation import allowed

_MODES = {
    "linear": "bilinear",
    "bilinear": "bilinear",
    "nearest": "nearest",
    "cubic": "bicubic",
    "bicubic": "bicubic",
}
_CUBIC_COEFFICIENT = -0.75


def interpolate(X: Tensor, coordinates: Tensor) -> Tensor:
    """Return values interpolated linearly at arbitrary positions. Values outside the input are zero.

    Parameters
    ----------
    X : (batch, channel, *spatial)
        One to three spatial axes.
    coordinates : (batch, point, axes)
        Coordinates in pixels. The coordinate along the first spatial axis comes first.

    Returns
    -------
    (batch, channel, point)

    Raises
    ------
    EvaluationError
        If there are more than three spatial axes.
    """
    sizes = torch.tensor(X.shape[2:], dtype=X.dtype, device=X.device)
    grid = ((2 * coordinates.to(X.dtype) + 1) / sizes - 1).flip(-1)
    batch, points, rank = grid.shape
    sampled = grid_sample(X, grid.reshape(batch, points, *[1] * (rank - 1), rank))
    return sampled.reshape(batch, X.shape[1], points)


@operator("GridSample", since=16)
@operator("GridSample", domain="com.microsoft")
def grid_sample(
    X: Tensor, grid: Tensor, *, mode: str = "linear", padding_mode: str = "zeros", align_corners: int = 0
) -> Tensor:
    """Return samples at the positions of a grid (ONNX GridSample 16, 20 and 22 and com.microsoft GridSample).

    Parameters
    ----------
    X : (batch, channel, *spatial)
        One to three spatial axes. Integers are sampled in the grid's type and cut to whole numbers.
    grid : (batch, *output, axes)
        Coordinates from -1 to 1 across the input. The coordinate along the last spatial axis comes first.
    mode : {"linear", "nearest", "cubic"}
        In revision 16 the names are "bilinear", "nearest" and "bicubic".
    padding_mode : {"zeros", "border", "reflection"}
        The values outside the input.
    align_corners : int
        Whether -1 and 1 are the middles of the corner pixels. Otherwise they are their outer edges.

    Returns
    -------
    (batch, channel, *output)

    Raises
    ------
    EvaluationError
        If a mode has another name, or there are more than three spatial axes.
    """
    rank = X.ndim - 2
    if mode not in _MODES or padding_mode not in ("zeros", "border", "reflection"):
        raise EvaluationError(
            f"GridSample has mode {mode!r} and padding_mode {padding_mode!r}; ONNX knows the modes {', '.join(_MODES)} and the padding "
            "modes zeros, border and reflection"
        )
    if rank not in (1, 2, 3):
        raise EvaluationError(f"GridSample over {rank} spatial axes is not supported; 1, 2 and 3 axes are")
    if not X.is_floating_point():
        options = {"mode": mode, "padding_mode": padding_mode}
        return grid_sample(X.to(grid.dtype), grid, align_corners=align_corners, **options).to(X.dtype)
    grid = grid.to(X.dtype)
    corners = bool(align_corners)
    if rank == 1:
        # A line is a plane with a single row. The middle of a row is 0, with and without aligned corners.
        grid = torch.cat((grid, torch.zeros_like(grid)), -1)[:, None]
        return F.grid_sample(X[:, :, None], grid, _MODES[mode], padding_mode, corners)[:, :, 0]
    if rank == 3 and _MODES[mode] == "bicubic":
        return _sample_volume_cubic(X, grid, padding_mode, corners)
    return F.grid_sample(X, grid, _MODES[mode], padding_mode, corners)


def _sample_volume_cubic(X: Tensor, grid: Tensor, padding_mode: str, corners: bool) -> Tensor:
    """Return values interpolated cubically along three axes, which torch does not offer. Each sample has 64 neighbors."""
    batch, channels, *sizes = X.shape
    flat, taps = X.flatten(2), []
    for axis, size in enumerate(sizes):
        along = grid[..., 2 - axis].flatten(1)
        place = (along + 1) / 2 * (size - 1) if corners else ((along + 1) * size - 1) / 2
        below = place.detach().floor()
        taps.append(
            [
                _neighbor(below.long() + tap, (place - below - tap).abs(), size, padding_mode, corners)
                for tap in range(-1, 3)
            ]
        )
    total = X.new_zeros(batch, channels, grid[..., 0].flatten(1).shape[1])
    for (z, depth), (y, height), (x, width) in product(*taps):
        place = (z * sizes[1] + y) * sizes[2] + x
        values = flat.gather(2, place[:, None].expand(-1, channels, -1))
        total = total + values * (depth * height * width)[:, None]
    return total.reshape(batch, channels, *grid.shape[1:-1])


def _neighbor(place: Tensor, distance: Tensor, size: int, padding_mode: str, corners: bool) -> tuple[Tensor, Tensor]:
    """Return the position of a tap inside the axis, and its weight."""
    a = _CUBIC_COEFFICIENT
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    weight = torch.where(distance <= 1, near, far)
    if padding_mode == "zeros":
        weight = weight * ((place >= 0) & (place < size))
    elif padding_mode == "reflection" and corners:
        place = (size - 1) - (place.abs() % max(2 * size - 2, 1) - (size - 1)).abs()
    elif padding_mode == "reflection":
        place = place % (2 * size)
        place = torch.minimum(place, 2 * size - 1 - place)
    return place.clamp(0, size - 1), weight


@operator("AffineGrid", since=20)
def affine_grid(theta: Tensor, size: Ints, *, align_corners: int = 0) -> Tensor:
    """Return the grid of an affine map over an output (ONNX AffineGrid 20).

    Parameters
    ----------
    theta : (batch, 2, 3) or (batch, 3, 4)
    size : tuple of int
        The whole shape of the output, (batch, channel, *spatial).
    align_corners : int
        As in `grid_sample`.

    Returns
    -------
    (batch, *spatial, axes)

    Raises
    ------
    AllocationError
        If `size` asks for more elements than are allowed.
    """
    allowed((*size[2:], len(size), theta.shape[0]), "AffineGrid")
    return F.affine_grid(theta, list(size), bool(align_corners))
