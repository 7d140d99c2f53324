"""Real samples that --data names, a bounded number of them, and what they tell of an input or of a tensor inside the graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.commands.feeding import fit_sample, read_input
from onnxviz.commands.options import refine_contract
from onnxviz.commands.terminal import Terminal
from onnxviz.errors import DataError, UsageError
from onnxviz.formats.samples import read_sample

if TYPE_CHECKING:
    from onnxviz.methods.natural_statistics import NaturalStatistics
    from onnxviz.methods.search import Space
    from onnxviz.model.graph import Model
    from onnxviz.model.inputs import InputContract

MOST = 128
"""So many samples at most are read; more would tell little more of a covariance or a slope."""


def real_samples(path: Path, expected: InputContract, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield samples as an input takes them, evenly picked where there are more than `MOST`.

    Parameters
    ----------
    path : Path
        A folder of files, or a file: an array or a table with a row for each sample, a picture or a sound.
    expected : InputContract
        What the input expects.
    shape : tuple of int
        The input's shape, sizes settled, the batch included.

    Yields
    ------
    (*shape) ndarray
        Without the batch, in the model's own units.

    Raises
    ------
    UsageError
        If there is no such file, or the folder holds nothing.
    DataError
        If a file cannot be read or does not fit.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        if not files:
            raise UsageError(f"--data {path}: the folder holds no files")
        for place in _even(len(files)):
            yield fit_sample(read_sample(files[place]), expected, shape[1:])[0]
        return
    sample = read_sample(path)
    own = shape[1:]
    if sample.kind in ("array", "table") and sample.array.ndim > 1 and sample.array[0].size == np.prod(own):
        for place in _even(len(sample.array)):
            yield np.asarray(sample.array[place], np.float32).reshape(own)
        return
    yield fit_sample(sample, expected, shape[1:])[0]


def input_statistics(path: Path, expected: InputContract, shape: tuple[int, ...]) -> NaturalStatistics:
    """Return how the channels of real samples vary together and how their spectra fall.

    Raises
    ------
    UsageError, DataError
        As `real_samples`; DataError as well where all samples are constant.
    """
    from onnxviz.methods.natural_statistics import natural_statistics

    span = np.asarray(expected.high, np.float64) - np.asarray(expected.low) if expected.bounded else np.ones(1)
    if span.size > 1:
        span = span.reshape([-1 if axis == "channel" else 1 for axis in expected.axes])
    found = natural_statistics(real_samples(path, expected, shape), expected.axes, span)
    if not np.trace(found.covariance) > 0:
        raise DataError(f"--data {path}: all of its samples are constant")
    return found


def inner_statistics(
    model: Model, name: str, path: Path, expected: InputContract, shape: tuple[int, ...], fed: dict[str, np.ndarray]
) -> tuple[tuple[int, ...], np.ndarray, np.ndarray, int]:
    """Return where the values of a tensor inside the graph lie on real samples, by ONNX Runtime.

    Parameters
    ----------
    model : Model
        The model.
    name : str
        The tensor.
    path : Path
        The samples.
    expected, shape
        Of the input that they are fed to.
    fed : dict of str to ndarray
        Values for all inputs.

    Returns
    -------
    shape : tuple of int
        The tensor's, with the batch.
    mean, scale : ndarray
        For each channel, the axis after the batch, and for each element where that is the only axis.
    count : int
        How many samples there were.
    """
    session = model.session([name])
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for sample in real_samples(path, expected, shape):
        batch = np.repeat(sample[None], shape[0], axis=0)
        values = np.asarray(session({**fed, expected.name: batch})[name], np.float64)[0]
        rest = tuple(range(1, values.ndim))
        count += 1
        total = total + values.mean(rest, keepdims=True)
        squares = squares + (values**2).mean(rest, keepdims=True)
        found = (shape[0], *values.shape)
    if count == 0:
        raise UsageError(f"--data {path}: it holds no samples")
    mean = total / count
    scale = np.sqrt(np.maximum(squares / count - mean**2, 0))
    if not scale.any():
        raise DataError(f"--data {path}: {name} is the same for all of its {count} samples")
    return found, mean.astype(np.float32), scale.astype(np.float32), count


def _even(count: int) -> list[int]:
    return list(range(count)) if count <= MOST else np.linspace(0, count - 1, MOST).astype(int).tolist()


def inner_space(
    terminal: Terminal,
    model: Model,
    name: str,
    held: dict[str, np.ndarray],
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    options: dict[str, Any],
) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
    """Return the shape of a tensor inside the graph, and where its values lie on real samples."""
    from onnxviz.model.inputs import contract, default_input
    from onnxviz.model.sample_inputs import feed, settled_shape

    source = default_input(model)
    expected = refine_contract(
        contract(model, source.name), *(options[key] for key in ("value_range", "mean", "std", "layout", "channels"))
    )
    shape = settled_shape(model, source.name, dims, shapes)
    fed = feed(model, held, dims, shapes, options["seed"])
    found, mean, scale, count = inner_statistics(model, name, options["data"], expected, shape, fed)
    terminal.note(
        f"{name}: mean and deviation of each channel on {count} samples of {options['data']}, by ONNX Runtime"
    )
    return found, mean, scale


def refined(
    terminal: Terminal,
    space: Space,
    expected: InputContract,
    shape: tuple[int, ...],
    inside: bool,
    options: dict[str, Any],
) -> Space:
    """Put what --data tells of pictures and signals, and --start, into the space."""
    if options["data"] is not None and space.spectral and not inside:
        from onnxviz.methods.fourier import color_root

        found = input_statistics(options["data"], expected, shape)
        channels = len(found.covariance)
        said = [f"slope {found.slope:.2f} of the spectrum"] if found.slope is not None else []
        if channels > 1:
            said.append(f"how its {channels} channels vary together")
            space = replace(space, colors=color_root(found.covariance).numpy())
        if said:
            terminal.note(f"{space.name}: {' and '.join(said)}, of {found.count} samples of {options['data']}")
        space = replace(space, slope=found.slope)
    if options["start"] is not None:
        path = Path(options["start"])
        if inside:
            expected = replace(expected, kind="array")
        beginning = read_input(path, replace(expected, shape=shape), shape)[0]
        kept = ": its phases alone, at nature's magnitudes" if space.parameterization == "maco" else ""
        terminal.note(f"{space.name}: starting from {path}{kept}")
        space = replace(space, beginning=np.asarray(beginning, np.float32))
    return space
