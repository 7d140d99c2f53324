"""What an input expects, as data: its kind, axes, colors and range, each with the evidence for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from onnxviz.errors import UsageError

_WHOLE = 64.0
"""The least width of a range of sound in whole numbers."""


@dataclass(frozen=True)
class InputContract:
    """What an input expects.

    Attributes
    ----------
    name : str
        The tensor.
    shape : tuple of (int, str or None)
        With the batch; () where not even the number of axes is known.
    kind : str
        "image", "clip" (frames over time), "signal" (sampled evenly, one axis), "spectrogram" (time by frequency), "volume",
        "points" (a cloud, whose points have no order), "letters" (one-hot codes of DNA, RNA or proteins), "sequence" (steps of
        features), "vector", "text" (words or sentences), "tokens" or "array".
    axes : tuple of str
        The axes after the batch: "channel", "height", "width", "time", "feature", ….
    color : str or None
        "rgb", "bgr", "gray"; None where the channels are no colors.
    low, high : tuple of float
        The range, one number or one per channel, in the model's own units; empty where it is unbounded.
    mean, scale : tuple of float
        Where the input is centered and how widely it is spread, one number or one per channel or feature; empty where unknown.
    evidence : tuple of str
        A sentence for each thing that was found or assumed.
    whole : str
        Why the whole tensor is one sample; "" where its first axis counts the samples. `shape` and `axes` then have an
        axis for the samples in front of the tensor's own axes.
    spare : tuple of int
        The tensor's axes of size 1 that `shape` and `axes` leave out, as in a vector of the shape 1x1x1x5; of a whole
        tensor, the batch behind its first axis, as in steps x batch x features.
    missing : bool
        Whether the input takes NaN for a missing value.
    dtype : str
        The element type, as numpy names it.
    color_told : bool
        Whether the request, the file or a measurement tells the order of the colors. If not, "rgb" is assumed.
    letters : str
        The letters of one-hot codes, in the order of their axis; "" for other kinds.
    tokens : int
        The number of tokens that the model knows, with the ids 0, 1, 2, …; 0 where that is unknown.
    """

    name: str
    shape: tuple[int | str | None, ...]
    kind: str
    axes: tuple[str, ...]
    color: str | None = None
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    evidence: tuple[str, ...] = ()
    whole: str = ""
    spare: tuple[int, ...] = ()
    missing: bool = False
    dtype: str = "float32"
    color_told: bool = False
    letters: str = ""
    tokens: int = 0

    @property
    def noun(self) -> str:
        """The kind with its article: "an image", "tokens"."""
        if self.kind in ("tokens", "text", "letters"):
            return self.kind
        if self.kind == "points":
            return "a point cloud"
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"

    @property
    def layout(self) -> str:
        """The axes as people write them: NCHW, NHWC, NCT, NF, NPX (points by coordinates), NLT (letters by positions), …."""
        letters = {
            "channel": "C",
            "height": "H",
            "width": "W",
            "time": "T",
            "feature": "F",
            "depth": "D",
            "batch": "N",
        } | {
            "point": "P",
            "coordinate": "X",
            "letter": "L",
            "position": "T",
        }
        written = [letters.get(axis, "?") for axis in self.axes]
        for axis in self.spare if self.whole else (0,):
            written.insert(axis, "N")
        return "".join(written)

    @property
    def has_pixels(self) -> bool:
        """Whether the input holds pixels: a picture, or the frames of a clip."""
        return self.kind in ("image", "clip")

    @property
    def bounded(self) -> bool:
        """Whether the range is known."""
        return bool(self.low)

    def sample_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        """Return the shape of samples, (sample, *axes), for a shape of the tensor."""
        sizes = tuple(size for axis, size in enumerate(shape) if axis not in self.spare)
        return (1, *sizes) if self.whole else sizes

    def tensor_shape(self, samples: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of the tensor for samples of a shape, (sample, *axes): the inverse of `sample_shape`."""
        sizes = list(samples[1:] if self.whole else samples)
        for axis in self.spare:
            sizes.insert(axis, 1)
        return tuple(sizes)

    def fed(self, samples: Any) -> Any:
        """Return the values of the tensor for samples.

        Parameters
        ----------
        samples : (sample, *axes) ndarray or Tensor
            Samples in the order of `axes`.

        Raises
        ------
        UsageError
            If the tensor is one sample, and there are several.
        """
        if self.whole:
            if len(samples) != 1:
                raise UsageError(f"{self.name} has no batch: it takes one sample at a time, not {len(samples)}")
            samples = samples[0]
        for axis in self.spare:
            samples = samples[(slice(None),) * axis + (None,)]
        return samples

    def sampled(self, values: Any) -> Any:
        """Return the samples in the tensor's values, (sample, *axes): the inverse of `fed`."""
        if self.spare:
            values = values[tuple(0 if axis in self.spare else slice(None) for axis in range(values.ndim))]
        return values[None] if self.whole else values

    def pixel_units(self) -> tuple[float, float, tuple[float, ...] | float, tuple[float, ...] | float]:
        """Return (low, high, mean, std) as pictures are fitted and restored by: one range, or a mean and deviation per channel."""
        low, high = self.low or (0.0,), self.high or (1.0,)
        if len(low) == 1:
            return float(low[0]), float(high[0]), 0.0, 1.0
        # (u - mean) / std runs from low to high while u runs from 0 to 1.
        std = tuple(1.0 / (top - bottom) for bottom, top in zip(low, high, strict=True))
        return 0.0, 1.0, tuple(-bottom * one for bottom, one in zip(low, std, strict=True)), std

    def without_assumptions(self) -> InputContract:
        """Return a copy without what was assumed of the range, where the user or real data tell it."""
        assumed = any("assumed" in note for note in self.evidence)
        evidence = tuple(note for note in self.evidence if "assumed" not in note)
        return replace(self, evidence=evidence, low=(), high=()) if assumed else self

    @property
    def holds_integers(self) -> bool:
        """Whether the input takes whole numbers alone; booleans are 0 and 1."""
        return self.dtype.startswith(("int", "uint", "bool"))

    def sound_units(self) -> tuple[float, float]:
        """Return the factor and the offset that bring sound in -1 to 1 to the input's range.

        A range of whole numbers has the units of a sound file's own samples: 32768 and 0 for int16, 128 and 128 for
        uint8. Any other range leaves sound as it is.

        Examples
        --------
        >>> InputContract("x", (1, 8), "signal", ("time",), low=(-32768.0,), high=(32767.0,)).sound_units()
        (32768.0, 0.0)
        """
        if self.kind != "signal" or len(self.low) != 1 or self.high[0] - self.low[0] < _WHOLE:
            return 1.0, 0.0
        half = 2.0 ** round(math.log2((self.high[0] - self.low[0]) / 2))
        return half, float(math.ceil((self.low[0] + self.high[0]) / 2))

    def with_note(self, note: str, **changes: object) -> InputContract:
        """Return a copy with changes and one more sentence of evidence."""
        return replace(self, evidence=(*self.evidence, note), **changes)  # type: ignore[arg-type]  # names of fields alone


def frame_contract(clip: InputContract) -> InputContract:
    """Return the contract of one frame of a clip: a picture with the clip's colors and range."""
    time = clip.axes.index("time")
    shape = tuple(size for axis, size in enumerate(clip.shape) if axis != time + 1)
    axes = tuple(axis for axis in clip.axes if axis != "time")
    return replace(clip, shape=shape, kind="image", axes=axes, evidence=())
