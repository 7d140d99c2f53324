"""Sound at another rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def resample(sound: NDArray[Any], rate: int, wanted: int) -> NDArray[np.float32]:
    """Bring a sound to another number of samples per second, band-limited.

    Its spectrum is cut off, or continued with zeros, at half the smaller of the two rates.

    Parameters
    ----------
    sound : (channel, sample)
        In any units.
    rate, wanted : int
        Samples per second, as it is and as it shall be.

    Returns
    -------
    (channel, sample * wanted / rate) float32
        In the same units.
    """
    sound = np.asarray(sound, np.float64)
    length = sound.shape[1]
    count = max(1, round(length * wanted / rate))
    if count == length:
        return sound.astype(np.float32)
    # Mirrored at its end: the transform takes a sound to go round, and a jump there would ring.
    spectrum = np.fft.rfft(np.concatenate([sound, sound[:, ::-1]], axis=1), axis=1)
    kept = np.zeros((len(sound), count + 1), np.complex128)
    shared = min(kept.shape[1], spectrum.shape[1])
    kept[:, :shared] = spectrum[:, :shared]
    return np.asarray(np.fft.irfft(kept, 2 * count, axis=1)[:, :count] * (count / length), np.float32)
