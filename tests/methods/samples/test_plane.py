"""Codes on a map: principal components by their closed form, neighbors by brute force, seeds."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.errors import DataError, UsageError
from onnxviz.methods.samples import plane
from onnxviz.methods.samples.plane import agreement, nearest, project


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    random = np.random.default_rng(0)
    centers = random.standard_normal((3, 8)) * 6
    return np.concatenate([center + random.standard_normal((20, 8)) for center in centers])


def test_principal_components_are_the_covariances_eigenvectors(codes) -> None:
    found = project(codes, "pca")
    values, vectors = np.linalg.eigh(np.cov(codes.T, bias=True))
    wanted = (codes - codes.mean(0)) @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(found.points), np.abs(wanted), atol=1e-9)
    np.testing.assert_allclose(found.explained, values[::-1][:2] / values.sum())


def test_codes_in_a_plane_keep_all_their_neighbors() -> None:
    flat = np.random.default_rng(1).standard_normal((40, 2))
    turned = flat @ np.linalg.qr(np.random.default_rng(2).standard_normal((5, 5)))[0][:2]
    assert project(turned, "pca").kept == 1.0


def test_neighbors_are_those_of_brute_force(codes) -> None:
    distances = np.linalg.norm(codes[:, None] - codes[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(nearest(codes, 5), np.argsort(distances, 1)[:, :5])
    assert agreement(codes, np.repeat([0, 1, 2], 20)) == 1.0


def test_codes_that_are_equal_share_their_neighbors() -> None:
    codes = np.repeat([[0.0, 1.0], [1.0, 0.0]], 4, axis=0)
    labels = np.array([1, 0, 0, 0, 1, 1, 1, 1])
    # The outlier agrees with none of the three others of its class, each of these with two of three, and all other samples with all.
    assert agreement(codes, labels) == pytest.approx((0 + 3 * 2 / 3 + 4) / 8)
    assert project(np.concatenate([codes, codes]), "pca").kept == 1.0


def test_tsne_keeps_groups_apart_and_a_seed_its_result(codes) -> None:
    pytest.importorskip("sklearn", reason="t-SNE is of the embed extra")
    first, second = (project(codes, "tsne", seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.points, second.points)
    assert agreement(first.points, np.repeat([0, 1, 2], 20)) == 1.0


def test_what_makes_no_map_is_refused(codes, monkeypatch) -> None:
    with pytest.raises(DataError, match="three samples or more"):
        project(codes[:2], "pca")
    with pytest.raises(DataError, match="the same code"):
        project(np.ones((5, 4)), "pca")
    assert project(np.arange(6.0)[:, None], "pca").points.shape == (6, 2)
    monkeypatch.setattr(plane, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install scikit-learn"):
        project(codes, "tsne")
