"""Shared parts of the tests of `maximize`: a few weights, a short way to call it, and the saved arrays."""

from __future__ import annotations

import numpy as np

WEIGHTS = np.array([[1, 0], [-2, 1], [3, -1]], np.float32)


def saved(folder, target: str, name: str = "input") -> np.ndarray:
    with np.load(folder / target / "arrays.npz") as arrays:
        return arrays[name]


def aim(cli, path, *words, steps: int = 40):
    outcome = cli("maximize", path, *words, "--steps", steps, "--rate", 0.2, "--json")
    assert outcome.code == 0, outcome.err
    return outcome.document["runs"]
