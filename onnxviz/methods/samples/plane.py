"""Maps of high-dimensional codes in a plane, by principal components, t-SNE or UMAP, and the share of neighbors that they keep."""

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
"""The most principal components that t-SNE is given (van der Maaten and Hinton 2008)."""


@dataclass(frozen=True, eq=False)
class Plane:
    """A map of codes in a plane.

    Attributes
    ----------
    points : (sample, 2) ndarray
        The places of the samples. Those of a PCA are in the codes' own units; those of other methods have no unit.
    method : str
        The method that made the map.
    explained : tuple of float
        The share of the variance along each axis, for a PCA.
    kept : float
        The share of a sample's 10 nearest neighbors in the plane whose codes are among its 10 nearest codes, or equally near; the
        mean over all samples. By chance this share is about 10 divided by the number of samples.
    """

    points: np.ndarray
    method: Method
    explained: tuple[float, ...]
    kept: float


def available(method: str) -> bool:
    """Return whether the package that a method needs is installed."""
    needed = {"tsne": "sklearn", "umap": "umap"}.get(method)
    return needed is None or find_spec(needed) is not None


def project(codes: np.ndarray, method: Method, seed: int = 0) -> Plane:
    """Return a map of codes in a plane.

    Parameters
    ----------
    codes : (sample, feature) ndarray
        The codes, all finite.
    method : {"pca", "tsne", "umap"}
        Principal components, each with the sign that makes its largest loading positive; t-distributed stochastic neighbor embedding
        (van der Maaten and Hinton 2008), which starts from the principal components; or uniform manifold approximation (McInnes et
        al. 2018).
    seed : int
        The seed of t-SNE and UMAP.

    Raises
    ------
    DataError
        If there are fewer than three codes, or if all codes are equal.
    UsageError
        If the method needs a package that is not installed.
    """
    codes = np.asarray(codes, np.float64)
    if len(codes) < 3:
        raise DataError(
            f"a map needs three samples or more, and there {'is 1' if len(codes) == 1 else f'are {len(codes)}'}"
        )
    if not available(method):
        package = {"tsne": "scikit-learn", "umap": "umap-learn"}[method]
        raise UsageError(f"`method` {method} needs {package}: pip install {package}, or take `method` pca")
    centered = codes - codes.mean(0)
    if not centered.any():
        raise DataError("all samples have the same code, so that a map would show nothing; choose another tensor")
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

    # scikit-learn scales its own start in the same way, since t-SNE spreads out from a small start.
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
        warnings.simplefilter("ignore")  # about the seed, which keeps UMAP from running in several threads
        found: np.ndarray = umap.UMAP(n_neighbors=min(15, len(components) - 1), random_state=seed).fit_transform(
            components
        )
    return found


def nearest(points: np.ndarray, k: int) -> np.ndarray:
    """Return the numbers of the k points nearest to each point, without the point itself: (sample, k), the nearest first."""
    found = [np.argsort(distances, axis=1, kind="stable")[:, :k] for _, distances in _distances(points)]
    return np.concatenate(found)


def _distances(points: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the squared distances of some points at a time to all points; the distance of a point to itself is infinite."""
    points = np.asarray(points, np.float64)
    points = points - points.mean(0)
    squares = (points**2).sum(1)
    # Distances are rounded, so that equal distances are exactly equal. The error of a distance grows with the squares.
    grain = 1e-12 * (float(squares.max()) or 1.0)
    step = max(1, (1 << 24) // len(points))
    for start in range(0, len(points), step):
        rows = slice(start, min(start + step, len(points)))
        distances = squares[None] + squares[rows, None] - 2 * (points[rows] @ points.T)
        distances = np.rint(np.maximum(distances, 0) / grain) * grain
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf
        yield rows, distances


def _kept(codes: np.ndarray, points: np.ndarray) -> float:
    """Return the share of neighbors in the plane whose codes are at most as far as the tenth nearest code."""
    k = min(_NEIGHBORS, len(codes) - 1)
    after = nearest(points, k)
    shares = []
    for rows, distances in _distances(codes):
        farthest = np.partition(distances, k - 1, axis=1)[:, k - 1]
        shares.append((np.take_along_axis(distances, after[rows], 1) <= farthest[:, None]).mean(axis=1))
    return float(np.concatenate(shares).mean())


def agreement(codes: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of samples whose nearest code belongs to a sample with the same label.

    Where several codes are equally near, as codes of a tree often are, the share of them with the same label counts.

    Parameters
    ----------
    codes : (sample, feature) ndarray
        The codes.
    labels : (sample,) ndarray
        The labels.
    """
    shares = []
    for rows, distances in _distances(codes):
        near = distances == distances.min(axis=1, keepdims=True)
        same = labels[None] == labels[rows, None]
        shares.append((near & same).sum(axis=1) / near.sum(axis=1))
    return float(np.concatenate(shares).mean())
