"""Real samples that --data names, a bounded number of them, and what they tell of an input or of a tensor inside the graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.inputs.moving import Moving, choose_moving
from onnxviz.analyses.inputs.one_sample import read_input
from onnxviz.analyses.inputs.request import InputRequest
from onnxviz.analyses.keywords import fields_of, requested
from onnxviz.analyses.listener import Listener
from onnxviz.errors import DataError, UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.few_samples import SampleBatches
    from onnxviz.contract import InputContract
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.samples.natural_statistics import NaturalStatistics
    from onnxviz.model.model import Model

MOST = 128
"""So many samples at most are read; more would tell little more of a covariance or a slope."""


class InnerBatches:
    """What a tensor inside the graph is on real samples of the input, by ONNX Runtime; read as `SampleBatches` is.

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
        self._samples, self._name, self._source, self._fed, self._batch = samples, name, source, fed, batch
        self._session = model.session([name])

    def __len__(self) -> int:
        return len(self._samples)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yield (1, *shape) arrays, whatever size is allowed."""
        for sample in self._samples.batches(1):
            fed = {**self._fed, **self._source.fed(np.repeat(sample, self._batch, axis=0))}
            yield np.asarray(self._session(fed)[self._name], np.float32)[:1]


def input_statistics(samples: SampleBatches, path: Path, expected: InputContract) -> NaturalStatistics:
    """Return how the channels of real samples vary together and how their spectra fall.

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
        raise DataError(f"--data {path}: all of its samples are constant")
    return found


def inner_space(
    listener: Listener,
    model: Model,
    name: str,
    held: dict[str, np.ndarray],
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    options: dict[str, Any],
) -> tuple[tuple[int, ...], np.ndarray, np.ndarray, InnerBatches]:
    """Return the shape of a tensor inside the graph, where its values lie on real samples, and those values.

    Mean and deviation are those of each channel, the axis after the batch; of each element where that is the only axis.

    Raises
    ------
    UsageError, DataError
        If the samples cannot be read, do not fit the input, or are all the same to the tensor.
    """
    from onnxviz.analyses.inputs.features import read_rows
    from onnxviz.analyses.inputs.few_samples import SampleBatches
    from onnxviz.model.expectations.sample_inputs import feed
    from onnxviz.model.graph.labels import feature_names

    path = options["data"]
    source = choose_moving(model, None)
    if not source.inputs:
        raise UsageError(f"--data {path}: samples of token ids cannot be read; leave it out")
    request = requested(InputRequest, {key: options[key] for key in fields_of(InputRequest)})
    expected = request.refined(source.contract(model))
    shape = source.shape(model, held, dims, shapes, options["seed"])[0]
    rows = None
    if expected.kind == "vector" and len(shape) == 2 and not path.is_dir():
        known = source.joined.names if source.joined else feature_names(model.original)
        rows, _, notes = read_rows(path, known if len(known) == shape[1] else (), shape[1])
        for note in notes:
            listener.note(f"{source.name}: {note}")
    fed = feed(model, held, dims, shapes, options["seed"])
    samples = InnerBatches(SampleBatches(path, expected, shape, rows, MOST), model, name, source, fed, shape[0])
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for (values,) in samples.batches(1):
        rest = tuple(range(1, values.ndim))
        count += 1
        total = total + values.astype(np.float64).mean(rest, keepdims=True)
        squares = squares + (values.astype(np.float64) ** 2).mean(rest, keepdims=True)
        found = (shape[0], *values.shape)
    mean = total / count
    scale = np.sqrt(np.maximum(squares / count - mean**2, 0))
    if not scale.any():
        raise DataError(f"--data {path}: {name} is the same for all of its {count} samples")
    listener.note(f"{name}: mean and deviation of each channel on {count} samples of {path}, by ONNX Runtime")
    return found, mean.astype(np.float32), scale.astype(np.float32), samples


def refined(
    listener: Listener,
    space: Space,
    expected: InputContract,
    shape: tuple[int, ...],
    moving: Moving,
    samples: SampleBatches | InnerBatches | None,
    rate: float | None,
    options: dict[str, Any],
) -> Space:
    """Put what --data tells of pictures and signals, and --start, into the space."""
    from onnxviz.analyses.inputs.few_samples import SampleBatches

    if isinstance(samples, SampleBatches) and space.spectral:
        from onnxviz.methods.ascent.fourier import color_root

        found = input_statistics(samples, options["data"], expected)
        channels = len(found.covariance)
        said = [f"slope {found.slope:.2f} of the spectrum"] if found.slope is not None else []
        if channels > 1:
            said.append(f"how its {channels} channels vary together")
            space = replace(space, colors=color_root(found.covariance).numpy())
        if said:
            listener.note(f"{space.name}: {' and '.join(said)}, of {found.count} samples of {options['data']}")
        if found.band < 0.5:
            reach = f"of the samples, which are enlarged, frequencies up to {found.band:.2g} cycles count"
            spectrum = "" if found.slope is not None else ": too few to tell a slope, so 1 is taken"
            listener.note(f"{space.name}: {reach}{spectrum}")
        space = replace(space, slope=found.slope)
    if options["start"] is not None:
        path = Path(options["start"])
        beginning = space.beginning  # tokens have theirs already
        if beginning is None:
            kind = expected.kind if moving.inputs else "array"
            beginning = read_input(path, replace(expected, shape=shape, kind=kind), shape, rate)[0]
        kept = ": its phases alone, at nature's magnitudes" if space.parameterization == "maco" else ""
        listener.note(f"{space.name}: starting from {path}{kept}")
        space = replace(space, beginning=np.asarray(beginning, np.float32))
    return space
