"""The change of a sound's sampling rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def resample(sound: NDArray[Any], rate: int, wanted: int) -> NDArray[np.float32]:
    """Return a sound with another number of samples per second.

    The spectrum of the sound is cut off at half of the lower rate, or is continued with zeros.

    Parameters
    ----------
    sound : (channel, sample)
        The sound, in any units.
    rate, wanted : int
        The samples per second of the sound and of the result.

    Returns
    -------
    (channel, sample * wanted / rate) float32
        The sound at the new rate, in the same units.
    """
    sound = np.asarray(sound, np.float64)
    length = sound.shape[1]
    count = max(1, round(length * wanted / rate))
    if count == length:
        return sound.astype(np.float32)
    # The sound is mirrored at its end. The Fourier transform treats a sound as periodic, and a jump from its end to its start would
    # make oscillations.
    spectrum = np.fft.rfft(np.concatenate([sound, sound[:, ::-1]], axis=1), axis=1)
    kept = np.zeros((len(sound), count + 1), np.complex128)
    shared = min(kept.shape[1], spectrum.shape[1])
    kept[:, :shared] = spectrum[:, :shared]
    return np.asarray(np.fft.irfft(kept, 2 * count, axis=1)[:, :count] * (count / length), np.float32)
