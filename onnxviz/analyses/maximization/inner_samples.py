"""A bounded number of real samples, and what they tell of an input or of a tensor inside the graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.inputs.moving import Moving, choose_moving
from onnxviz.analyses.inputs.one_sample import joined_row
from onnxviz.analyses.listener import Listener
from onnxviz.analyses.maximization.references import read_real
from onnxviz.analyses.maximization.request import is_folder, source_text
from onnxviz.errors import DataError, UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.few_samples import SampleBatches
    from onnxviz.analyses.maximization.request import MaximizationRequest
    from onnxviz.analyses.maximization.subject import Subject
    from onnxviz.contract import InputContract
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.samples.natural_statistics import NaturalStatistics
    from onnxviz.model.model import Model

MOST = 128
"""The most samples that are read: more samples would hardly change a covariance or a slope."""


class InnerBatches:
    """Values of a tensor inside the graph on real samples of the input, by ONNX Runtime; read as `SampleBatches` is.

    Parameters
    ----------
    samples : SampleBatches
        Of the input.
    model : Model
        The model.
    name : str
        The tensor.
    source : Moving
        The input.
    fed : dict of str to ndarray
        Values for all inputs.
    batch : int
        The input's batch, which one sample fills.
    """

    def __init__(
        self, samples: SampleBatches, model: Model, name: str, source: Moving, fed: dict[str, np.ndarray], batch: int
    ) -> None:
        self._samples, self._name, self._source, self._fed, self.batch = samples, name, source, fed, batch
        self._session = model.session([name])

    def __len__(self) -> int:
        return len(self._samples)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yield (1, *shape) arrays, whatever size is allowed."""
        for sample in self._samples.batches(1):
            yield self._inner(sample)

    def at(self, numbers: Sequence[int]) -> np.ndarray:
        """Return the values on some samples, by their numbers in the order of `batches`, (sample, *shape)."""
        return np.concatenate([self._inner(sample[None]) for sample in self._samples.at(numbers)])

    def _inner(self, sample: np.ndarray) -> np.ndarray:
        """Return the values on one sample of the input, (1, *shape)."""
        fed = {**self._fed, **self._source.fed(np.repeat(sample, self.batch, axis=0))}
        return np.asarray(self._session(fed)[self._name], np.float32)[:1]


def input_statistics(samples: SampleBatches, source: str, expected: InputContract) -> NaturalStatistics:
    """Return the covariance of the channels of real samples, and the slope of their spectra.

    Raises
    ------
    DataError
        If one cannot be read or does not fit, or all samples are constant.
    """
    from onnxviz.methods.samples.natural_statistics import natural_statistics

    span = np.asarray(expected.high, np.float64) - np.asarray(expected.low) if expected.bounded else np.ones(1)
    if span.size > 1:
        span = span.reshape([-1 if axis == "channel" else 1 for axis in expected.axes])
    found = natural_statistics(
        ((batch[0], 0.5 / factors[0]) for batch, factors in samples.enlarged(1, MOST)), expected.axes, span
    )
    if not np.trace(found.covariance) > 0:
        raise DataError(f"`data` {source}: all of its samples are constant")
    return found


def inner_space(subject: Subject, request: MaximizationRequest, listener: Listener) -> tuple[Subject, InnerBatches]:
    """Return a tensor inside the graph with its shape, mean and deviation on real samples, and its values there.

    Mean and deviation are those of each channel, which is the axis after the batch, or of each element where that is the only axis.

    Raises
    ------
    UsageError, DataError
        If the samples cannot be read, do not fit the input, or are all the same to the tensor.
    """
    name, samples = subject.name, _inner_batches(subject, request, listener)
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for (values,) in samples.batches(1):
        rest = tuple(range(1, values.ndim))
        count += 1
        total = total + values.astype(np.float64).mean(rest, keepdims=True)
        squares = squares + (values.astype(np.float64) ** 2).mean(rest, keepdims=True)
        shape = (samples.batch, *values.shape)
    mean = total / count
    scale = np.sqrt(np.maximum(squares / count - mean**2, 0))
    source = "" if request.data is None else source_text(request.data)
    if not scale.any():
        raise DataError(f"`data` {source}: {name} is the same for all of its {count} samples")
    listener.note(f"{name}: mean and deviation of each channel on {count} samples of {source}, by ONNX Runtime")
    center, spread = mean.astype(np.float32), scale.astype(np.float32)
    return replace(subject, shape=shape, center=center, spread=spread), samples


def _inner_batches(subject: Subject, request: MaximizationRequest, listener: Listener) -> InnerBatches:
    """Return the values of a tensor inside the graph on real samples of the model's input."""
    from onnxviz.analyses.inputs.features import read_rows
    from onnxviz.analyses.inputs.few_samples import SampleBatches
    from onnxviz.model.graph.labels import feature_names

    if request.data is None:
        raise ValueError("there are no samples")
    model, settled = subject.model, subject.settled
    source = choose_moving(model, None)
    if not source.inputs:
        raise UsageError(f"`data` {source_text(request.data)}: samples of token ids cannot be read; leave `data` out")
    expected = request.inputs.refined(source.contract(model))
    shape = source.shape(model, settled.held, settled.dims, settled.shapes, request.seed)[0]
    rows = None
    if expected.kind == "vector" and len(shape) == 2 and not is_folder(request.data):
        known = source.joined.names if source.joined else feature_names(model.original)
        rows, _, notes = read_rows(request.data, known if len(known) == shape[1] else (), shape[1])
        for note in notes:
            listener.note(f"{source.name}: {note}")
    samples = SampleBatches(request.data, expected, shape, rows, MOST)
    return InnerBatches(samples, model, subject.name, source, settled.feed(request.seed), shape[0])


def with_spectrum(
    space: Space, samples: SampleBatches, source: str, expected: InputContract, listener: Listener
) -> Space:
    """Return a space of pictures or signals with the colors and the spectrum of real samples."""
    from onnxviz.methods.ascent.fourier import color_root

    found = input_statistics(samples, source, expected)
    channels = len(found.covariance)
    said = [f"slope {found.slope:.2f} of the spectrum"] if found.slope is not None else []
    if channels > 1:
        said.append(f"how its {channels} channels vary together")
        space = replace(space, colors=color_root(found.covariance).numpy())
    if said:
        listener.note(f"{space.name}: {' and '.join(said)}, of {found.count} samples of {source}")
    if found.band < 0.5:
        reach = f"of the samples, which are enlarged, frequencies up to {found.band:.2g} cycles count"
        spectrum = "" if found.slope is not None else ": too few to tell a slope, so 1 is taken"
        listener.note(f"{space.name}: {reach}{spectrum}")
    return replace(space, slope=found.slope)


def with_start(
    space: Space, subject: Subject, rate: float | None, request: MaximizationRequest, listener: Listener
) -> Space:
    """Return a space in which the search starts from the real input that is asked for, if any."""
    if request.start is None:
        return space
    beginning = space.beginning  # tokens have theirs already
    if beginning is None:
        kind, joined = "array" if subject.inside else subject.expected.kind, subject.moving.joined
        if joined is not None:
            beginning = joined_row(request.start, joined)[0]
        else:
            beginning = read_real(request.start, replace(subject.expected, kind=kind), subject.shape, rate)[0]
    kept = ": its phases alone, at nature's magnitudes" if space.parameterization == "maco" else ""
    listener.note(f"{space.name}: starting from {source_text(request.start)}{kept}")
    return replace(space, beginning=np.asarray(beginning, np.float32))
