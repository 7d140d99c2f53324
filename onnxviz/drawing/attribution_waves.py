"""The chart of an attribution over time: a signal and its spectrogram, colored by the value of each moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.drawing.attribution_panels import CURVES_NOTE, Panel, draw_bar, draw_curves, overlay
from onnxviz.drawing.colors import HAIRLINE, INK, MUTED
from onnxviz.drawing.figures import MARGIN, header_height, house_style, new_figure, panel, render, shorten
from onnxviz.drawing.pictures import Picture
from onnxviz.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _CURVES = 12.0, 2.3
_LINE, _SPECTRUM = 1.2, 1.0
_MOST_POINTS = 1600
# The spectrogram of a signal with fewer samples shows too little.
_LEAST = 512


def attribution_waves(
    signal: NDArray[Any],
    panels: Sequence[Panel],
    rate: float | None = None,
    title: str = "",
    subtitle: str = "",
) -> Picture:
    """Draw the signal once for each method, colored by the method's values, above its spectrogram.

    Each frame of the spectrogram is colored by the mean of the values in the frame.

    Parameters
    ----------
    signal : (channel, sample)
        The signal, in the model's own units. The spectrogram is that of the channels' mean.
    panels : sequence of Panel
        One for each method, with values of (sample,).
    rate : float, optional
        Samples per second.
    title, subtitle : str
        Two lines above.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        If a method has another number of samples than the signal.
    """
    signal = np.atleast_2d(np.asarray(signal, np.float64))
    for shown in panels:
        if np.shape(shown.values) != signal.shape[1:]:
            raise DataError(f"{shown.title}: {np.shape(shown.values)} values for {signal.shape[1]} samples")
    with house_style():
        heard = signal.shape[1] >= _LEAST
        pitch = 0.35 + _LINE + (_SPECTRUM + 0.08 if heard else 0.0) + 0.75
        top = header_height(title, subtitle) + 0.05
        height = top + len(panels) * pitch + MARGIN
        figure = new_figure(_WIDTH, height, title, subtitle)
        left = MARGIN + 0.55
        curved = any(shown.curves for shown in panels)
        wide = _WIDTH - left - MARGIN - (_CURVES + 0.6 if curved else 0.0)
        scale, label = (1.0, "sample") if rate is None else (1 / rate, "seconds")
        extent = (0.0, (signal.shape[1] - 1) * scale)
        for number, shown in enumerate(panels):
            upper = top + number * pitch + 0.3
            lines = panel(figure, left, upper, wide, _LINE)
            _draw_line(lines, signal, shown, extent)
            lines.set_title(shorten(shown.title, 9.5, wide), loc="left", fontsize=9.5, color=INK, pad=4)
            lowest, below = lines, upper + _LINE
            if heard:
                lines.tick_params(labelbottom=False)
                lowest = panel(figure, left, upper + _LINE + 0.08, wide, _SPECTRUM)
                _draw_spectrogram(lowest, signal.mean(0), shown, extent, rate)
                below += _SPECTRUM + 0.08
            lowest.set_xlabel(label, fontsize=8, labelpad=1)
            beside = _WIDTH - MARGIN - _CURVES
            if shown.curves is not None:
                draw_curves(figure, beside, upper, _CURVES, below - upper - 0.55, shown.curves)
            draw_bar(figure, beside if curved else left, below - 0.15 if curved else below + 0.4, _CURVES, shown)
        if curved:
            note = shorten(CURVES_NOTE, 7.5, _WIDTH - 2 * MARGIN)
            figure.text(MARGIN / _WIDTH, 0.16 / height, note, fontsize=7.5, color=MUTED)
        return render(figure)


def spectrogram(signal: NDArray[Any]) -> NDArray[np.float64]:
    """Return the logarithm of the short-time spectrum's magnitude, (frequency, frame), the lowest frequency first.

    Parameters
    ----------
    signal : (sample,)
        The signal. The Hann windows are about a sixtieth of its length, a power of two from 64 to 1024, and overlap by three
        quarters.
    """
    length = int(np.clip(2 ** round(np.log2(max(len(signal) / 60, 1))), 64, 1024))
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(signal, length // 2, mode="reflect"), length)[
        :: length // 4
    ]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(length), axis=1))
    largest = float(spectrum.max())
    decibels: NDArray[np.float64] = 20 * np.log10(np.maximum(spectrum, 1e-5 * largest if largest > 0 else 1.0)).T
    return decibels


def _strip(values: NDArray[Any], columns: int) -> NDArray[np.float64]:
    """Shorten values to at most so many columns; a column has the value of largest magnitude among its samples."""
    values = np.asarray(values, np.float64)
    if len(values) <= columns:
        return values
    starts = np.linspace(0, len(values), columns, endpoint=False).astype(np.intp)
    high, low = np.maximum.reduceat(values, starts), np.minimum.reduceat(values, starts)
    return np.where(high >= -low, high, low)


def _means(values: NDArray[Any], columns: int) -> NDArray[np.float64]:
    """Return the mean over each column's samples, so that positive and negative values in one frame cancel."""
    values = np.asarray(values, np.float64)
    edges = np.linspace(0, len(values), columns + 1)
    sums = np.interp(edges, np.arange(len(values) + 1), np.concatenate([[0.0], np.cumsum(values)]))
    return np.asarray(np.diff(sums) / np.diff(edges))


def _draw_line(axes: Axes, signal: NDArray[np.float64], shown: Panel, extent: tuple[float, float]) -> None:
    low, high = float(signal.min()), float(signal.max())
    pad = 0.06 * (high - low) or 0.5
    strip = _strip(shown.values, _MOST_POINTS)[None]
    paper = np.full((1, strip.shape[1], 3), 255, np.uint8)
    half = (extent[1] - extent[0]) / max(len(shown.values) - 1, 1) / 2 or 0.5
    axes.imshow(
        overlay(paper, strip, shown.signed, shown.limit),
        aspect="auto",
        extent=(extent[0] - half, extent[1] + half, low - pad, high + pad),
        interpolation="nearest",
    )
    times = np.linspace(extent[0], extent[1], signal.shape[1])
    for channel in signal:
        if len(channel) <= 2 * _MOST_POINTS:
            axes.plot(times, channel, color=INK, linewidth=0.8)
            continue
        starts = np.linspace(0, len(channel), _MOST_POINTS, endpoint=False).astype(np.intp)
        band = np.minimum.reduceat(channel, starts), np.maximum.reduceat(channel, starts)
        axes.fill_between(times[starts], *band, color=INK, linewidth=0.4)
    axes.set_xlim(extent[0] - half, extent[1] + half)
    axes.set_ylim(low - pad, high + pad)
    axes.locator_params(axis="y", nbins=4)
    axes.tick_params(labelsize=8)


def _draw_spectrogram(
    axes: Axes, signal: NDArray[np.float64], shown: Panel, extent: tuple[float, float], rate: float | None
) -> None:
    decibels = spectrogram(signal)
    strip = _means(shown.values, decibels.shape[1])
    low, high = float(decibels.min()), float(decibels.max())
    # Loud frequencies are dark, as in printed spectrograms.
    shades = 255 - 235 * (decibels - low) / ((high - low) or 1.0)
    gray = np.repeat(np.rint(shades).astype(np.uint8)[:, :, None], 3, axis=2)
    picture = overlay(gray, np.broadcast_to(strip, decibels.shape), shown.signed, shown.limit)
    top, label = (0.5, "cycles per sample") if rate is None else (rate / 2e3, "kHz")
    axes.imshow(picture, aspect="auto", origin="lower", extent=(extent[0], extent[1], 0, top), interpolation="nearest")
    axes.set_ylabel(label, fontsize=7.5, labelpad=2)
    axes.locator_params(axis="y", nbins=3)
    axes.tick_params(labelsize=8)
    for spine in axes.spines.values():
        spine.set_color(HAIRLINE)
