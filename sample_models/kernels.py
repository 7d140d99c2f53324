"""Convolution kernels from independent component analysis of natural picture patches.

Bell and Sejnowski (1997) and van Hateren and van der Schaaf (1998) found that the independent components of natural
pictures are localized, oriented band-pass filters, like the simple cells of the visual cortex and like the first layers
of networks trained on ImageNet; in color pictures some of them are color-opponent (Hoyer and Hyvärinen, 2000).
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning


def independent_kernels(patches: np.ndarray, count: int, *, window: float) -> np.ndarray:
    """Learn kernels whose answers to the patches are as independent of each other as can be.

    Parameters
    ----------
    patches : (sample, channel, height, width) float64 array
        In the units in which the convolution will see them.
    count : int
        How many kernels, which is also the number of principal components kept.
    window : float
        The standard deviation, in pixels, of the Gaussian window through which the patches are seen.

    Returns
    -------
    (count, channel, height, width) float64 array
        Each scaled so that its answers to the patches have standard deviation 1.
    """
    height, width = patches.shape[2:]
    y, x = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    taper = np.exp(-(y[:, None] ** 2 + x**2) / (2 * window**2))
    rows = (patches * taper).reshape(len(patches), -1)
    rows = rows - rows.mean(axis=0)
    variances, axes = np.linalg.eigh(rows.T @ rows / len(rows))
    variances, axes = variances[::-1][:count], axes[:, ::-1][:, :count]
    white = rows @ axes / np.sqrt(variances)
    # Patches of high contrast would otherwise decide alone what is called independent.
    white /= np.sqrt(1 + (white**2).mean(axis=1, keepdims=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        analysis = FastICA(count, whiten="unit-variance", max_iter=60, tol=1e-3, random_state=0).fit(white)
    # Each component weighs its frequencies alike. Undoing the whitening here would favor the highest ones, which look
    # like noise on the kernel.
    kernels = analysis.components_ @ axes.T
    kernels /= (rows @ kernels.T).std(axis=0)[:, None]
    return kernels.reshape(count, *patches.shape[1:]) * taper
