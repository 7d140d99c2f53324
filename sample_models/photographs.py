"""The color photographs that scikit-image carries in its wheel, and how they are cut for training and testing.

All of them are in the public domain or CC0; README.md says where each one comes from.
"""

from __future__ import annotations

import numpy as np
from skimage import data

CLASS_NAMES = ("astronaut", "cat", "coffee", "galaxies", "retina", "rocket", "tissue")
BLOCK = 100


def photographs() -> dict[str, np.ndarray]:
    """Return the seven photographs at comparable sizes, (height, width, 3) uint8 sRGB, by class name."""
    return {
        "astronaut": data.astronaut(),
        "cat": data.chelsea(),
        "coffee": data.coffee(),
        "galaxies": shrink(data.hubble_deep_field(), 2),
        "retina": shrink(data.retina(), 3),
        "rocket": data.rocket(),
        "tissue": data.immunohistochemistry(),
    }


def shrink(picture: np.ndarray, factor: int) -> np.ndarray:
    """Average each square of `factor` by `factor` pixels of a (height, width, ...) uint8 picture, less a remainder."""
    height, width = (size // factor for size in picture.shape[:2])
    squares = picture[: height * factor, : width * factor].reshape(height, factor, width, factor, *picture.shape[2:])
    return np.rint(squares.mean(axis=(1, 3))).astype(np.uint8)


def blocks(picture: np.ndarray, *, held_out: bool) -> list[np.ndarray]:
    """Cut a picture into blocks of at least `BLOCK` pixels a side and return those for training or those held out.

    Every fourth block is held out. Patches are taken from within one block, so that no pixel is in both parts.
    """
    rows = np.array_split(np.arange(picture.shape[0]), picture.shape[0] // BLOCK)
    columns = np.array_split(np.arange(picture.shape[1]), picture.shape[1] // BLOCK)
    return [
        picture[row[0] : row[-1] + 1, column[0] : column[-1] + 1]
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
        if ((i + 2 * j) % 4 == 0) == held_out
    ]


def patches(parts: list[np.ndarray], size: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw square patches from anywhere in the blocks, turned by quarters and mirrored at random.

    Parameters
    ----------
    parts : list of (height, width, 3) uint8 arrays
        The blocks; every one is as likely as the next.
    size : int
        The side in pixels.
    count : int
        How many. Patches with hardly any contrast (empty sky, the black around the retina) are drawn again.
    rng : numpy.random.Generator
        Where the randomness comes from.

    Returns
    -------
    (count, 3, size, size) uint8 array
    """
    drawn: list[np.ndarray] = []
    while len(drawn) < count:
        part = parts[rng.integers(len(parts))]
        y, x = (rng.integers(side - size + 1) for side in part.shape[:2])
        patch = np.rot90(part[y : y + size, x : x + size], int(rng.integers(4)))
        patch = patch[:, ::-1] if rng.integers(2) else patch
        if patch.std(axis=(0, 1)).max() > 4:
            drawn.append(patch.transpose(2, 0, 1))
    return np.stack(drawn)
