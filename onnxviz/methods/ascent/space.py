"""Where inputs are searched: what moves, within which bounds or on which ball, and which parameterization suits it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from onnxviz.methods.ascent.fourier import Fourier
from onnxviz.methods.ascent.maco import Maco
from onnxviz.methods.ascent.parameterizations import Direct, Parameterization
from onnxviz.methods.ascent.runs import Run, normal
from onnxviz.methods.ascent.windows import Window, Windowed


@dataclass(frozen=True)
class Space:
    """Where inputs are searched.

    Attributes
    ----------
    name : str
        The tensor that moves.
    shape : tuple of int
        Of one sample, without the batch.
    axes : tuple of str
        Its axes' names.
    kind : str
        "image", "signal", "spectrogram" and "volume" are parameterized by their spectrum; everything else element by element.
    colors : str, ndarray or None
        "rgb" or "bgr" where three channels are colors; or a root of the channels' covariance.
    low, high : ndarray or None
        Bounds, broadcastable to the shape.
    mean, scale : ndarray
        Center and spread of each element, broadcastable to the shape.
    norm : float or None
        The radius of the ball, in standardised units, where there are no bounds.
    groups : tuple of tuple of int
        Elements that share out one between them: one-hot codes, relaxed.
    tokens : bool
        Whether each step has a ball of its own and may lie inside of it, as the rows of an embedding do.
    parameterization : str
        "fourier", "maco", or "pixel" for element by element; "" for what the kind suggests.
    slope : float or None
        Of the data's spectrum, where it was estimated.
    beginning : ndarray or None
        An input to start from; restarts scatter about it.
    window : tuple of slice, or None
        The part of the input, an entry for each axis of the shape, that moves; all of it by default.
    """

    name: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    kind: str
    colors: str | np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    mean: np.ndarray = field(default_factory=lambda: np.zeros(()))
    scale: np.ndarray = field(default_factory=lambda: np.ones(()))
    norm: float | None = None
    groups: tuple[tuple[int, ...], ...] = ()
    tokens: bool = False
    parameterization: str = ""
    slope: float | None = None
    beginning: np.ndarray | None = None
    window: Window | None = None

    @property
    def spectral(self) -> bool:
        """Whether neighbors belong together, so that random moves suit the input."""
        return self.kind in ("image", "signal", "spectrogram", "volume") or self.parameterization in ("fourier", "maco")

    @property
    def spatial(self) -> tuple[int, ...]:
        """The axes along which neighbors belong together, batch counted."""
        return tuple(place for place, axis in enumerate(self.axes, 1) if axis != "channel") if self.spectral else ()

    def start(self, runs: Sequence[Run], device: torch.device) -> Parameterization:
        """Return the starting points of some runs."""
        if self.window is None:
            found = self._start(runs, device)
        else:
            outside = torch.as_tensor(self.middle, device=device)
            found = Windowed.of(self.windowed()._start(runs, device), self.shape, self.window, outside)
        if self.beginning is not None:
            scatter = normal([run.generator("scatter") for run in runs], self.shape).to(device) * found.span * SCATTER
            again = torch.tensor([float(run.restart > 0) for run in runs], device=device)
            center = torch.as_tensor(self.beginning, dtype=torch.float32, device=device)
            found.place(center + scatter * again.reshape(-1, *[1] * len(self.shape)))
        return found

    def _start(self, runs: Sequence[Run], device: torch.device) -> Parameterization:
        if self.spectral and self.parameterization != "pixel":
            kind = Maco if self.parameterization == "maco" else Fourier
            slope: dict[str, Any] = {} if self.slope is None else {"slope": self.slope}
            return kind.start(
                runs,
                self.shape,
                " ".join(self.axes),
                low=self.low,
                high=self.high,
                mean=self.mean,
                std=self.scale,
                colors=self.colors,
                device=device,
                **slope,
            )
        spatial = self.spatial
        if self.low is not None and self.high is not None:
            # Without data the middle of the box is the place to start, and its own width the measure of the scatter.
            mean = self.mean if self.mean.size > 1 or bool(self.mean.any()) else None
            scale = self.scale if self.scale.size > 1 or bool((self.scale != 1).any()) else None
            # Neighbors that scatter widely would be noise to begin with, and most of it would stay.
            spread = NOISE if spatial else 1.0
            return Direct.box(
                runs,
                self.shape,
                self.low,
                self.high,
                mean=mean,
                scale=scale,
                spread=spread,
                groups=self.groups,
                spatial=spatial,
                device=device,
            )
        return Direct.ball(
            runs,
            self.shape,
            radius=self.norm,
            # A single number has no sphere to move along, only its two ends.
            surface=not self.tokens and math.prod(self.shape) > 1,
            mean=self.mean,
            scale=self.scale,
            first=2 if self.tokens else 1,
            spatial=spatial,
            device=device,
        )

    def windowed(self) -> Space:
        """Return the space of the window alone."""
        window = self.window or ()
        shape = tuple(len(range(*part.indices(size))) for part, size in zip(window, self.shape, strict=True))
        ends = {
            name: None if values is None else np.broadcast_to(values, self.shape)[window].copy()
            for name, values in (("low", self.low), ("high", self.high), ("mean", self.mean), ("scale", self.scale))
        }
        return replace(self, shape=shape, window=None, **ends)  # type: ignore[arg-type]  # names of fields alone

    @property
    def middle(self) -> np.ndarray:
        """The middle of the range, or the mean: what stands outside of the window."""
        middle = self.mean if self.low is None or self.high is None else (np.asarray(self.low) + self.high) / 2
        return np.broadcast_to(middle, self.shape).astype(np.float32)


SCATTER = 0.02
"""How far restarts scatter about an input to start from, in spans of its range."""

NOISE = 0.1
"""How far the pixels of a picture scatter at the start where each moves by itself, in quarters of the range."""
