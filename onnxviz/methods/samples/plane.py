"""Points of many dimensions in a plane: principal components, t-SNE, UMAP; and how much of their neighborhoods is left."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np

from onnxviz.errors import DataError, UsageError

Method = Literal["pca", "tsne", "umap"]

_NEIGHBORS = 10
_COMPONENTS = 50
"""t-SNE is given at most so many principal components (van der Maaten and Hinton 2008)."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Points in a plane.

    Attributes
    ----------
    points : (sample, 2) ndarray
        Along the axes of a PCA in the codes' own units; of the other methods in units that mean nothing.
    method : str
        How they were found.
    explained : tuple of float
        Of a PCA, the share of the variance along each axis.
    kept : float
        The share of each sample's nearest 10 in the plane whose codes are among its nearest 10 codes, or as near as these,
        averaged; by chance it would be about 10 in the number of samples.
    """

    points: np.ndarray
    method: Method
    explained: tuple[float, ...]
    kept: float


def available(method: str) -> bool:
    """Tell whether what a method needs is installed."""
    needed = {"tsne": "sklearn", "umap": "umap"}.get(method)
    return needed is None or find_spec(needed) is not None


def project(codes: np.ndarray, method: Method, seed: int = 0) -> Plane:
    """Lay codes out in a plane.

    Parameters
    ----------
    codes : (sample, feature) ndarray
        Finite.
    method : {"pca", "tsne", "umap"}
        Principal components, each pointing to where its largest loading is positive; t-distributed stochastic neighbor
        embedding (van der Maaten and Hinton 2008), started from them; uniform manifold approximation (McInnes et al. 2018).
    seed : int
        For the latter two.

    Raises
    ------
    DataError
        There are fewer than three codes, or none differs from another.
    UsageError
        The method needs a package that is not installed.
    """
    codes = np.asarray(codes, np.float64)
    if len(codes) < 3:
        raise DataError(
            f"a map wants three samples or more, and there {'is 1' if len(codes) == 1 else f'are {len(codes)}'}"
        )
    if not available(method):
        package = {"tsne": "scikit-learn", "umap": "umap-learn"}[method]
        raise UsageError(f"`method` {method} needs {package}: pip install {package}, or take `method` pca")
    centered = codes - codes.mean(0)
    if not centered.any():
        raise DataError("every sample has the same code here, so there is no map of them")
    components, shares = _principal(centered)
    explained: tuple[float, ...] = ()
    if method == "pca":
        points = components[:, :2]
        explained = tuple(float(share) for share in shares[:2])
    else:
        points = (_tsne if method == "tsne" else _umap)(components[:, :_COMPONENTS], seed)
    if points.shape[1] < 2:
        points = np.column_stack([points, np.zeros(len(points))])
    points = np.asarray(points, np.float64)
    return Plane(points, method, explained, _kept(codes, points))


def _principal(centered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates along the principal components, the strongest first, and their shares of the variance."""
    left, sizes, right = np.linalg.svd(centered, full_matrices=False)
    largest = np.abs(right).argmax(axis=1)
    signs = np.where(right[np.arange(len(right)), largest] < 0, -1.0, 1.0)
    return left * sizes * signs, sizes**2 / (sizes**2).sum()


def _tsne(components: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE

    # As scikit-learn scales its own start: t-SNE spreads out from a small one.
    start = components[:, :2] if components.shape[1] > 1 else np.column_stack([components, np.zeros(len(components))])
    start = start / (start[:, 0].std() or 1.0) * 1e-4
    perplexity = min(30.0, (len(components) - 1) / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        found: np.ndarray = TSNE(perplexity=perplexity, init=start, random_state=seed, n_jobs=1).fit_transform(
            components
        )
    return found


def _umap(components: np.ndarray, seed: int) -> np.ndarray:
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed keeps it from running in several threads
        found: np.ndarray = umap.UMAP(n_neighbors=min(15, len(components) - 1), random_state=seed).fit_transform(
            components
        )
    return found


def nearest(points: np.ndarray, k: int) -> np.ndarray:
    """Return the numbers of the k points nearest to each, itself left out: (sample, k) ndarray, the nearest first."""
    found = [np.argsort(distances, axis=1, kind="stable")[:, :k] for _, distances in _distances(points)]
    return np.concatenate(found)


def _distances(points: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the squared distances of some points at a time to all; to itself, a point is infinitely far."""
    points = np.asarray(points, np.float64)
    points = points - points.mean(0)
    squares = (points**2).sum(1)
    # What is equal shall be equally far: rounding, which the squares' size tells, would order it.
    grain = 1e-12 * (float(squares.max()) or 1.0)
    step = max(1, (1 << 24) // len(points))
    for start in range(0, len(points), step):
        rows = slice(start, min(start + step, len(points)))
        distances = squares[None] + squares[rows, None] - 2 * (points[rows] @ points.T)
        distances = np.rint(np.maximum(distances, 0) / grain) * grain
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf
        yield rows, distances


def _kept(codes: np.ndarray, points: np.ndarray) -> float:
    """Return the share of the neighbors in the plane that are no farther as codes than the tenth nearest code is."""
    k = min(_NEIGHBORS, len(codes) - 1)
    after = nearest(points, k)
    shares = []
    for rows, distances in _distances(codes):
        farthest = np.partition(distances, k - 1, axis=1)[:, k - 1]
        shares.append((np.take_along_axis(distances, after[rows], 1) <= farthest[:, None]).mean(axis=1))
    return float(np.concatenate(shares).mean())


def agreement(codes: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of samples whose nearest code belongs to a sample with the same label.

    Where several codes are equally near, as those of a tree are, their shares count.

    Parameters
    ----------
    codes : (sample, feature) ndarray
    labels : (sample,) ndarray
    """
    shares = []
    for rows, distances in _distances(codes):
        near = distances == distances.min(axis=1, keepdims=True)
        same = labels[None] == labels[rows, None]
        shares.append((near & same).sum(axis=1) / near.sum(axis=1))
    return float(np.concatenate(shares).mean())
