"""The search space: the tensor that moves, its bounds or its ball, and the parameterization that suits it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from onnxviz.methods.ascent.accentuation import Accented, Kept
from onnxviz.methods.ascent.fourier import Fourier
from onnxviz.methods.ascent.maco import Maco
from onnxviz.methods.ascent.parameterizations import Direct, Parameterization
from onnxviz.methods.ascent.runs import Run, normal
from onnxviz.methods.ascent.transforms import Views
from onnxviz.methods.ascent.windows import Window, Windowed


@dataclass(frozen=True)
class Space:
    """The space in which inputs are searched.

    Attributes
    ----------
    name : str
        The name of the tensor that moves.
    shape : tuple of int
        The shape of one sample, without the batch axis.
    axes : tuple of str
        The names of the axes.
    kind : str
        The kind of the input. "image", "clip", "signal", "spectrogram" and "volume" are parameterized by their spectrum, all others
        element by element.
    colors : str, ndarray or None
        "rgb" or "bgr" where three channels are colors; or a root of the channels' covariance.
    low, high : ndarray or None
        The bounds, broadcastable to the shape.
    mean, scale : ndarray
        Mean and standard deviation of each element, broadcastable to the shape.
    norm : float or None
        The radius of the ball, in standardized units, where there are no bounds; of a point cloud that of each point's ball, 1 by
        default.
    groups : tuple of tuple of int
        Groups of elements that sum to 1: relaxed one-hot codes.
    tokens : bool
        Whether each step has a ball of its own and may lie inside it, as the rows of an embedding do.
    parameterization : str
        "fourier", "maco", or "pixel" for element by element; "" for the parameterization that suits the kind.
    slope : float or None
        The slope of the data's spectrum, where it was estimated.
    beginning : ndarray or None
        An input to start from. Restarts scatter about it.
    window : tuple of slice, or None
        The part of the input that moves, with a slice for each axis of the shape. Default: the whole input.
    contrast : float or None
        The norm of a picture's spectrum, as `Fourier.start` takes it; None leaves it free.
    cutoff : float or None
        The frequency above which a picture has little detail, in cycles per element; None: there is no such limit.
    views : Views or None
        The random views in which a picture is shown; None: the moves that suit the size of the input.
    kept : Kept or None
        What is kept of the input to start from; None: it may change freely.
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
    contrast: float | None = None
    cutoff: float | None = None
    views: Views | None = None
    kept: Kept | None = None

    @property
    def spectral(self) -> bool:
        """Whether neighbors belong together, so that random transforms suit the input."""
        return self.kind in _SMOOTH or self.parameterization in ("fourier", "maco")

    @property
    def spatial(self) -> tuple[int, ...]:
        """The axes along which neighbors belong together, where the batch is axis 0."""
        return tuple(place for place, axis in enumerate(self.axes, 1) if axis != "channel") if self.spectral else ()

    def start(self, runs: Sequence[Run], device: torch.device) -> Parameterization:
        """Return a parameterization at the starts of some runs."""
        found: Parameterization
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
            if self.kept is not None:
                ends = [None if end is None else torch.as_tensor(end, device=device) for end in (self.low, self.high)]
                found = Accented.of(found, center.expand(len(runs), *self.shape), self.kept, *ends)
        return found

    def _start(self, runs: Sequence[Run], device: torch.device) -> Parameterization:
        if self.spectral and self.parameterization != "pixel":
            kind = Maco if self.parameterization == "maco" else Fourier
            slope: dict[str, Any] = {} if self.slope is None else {"slope": self.slope}
            if kind is Fourier:
                slope |= {"cutoff": self.cutoff, "contrast": self.contrast}
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
        if self.kind == "points" and self.low is None:
            axis = 1 + self.axes.index("coordinate")
            return Direct.cloud(runs, self.shape, axis, radius=1.0 if self.norm is None else self.norm, device=device)
        if self.low is not None and self.high is not None:
            # Without data the starts scatter about the middle of the bounds, in proportion to their distance.
            mean = self.mean if self.mean.size > 1 or bool(self.mean.any()) else None
            scale = self.scale if self.scale.size > 1 or bool((self.scale != 1).any()) else None
            # Where neighbors belong together, starts scatter little. A start with much noise would keep most of it.
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
                alike=self.kind == "points",
                device=device,
            )
        return Direct.ball(
            runs,
            self.shape,
            radius=self.norm,
            # A single number has no sphere to move along, only two ends.
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
        return replace(self, shape=shape, window=None, **ends)  # type: ignore[arg-type]  # the names are those of fields

    @property
    def middle(self) -> np.ndarray:
        """The middle of the range, or the mean, which the input has outside of the window."""
        middle = self.mean if self.low is None or self.high is None else (np.asarray(self.low) + self.high) / 2
        return np.broadcast_to(middle, self.shape).astype(np.float32)


_SMOOTH = ("image", "clip", "signal", "spectrogram", "volume")
"""Kinds whose neighbors belong together."""

SCATTER = 0.02
"""How far restarts scatter about an input to start from, in lengths of its range."""

NOISE = 0.1
"""How far the pixels of a picture scatter at the start, where each moves by itself, in quarters of the range."""
