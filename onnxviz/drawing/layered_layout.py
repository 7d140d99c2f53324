"""The layout of a directed graph without circles, in layers: every arrow points down, and neighbors stand close.

The steps are those of Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981):
layers by the longest path, points in between on long arrows, an order within each layer by barycenters, then places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_SWEEPS = 8
"""The number of barycenter sweeps, down and up in turn. More sweeps change little."""

_LONG = 40
"""An arrow over more layers than this gets no points in between, since these would make all of the layers wider."""


@dataclass(frozen=True)
class Layout:
    """The places of a graph's nodes and edges.

    Attributes
    ----------
    x, y : (node,) ndarray
        The centers, in pixels; x grows to the right, y down.
    routes : tuple of (point, 2) ndarray
        For each edge the points that its line passes, both ends included.
    width, height : float
        The size of the whole drawing, which begins at 0, 0.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    routes: tuple[NDArray[np.float64], ...]
    width: float
    height: float


def layered_layout(
    widths: Sequence[float],
    edges: Sequence[tuple[int, int]],
    *,
    height: float = 28.0,
    gap: tuple[float, float] = (18.0, 30.0),
    margin: float = 16.0,
) -> Layout:
    """Return places for the nodes and edges of a graph.

    Parameters
    ----------
    widths : sequence of float
        The width of each node in pixels. The nodes come in an order in which every edge leads forward.
    edges : sequence of (int, int)
        Pairs of a node and a later node that it leads to.
    height : float
        The height of every node.
    gap : (float, float)
        The gap between neighbors in a layer, and between layers.
    margin : float
        The margin around the drawing.

    Raises
    ------
    ValueError
        If an edge does not lead forward.

    Examples
    --------
    >>> drawn = layered_layout([40, 40, 40], [(0, 1), (0, 2)])
    >>> bool(drawn.y[0] < drawn.y[1] == drawn.y[2])
    True
    """
    for start, end in edges:
        if not 0 <= start < end < len(widths):
            raise ValueError(f"the edge from {start} to {end} does not lead forward")
    if not widths:
        return Layout(np.zeros(0), np.zeros(0), (), 2 * margin, 2 * margin)
    layer, paths, sizes = _points(list(widths), edges)
    above, below = _neighbors(layer, paths)
    order = _ordered(layer, above, below)
    x = _across(order, sizes, above, below, gap[0])
    x += margin - min(place - size / 2 for place, size in zip(x, sizes, strict=True))
    y = margin + height / 2 + np.asarray(layer, np.float64) * (height + gap[1])
    routes = tuple(np.stack([x[path], y[path]], 1) for path in paths)
    whole = max(place + size / 2 for place, size in zip(x, sizes, strict=True)) + margin
    count = len(widths)
    return Layout(x[:count], y[:count], routes, float(whole), float(y.max() + height / 2 + margin))


def _points(widths: list[float], edges: Sequence[tuple[int, int]]) -> tuple[list[int], list[list[int]], list[float]]:
    """Return each point's layer, each edge's path over points, and each point's width; the nodes come first."""
    layer = [0] * len(widths)
    for start, end in sorted(edges):
        layer[end] = max(layer[end], layer[start] + 1)
    # A node without incoming edges stands just above the first node that it leads to, not at the top of the drawing.
    readers: dict[int, list[int]] = {}
    fed = {end for _, end in edges}
    for start, end in edges:
        readers.setdefault(start, []).append(end)
    for node in range(len(widths)):
        if node not in fed and node in readers:
            layer[node] = max(0, min(layer[end] for end in readers[node]) - 1)
    sizes = list(widths)
    paths = []
    for start, end in edges:
        path = [start]
        if 1 < layer[end] - layer[start] <= _LONG:
            for between in range(layer[start] + 1, layer[end]):
                path.append(len(layer))
                layer.append(between)
                sizes.append(2.0)
        paths.append([*path, end])
    return layer, paths, sizes


def _neighbors(layer: list[int], paths: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in layer]
    below: list[list[int]] = [[] for _ in layer]
    for path in paths:
        for start, end in pairwise(path):
            above[end].append(start)
            below[start].append(end)
    return above, below


def _ordered(layer: list[int], above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    """Order each layer so that few arrows cross."""
    order: list[list[int]] = [[] for _ in range(max(layer) + 1)]
    for point, number in enumerate(layer):
        order[number].append(point)
    place = [0.0] * len(layer)
    for points in order:
        _number(place, points)
    for sweep in range(_SWEEPS):
        beside = above if sweep % 2 == 0 else below
        for points in order if sweep % 2 == 0 else order[::-1]:
            if len(points) > 1:
                centers = {point: _mean(place, beside[point], point) for point in points}
                points.sort(key=lambda point: (centers[point], place[point]))
                _number(place, points)
    return order


def _number(place: list[float], points: list[int]) -> None:
    for number, point in enumerate(points):
        place[point] = float(number)


def _mean(places: list[float], neighbors: list[int], point: int) -> float:
    """Return the mean place of a point's neighbors, or its own place where it has none."""
    return sum(places[other] for other in neighbors) / len(neighbors) if neighbors else places[point]


def _across(
    order: list[list[int]], sizes: list[float], above: list[list[int]], below: list[list[int]], gap: float
) -> NDArray[np.float64]:
    """Return the x of each point's center: near the mean of its neighbors, and without two points that overlap."""
    x = [0.0] * len(sizes)
    for points in order:
        _spread(x, points, [0.0] * len(points), sizes, gap)
    for sweep in range(2 * _SWEEPS):
        beside = above if sweep % 2 == 0 else below
        for points in order if sweep % 2 == 0 else order[::-1]:
            _spread(x, points, [_mean(x, beside[point], point) for point in points], sizes, gap)
    return np.asarray(x)


def _spread(x: list[float], points: list[int], wanted: list[float], sizes: list[float], gap: float) -> None:
    """Move the points of a layer, in place, as near to their wanted places as their widths allow, by least squares.

    Without the widths the places must not decrease, so this is an isotonic regression (pool adjacent violators).
    """
    offset, offsets = 0.0, []
    for number, point in enumerate(points):
        if number:
            offset += (sizes[points[number - 1]] + sizes[point]) / 2 + gap
        offsets.append(offset)
    blocks: list[tuple[float, int]] = []
    for want, shift in zip(wanted, offsets, strict=True):
        total, count = want - shift, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / count:
            before, members = blocks.pop()
            total, count = total + before, count + members
        blocks.append((total, count))
    settled = [total / count for total, count in blocks for _ in range(count)]
    for point, base, shift in zip(points, settled, offsets, strict=True):
        x[point] = base + shift
