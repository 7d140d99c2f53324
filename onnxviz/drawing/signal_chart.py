"""The chart of a one-dimensional input, a sound or a time series: its channels over time, spectra and spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnxviz.drawing.colors import BLUE, HAIRLINE, INK, MUTED
from onnxviz.drawing.figures import MARGIN, header_height, house_style, new_figure, panel, render, shorten
from onnxviz.drawing.pictures import Picture, sequential_colors
from onnxviz.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_ROWS = 12
_WIDTH, _SPECTRUM = 12.0, 3.3
# A line of more samples is drawn as a band between the extremes of neighboring samples, as an oscilloscope draws it.
_MOST_POINTS = 4000
# A shorter signal is drawn with its spectrum and without a spectrogram.
_SHORTEST_SPECTROGRAM = 256


def spectrum(signal: ArrayLike, rate: float | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the frequencies of a signal and their amplitudes.

    Parameters
    ----------
    signal : (…, sample)
        The signal, in any units.
    rate : float, optional
        Samples per second.

    Returns
    -------
    frequency : (sample // 2 + 1,)
        The frequencies in Hz, or in cycles per sample where the rate is not known.
    amplitude : (…, sample // 2 + 1)
        The amplitudes in the signal's units. A sine of amplitude A with a whole number of cycles gives A at its frequency. A
        constant gives its magnitude at 0.
    """
    signal = np.asarray(signal, dtype=np.float64)
    length = signal.shape[-1]
    amplitude = np.abs(np.fft.rfft(signal, axis=-1)) / length
    # Each frequency also stands for its mirror image, save zero and, for an even number of samples, the highest frequency.
    amplitude[..., 1 : (length + 1) // 2] *= 2
    return np.asarray(np.fft.rfftfreq(length, 1.0 if rate is None else 1.0 / rate)), np.asarray(amplitude)


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """A signal of one or more channels, with what its axes mean and what is drawn behind it.

    Attributes
    ----------
    values : (channel, sample) or (sample,)
        In the model's own units. Of more than 12 channels the 12 that vary most are drawn.
    rate : float, optional
        Samples per second. With a rate the axes are in seconds and Hz.
    names : sequence of str
        One per channel.
    units : str
        The units of the values.
    reference : (channel, sample), optional
        Another signal, drawn in gray behind this one: the start of the search, or a real signal.
    reference_name : str
        The name of the reference.
    others : (restart, channel, sample), optional
        Signals drawn as thin gray lines behind this one: the result of each restart.
    step : str
        The name of a sample, where the rate is not known.
    spectra : bool
        Whether to draw spectra. The spectrum of a series of few steps says little.

    Raises
    ------
    DataError
        If the signal has another shape or is not finite, or if names, rate, reference or others do not fit the signal.
    """

    values: ArrayLike
    rate: float | None = None
    names: Sequence[str] = ()
    units: str = ""
    reference: ArrayLike | None = None
    reference_name: str = "start"
    others: ArrayLike | None = None
    step: str = "sample"
    spectra: bool = True

    def __post_init__(self) -> None:
        channels = _checked(self.values)
        if self.reference is not None and (behind := _checked(self.reference)).shape != channels.shape:
            raise DataError(f"the reference has the shape {behind.shape}, the signal {channels.shape}")
        if self.names and len(self.names) != len(channels):
            raise DataError(f"{len(self.names)} names were given for {len(channels)} channels")
        if self.rate is not None and not 0 < self.rate < np.inf:
            raise DataError(f"a rate of {self.rate} samples per second is none; give one above zero")
        if self.others is not None and (shape := np.shape(self.others)[1:]) != channels.shape:
            raise DataError(f"the other signals have the shape {shape}, the signal {channels.shape}")

    @property
    def channels(self) -> NDArray[np.float64]:
        """The values as (channel, sample) float64."""
        return _checked(self.values)


def signal_chart(signal: Signal, title: str = "", subtitle: str = "") -> Picture:
    """Draw the channels of a signal beneath one another, each with its spectrum beside it.

    Where the rate is known and the signal is long enough, the spectrogram of each channel is drawn below its wave.

    Parameters
    ----------
    signal : Signal
        The signal, and what is drawn behind it.
    title, subtitle : str
        Two lines above.

    Returns
    -------
    (height, width, 3) uint8
    """
    with house_style():
        return render(signal_figure(signal, title, subtitle))


def signal_figure(signal: Signal, title: str = "", subtitle: str = "") -> Figure:
    """Build the matplotlib figure that `signal_chart` renders."""
    channels, rate = signal.channels, signal.rate
    behind = None if signal.reference is None else _checked(signal.reference)
    starts = None if signal.others is None else np.asarray(signal.others, dtype=np.float64)
    shown = np.sort(np.argsort(-channels.std(axis=1), kind="stable")[:_MOST_ROWS])
    if len(shown) < len(channels):
        note = f"{len(shown)} of {len(channels)} channels shown, those that vary most"
        subtitle = f"{subtitle} · {note}" if subtitle else note
    row = 2.6 if len(shown) == 1 else 1.9 if len(shown) < 4 else 1.25
    window = spectrogram_window(channels.shape[1]) if rate is not None and len(shown) < 4 else 0
    below = (1.9 if len(shown) == 1 else 1.3) + 0.12 if window else 0.0
    gap, above = 0.26, header_height(title, subtitle) + 0.4
    left = MARGIN + 0.65
    wide = _WIDTH - left - MARGIN - (_SPECTRUM + 0.85 if signal.spectra else 0.0)
    with house_style():
        figure = new_figure(_WIDTH, above + len(shown) * (row + below + gap) + 0.6, title, subtitle)
        for number, channel in enumerate(shown):
            top = above + number * (row + below + gap)
            over_time = panel(figure, left, top, wide, row)
            if starts is not None:
                for other in starts[:, channel]:
                    _draw_line(over_time, other, 1.0, HAIRLINE, 1.0)
            _draw_time(over_time, channels[channel], None if behind is None else behind[channel], rate, signal.step)
            if window and rate is not None:
                over_time.tick_params(labelbottom=False)
                over_time.set_xlabel("")
                lower = panel(figure, left, top + row + 0.12, wide, below - 0.12)
                _draw_spectrogram(lower, channels[channel], rate, window, last=number == len(shown) - 1)
            name = signal.names[channel] if signal.names else f"channel {channel}" if len(channels) > 1 else ""
            over_time.set_title(shorten(name, 9.0, wide - 0.2), loc="left", fontsize=9, color=INK, pad=3)
            if number == 0 and starts is not None:
                gray = f"gray: each of {len(starts)} restarts"
                over_time.set_title(gray, loc="right", fontsize=9, color=MUTED, pad=3)
            if not signal.spectra:
                if number < len(shown) - 1:
                    over_time.tick_params(labelbottom=False)
                    over_time.set_xlabel("")
                continue
            over_frequency = panel(figure, _WIDTH - MARGIN - _SPECTRUM, top, _SPECTRUM, row)
            _draw_spectrum(over_frequency, channels[channel], rate)
            if number == 0:
                if behind is not None:
                    gray = f"gray: {shorten(signal.reference_name, 9.0, 2.0)}"
                    over_time.set_title(gray, loc="right", fontsize=9, color=MUTED, pad=3)
                over_frequency.set_title(
                    "amplitude spectrum, the mean left out", loc="left", fontsize=9, color=MUTED, pad=3
                )
            if number < len(shown) - 1:
                for axes in (over_time, over_frequency):
                    axes.tick_params(labelbottom=False)
                    axes.set_xlabel("")
        if signal.units:
            figure.text(
                MARGIN / _WIDTH,
                0.5,
                shorten(signal.units, 9.5, 4.0),
                rotation=90,
                va="center",
                ha="center",
                color=MUTED,
            )
    return figure


def _checked(signal: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(signal, dtype=np.float64)
    array = array[None] if array.ndim == 1 else array
    if array.ndim != 2 or not array.size:
        raise DataError(f"an array of shape {np.shape(signal)} is no signal; (channel, sample) is")
    if not np.isfinite(array).all():
        raise DataError("the signal has values that are not finite, so it cannot be drawn")
    return array


def spectrogram_window(length: int) -> int:
    """Return the samples in a window of a spectrogram, which then has about as many frequencies as frames.

    Return 0 for a signal that is too short for a spectrogram.
    """
    if length < _SHORTEST_SPECTROGRAM:
        return 0
    return 1 << int(np.clip(np.round(np.log2(2 * np.sqrt(length))), 5, 10))


def spectrogram(signal: ArrayLike, window: int) -> NDArray[np.float64]:
    """Return the amplitude of each frequency over time, by Hann windows that overlap by three quarters.

    Parameters
    ----------
    signal : (sample,)
        The signal, with at least as many samples as the window.
    window : int
        The number of samples in a window.

    Returns
    -------
    (window // 2 + 1, frame)
        The amplitudes in the signal's units, as in `spectrum`.
    """
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(signal, dtype=np.float64), window)[:: window // 4]
    # This is the periodic window. Its mean is one half, so that amplitudes come out half as large and are doubled below.
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    _, amplitude = spectrum(frames * hann)
    return np.ascontiguousarray(amplitude.T * 2)


def _draw_spectrogram(axes: Axes, values: NDArray[np.float64], rate: float, window: int, last: bool) -> None:
    """Draw a spectrogram in decibels below its largest amplitude, with the time axis of the wave above it."""
    amplitude = spectrogram(values - values.mean(), window)
    loudest = float(amplitude.max())
    decibels = 20 * np.log10(np.maximum(amplitude / loudest, 1e-4)) if loudest > 0 else np.full_like(amplitude, -80.0)
    seconds = len(values) / rate
    scale, label = (1.0, "seconds") if seconds >= 1 else (1e3, "milliseconds")
    unit, name = (1.0, "Hz") if rate < 20000 else (1e-3, "kHz")
    hop, half = window // 4 / rate * scale, window / 2 / rate * scale
    edges = (half - hop / 2, half + hop * (amplitude.shape[1] - 0.5))
    step = rate / window * unit
    axes.imshow(
        decibels,
        aspect="auto",
        origin="lower",
        cmap="viridis",
        vmin=-60,
        vmax=0,
        extent=(*edges, -step / 2, rate / 2 * unit + step / 2),
    )
    # Half a window at each end of the signal has no frame; it gets the color of silence.
    axes.set_facecolor(sequential_colors()[0] / 255)
    axes.set_xlim(0, max(len(values) - 1, 1) / rate * scale)
    axes.set_ylim(0, rate / 2 * unit)
    axes.set_ylabel(name)
    axes.locator_params(axis="y", nbins=4)
    axes.text(0.995, 0.94, "0 to −60 dB", transform=axes.transAxes, color="white", fontsize=8, ha="right", va="top")
    if last:
        axes.set_xlabel(label)
    else:
        axes.tick_params(labelbottom=False)


def _draw_time(
    axes: Axes,
    values: NDArray[np.float64],
    behind: NDArray[np.float64] | None,
    rate: float | None,
    step: str = "sample",
) -> None:
    seconds = len(values) / rate if rate is not None else 0.0
    scale, label = (
        (1.0, step) if rate is None else (1 / rate, "seconds") if seconds >= 1 else (1e3 / rate, "milliseconds")
    )
    for line, shade, width in ((behind, MUTED, 0.8), (values, BLUE, 1.2)):
        if line is not None:
            _draw_line(axes, line, scale, shade, width)
    axes.grid()
    axes.set_xlim(0, max(len(values) - 1, 1) * scale)
    axes.set_xlabel(label)
    axes.locator_params(axis="y", nbins=4)


def _draw_line(axes: Axes, values: NDArray[np.float64], scale: float, color: str, width: float) -> None:
    if len(values) <= _MOST_POINTS:
        axes.plot(np.arange(len(values)) * scale, values, color=color, linewidth=width)
        return
    starts = np.linspace(0, len(values), _MOST_POINTS // 2, endpoint=False).astype(np.intp)
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    axes.fill_between(starts * scale, low, high, color=color, linewidth=width / 2)


_SMALLEST = 1e-4
"""The share of the strongest amplitude that the spectrum's lower edge stands for."""


def _draw_spectrum(axes: Axes, values: NDArray[np.float64], rate: float | None) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    frequency, amplitude = spectrum(values, rate)
    scale, label = (1.0, "cycles per sample") if rate is None else (1.0, "Hz") if rate < 20000 else (1e-3, "kHz")
    if len(frequency) > _MOST_POINTS:  # the strongest of neighboring frequencies is drawn
        starts = np.unique(np.geomspace(1, len(frequency) - 1, _MOST_POINTS // 2).astype(np.intp))
        frequency = np.concatenate([frequency[:1], frequency[starts]])
        amplitude = np.concatenate([amplitude[:1], np.maximum.reduceat(amplitude, starts)])
    frequency, amplitude = frequency[1:] * scale, amplitude[1:]
    floor = float(amplitude.max(initial=0)) * _SMALLEST
    if len(frequency) > 2 and floor > 0:
        # Amplitudes of real signals fall as 1/f. On linear axes only the lowest few frequencies would rise above the axis.
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(float(frequency[0]), float(frequency[-1]))
        axes.set_ylim(floor, 1.5 * floor / _SMALLEST)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
            axis.set_minor_locator(NullLocator())
        amplitude = np.maximum(amplitude, floor)
    else:
        axes.set_xlim(0, max(float(frequency[-1]) if len(frequency) else 0, 1e-12))
        axes.set_ylim(bottom=0)
        axes.locator_params(axis="y", nbins=4)
    axes.fill_between(frequency, floor, amplitude, color=BLUE, alpha=0.25, linewidth=0)
    axes.plot(frequency, amplitude, color=BLUE, linewidth=1.0)
    axes.grid()
    axes.set_xlabel(label)
