"""The picture that suits a kind of input: colors for pictures, curves for signals, bars for vectors, else a heat map."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.contract import frame_contract

if TYPE_CHECKING:
    from onnxviz.contract import InputContract
    from onnxviz.drawing.pictures import Picture


_UNITS = "value, in the model's own units"
_MOST_LINES = 8
"""A series of at most this many features is drawn as lines, if it has more steps than this; else as colors."""


@dataclass(frozen=True)
class Drawing:
    """Draws arrays of one input as its kind suggests.

    Attributes
    ----------
    expected : InputContract
        The contract of the input.
    names : tuple of str
        The names of a vector's features.
    mean, std : ndarray or None
        Mean and standard deviation of a vector's features.
    low, high : ndarray or None
        The bounds of a vector's features.
    rate : float or None
        The samples per second of a signal.
    texts : tuple of tuple of str
        For each feature of a vector the texts that its numbers stand for, () for numbers; empty without texts.
    """

    expected: InputContract
    names: tuple[str, ...] = ()
    mean: np.ndarray | None = None
    std: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    rate: float | None = None
    texts: tuple[tuple[str, ...], ...] = ()

    @property
    def has_thumbnail(self) -> bool:
        """Whether `thumbnail` shows a sample as a small picture: pictures, clips and point clouds."""
        return self.expected.kind in ("image", "clip", "points")

    def thumbnail(self, array: np.ndarray) -> Picture:
        """Return a picture of a sample without text, for a tile: the picture itself, some frames of a clip, or a cloud."""
        if self.expected.kind == "clip":
            from onnxviz.drawing.film_strip import strip

            return strip(self.frames(array), 6)
        if self.expected.kind == "points":
            from onnxviz.drawing.point_cloud import cloud_tile

            return cloud_tile(self.points(array))
        return self.draw(array)

    def points(self, array: np.ndarray) -> np.ndarray:
        """Return a point cloud as (point, number), whatever the order of its axes."""
        return array.T if self.expected.axes == ("coordinate", "point") else array

    def frames(self, array: np.ndarray) -> list[Picture]:
        """Return the frames of a clip, each (height, width, 3) uint8."""
        one = replace(self, expected=frame_contract(self.expected))
        return [one.draw(frame) for frame in np.moveaxis(array, self.expected.axes.index("time"), 0)]

    @property
    def is_picture(self) -> bool:
        """Whether an array is drawn pixel by pixel, with no axes."""
        return self.expected.kind == "image"

    def draw(
        self,
        array: np.ndarray,
        title: str = "",
        subtitle: str = "",
        restarts: np.ndarray | None = None,
        vector: Mapping[str, Any] | None = None,
    ) -> Picture:
        """Draw one sample.

        Parameters
        ----------
        array : (*shape) ndarray
            The sample without the batch axis, in the model's own units.
        title, subtitle : str
            Two lines above a chart. A picture has no such lines.
        restarts : (restart, *shape) ndarray, optional
            The result of each restart, which the charts of vectors and of series show.
        vector : mapping, optional
            Further fields of `FeatureVector`, where the sample is a vector; "drops" of letters, the contributions of positions.

        Returns
        -------
        (height, width, 3) uint8
        """
        expected = self.expected
        if self.is_picture:
            return self._picture(array)
        if expected.kind == "signal":
            from onnxviz.drawing.signal_chart import Signal, signal_chart

            return signal_chart(Signal(array, self.rate), title, subtitle)
        if expected.kind == "clip" and array.ndim == 4:
            from onnxviz.drawing.film_strip import film_strip

            return film_strip(self.frames(array), title, subtitle)
        if expected.kind == "volume" and array.ndim == 4:
            from onnxviz.drawing.volume_sheet import volume_sheet

            return volume_sheet(array, title, subtitle, _UNITS)
        if expected.kind == "points" and array.ndim == 2:
            from onnxviz.drawing.point_cloud import Cloud, point_cloud

            return point_cloud([Cloud(self.points(array))], title, subtitle)
        if expected.kind == "letters" and array.ndim == 2 and expected.letters:
            return self._letters(array, title, subtitle, vector)
        if expected.axes == ("time", "batch", "feature") and array.ndim == 3 and array.shape[1] == 1:
            array, restarts = array[:, 0], None if restarts is None else restarts[:, :, 0]
            return self._steps(array, title, subtitle, restarts)
        if expected.axes == ("time", "feature") and array.ndim == 2:
            return self._steps(array, title, subtitle, restarts)
        if array.ndim <= 1 or (array.ndim == 2 and 1 in array.shape):
            return self._bars(array.reshape(-1), title, subtitle, restarts, vector)
        from onnxviz.drawing.heat_map import Plane, heat_map

        axes = (
            expected.axes
            if len(expected.axes) == array.ndim
            else tuple(f"axis {axis + 1}" for axis in range(array.ndim))
        )
        rows = " × ".join(axes[:-1])
        plane = Plane(array.reshape(-1, array.shape[-1]), rows=rows, columns=axes[-1], label=_UNITS)
        return heat_map(plane, title, subtitle)

    def _letters(self, array: np.ndarray, title: str, subtitle: str, found: Mapping[str, Any] | None) -> Picture:
        """Draw one-hot letters: as tall as their contributions, where these are known."""
        from onnxviz.drawing.sequence_logo import Logo, sequence_logo
        from onnxviz.formats.letters import text_of

        rows = array.T if self.expected.axes == ("letter", "position") else array
        text, drops = text_of(array, self.expected.axes, self.expected.letters), (found or {}).get("drops")
        label = ""
        if drops is not None and np.nan_to_num(drops).any():
            rows = rows * np.nan_to_num(np.asarray(drops))[:, None]
            label = "height: score lost when another letter takes the place"
        elif drops is not None and np.isfinite(drops).any():
            label = "no single letter counts: the score stays when another letter takes its place"
        return sequence_logo([Logo(rows, self.expected.letters, text, label=label)], title, subtitle)

    def _steps(self, array: np.ndarray, title: str, subtitle: str, restarts: np.ndarray | None) -> Picture:
        """Draw (time, feature): lines for a few features over many steps, bars for a single step, else colors."""
        length, features = array.shape
        if features <= _MOST_LINES < length:
            from onnxviz.drawing.signal_chart import Signal, signal_chart

            names = [f"feature {feature}" for feature in range(features)] if features > 1 else ()
            others = np.swapaxes(restarts, 1, 2) if restarts is not None and len(restarts) > 1 else None
            return signal_chart(
                Signal(array.T, names=names, others=others, step="step", spectra=False), title, subtitle
            )
        if length == 1:
            return self._bars(array.reshape(-1), title, subtitle, restarts, None)
        from onnxviz.drawing.heat_map import Plane, heat_map

        plane = Plane(array.T, rows="feature", columns="time, in steps", label=_UNITS, upward=True)
        return heat_map(plane, title, subtitle)

    def _picture(self, array: np.ndarray) -> Picture:
        from onnxviz.drawing.kernels import planes
        from onnxviz.formats.image_inputs import restore_image

        expected = self.expected
        if expected.color is not None and expected.bounded:
            low, high, mean, std = expected.pixel_units()
            return restore_image(array, expected.layout[1:].lower(), expected.color, low, high, mean, std)  # type: ignore[arg-type]  # `color` is one of the three words
        channels = np.moveaxis(array, expected.axes.index("channel"), 0)
        centered = channels - channels.mean(axis=(1, 2), keepdims=True)
        return planes(centered, float(np.abs(centered).max()) or 1.0, math.ceil(math.sqrt(len(channels))))

    def _bars(
        self,
        values: np.ndarray,
        title: str,
        subtitle: str,
        restarts: np.ndarray | None,
        vector: Mapping[str, Any] | None,
    ) -> Picture:
        from onnxviz.drawing.feature_vector import FeatureVector
        from onnxviz.drawing.vector_chart import vector_chart

        given: dict[str, Any] = {"names": self.names if len(self.names) == values.size else ()}
        if len(self.texts) == values.size:
            given["texts"] = self.texts
        if self.mean is not None and self.std is not None:
            given |= {"mean": self.mean, "std": self.std}
        if self.low is not None and self.high is not None:
            given |= {"low": self.low, "high": self.high}
        if restarts is not None and len(restarts) > 1:
            given["restarts"] = restarts.reshape(len(restarts), -1)
        given |= vector or {}
        return vector_chart(
            FeatureVector(values, units="" if self.std is not None else "model units", **given), title, subtitle
        )
