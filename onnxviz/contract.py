"""What an input expects, as data: its kind, axes, colors and range, each with the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass, replace


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
        "image", "signal" (sampled evenly, one axis), "spectrogram" (time by frequency), "volume", "sequence" (steps of
        features), "vector", "tokens" or "array".
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
    color_told : bool
        Whether the request, the file or a measurement tells the order of the colors. If not, "rgb" is assumed.
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
    color_told: bool = False

    @property
    def noun(self) -> str:
        """The kind with its article: "an image", "tokens"."""
        if self.kind == "tokens":
            return self.kind
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"

    @property
    def layout(self) -> str:
        """The axes as people write them: NCHW, NHWC, NCT, NF, …."""
        letters = {"channel": "C", "height": "H", "width": "W", "time": "T", "feature": "F", "depth": "D"}
        return "N" + "".join(letters.get(axis, "?") for axis in self.axes)

    @property
    def bounded(self) -> bool:
        """Whether the range is known."""
        return bool(self.low)

    def pixel_units(self) -> tuple[float, float, tuple[float, ...] | float, tuple[float, ...] | float]:
        """Return (low, high, mean, std) as pictures are fitted and restored by: one range, or a mean and deviation per channel."""
        low, high = self.low or (0.0,), self.high or (1.0,)
        if len(low) == 1:
            return float(low[0]), float(high[0]), 0.0, 1.0
        # (u - mean) / std runs from low to high while u runs from 0 to 1.
        std = tuple(1.0 / (top - bottom) for bottom, top in zip(low, high, strict=True))
        return 0.0, 1.0, tuple(-bottom * one for bottom, one in zip(low, std, strict=True)), std

    def with_note(self, note: str, **changes: object) -> InputContract:
        """Return a copy with changes and one more sentence of evidence."""
        return replace(self, evidence=(*self.evidence, note), **changes)  # type: ignore[arg-type]  # names of fields alone
