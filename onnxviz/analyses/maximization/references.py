"""Real inputs that a search follows or starts from, and what objectives need besides the graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.inputs.sample_first import sample_first
from onnxviz.analyses.maximization.request import Sample, source_text
from onnxviz.analyses.maximization.token_space import read_ids
from onnxviz.errors import DataError, UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.subject import Subject
    from onnxviz.contract import InputContract
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.methods.objectives.surroundings import Standard, Surroundings

# Along these neighbors belong together, also where the input is moved element by element.
_SPATIAL = ("time", "depth", "height", "width")


def check_like(objectives: tuple[Objective, ...], like: Sample | None) -> None:
    """Raise unless a real input to follow is given exactly where a term asks for it.

    Raises
    ------
    UsageError
    """
    asking = [one for one in objectives if any(term.needs_example for _, term in one.terms)]
    if asking and like is None:
        raise UsageError(f"{asking[0]}: compares with a real input; give one with `like` FILE")
    if like is not None and not asking:
        raise UsageError(f"`like` {source_text(like)}: no target follows it; write like(TENSOR) or inversion(TENSOR)")


def read_example(sample: Sample, subject: Subject, rate: float | None = None) -> np.ndarray:
    """Return the real input that terms follow, (1, *shape); of tokens their ids, (1, time).

    Raises
    ------
    UsageError, DataError
        If the file is missing, cannot be read, or does not fit.
    """
    if subject.tokens is not None:
        return read_ids(subject.tokens, sample, subject.shape[1])[None]
    return read_real(sample, subject.expected, subject.shape, rate)


def read_real(sample: Sample, expected: InputContract, shape: tuple[int, ...], rate: float | None = None) -> np.ndarray:
    """Return one real sample in the model's own units, (1, *shape); an array is taken as it is.

    Raises
    ------
    UsageError, DataError
        If the file is missing, cannot be read, or does not fit.
    """
    from onnxviz.analyses.inputs.one_sample import read_input, single_of
    from onnxviz.formats.column_matching import Slot

    expected = replace(expected, shape=shape)
    if not isinstance(sample, np.ndarray):
        return read_input(Path(sample), expected, shape, rate)
    if not np.isfinite(sample).all():
        raise DataError(f"{source_text(sample)}: some values are not finite numbers")
    return single_of(sample, Slot.of(expected, shape[1:])).fitted(expected, shape[1:], None)[0]


def surroundings(
    subject: Subject,
    objectives: tuple[Objective, ...],
    space: Space,
    sizes: dict[str, tuple[int, ...]],
    resting: dict[str, np.ndarray],
    example: np.ndarray | None,
) -> Surroundings:
    """Return what terms need from outside the graph: sizes, channels, files and a real input's activations.

    Parameters
    ----------
    subject : Subject
        The tensor that moves.
    objectives : tuple of Objective
        The objectives whose terms ask.
    space : Space
        Where the input moves.
    sizes : dict of str to tuple of int
        The sizes after the batch of every tensor that is aimed at.
    resting : dict of str to ndarray
        Values of the other inputs.
    example : (1, *shape) ndarray or None
        The real input that terms follow; of tokens their ids.

    Raises
    ------
    UsageError, DataError
        If a file is missing or cannot be read.
    EvaluationError
        If ONNX Runtime refuses the real input.
    """
    from onnxviz.formats.samples import read_sample
    from onnxviz.methods.objectives.directions import Direction
    from onnxviz.methods.objectives.surroundings import Surroundings
    from onnxviz.model.tensors.channel_axis import channel_axis

    model, moving = subject.model, subject.moving
    terms = [term for one in objectives for _, term in one.terms]
    channels = {name: channel_axis(model, name) for term in terms for name in moving.in_graph(term.tensors)}
    if "channel" in space.axes:
        channels[space.name] = space.axes.index("channel")
    files = dict.fromkeys(term.file for term in terms if isinstance(term, Direction))
    references: dict[str, np.ndarray] = {}
    if example is not None:
        names = list(dict.fromkeys(name for term in terms if term.needs_example for name in term.tensors))
        session = model.session(moving.in_graph(names), moving.front)
        batch = 1 if moving.front else subject.shape[0]
        answers = sample_first(model, session, moving.in_graph(names))(
            {**resting, **moving.fed(np.repeat(example, batch, axis=0))}
        )
        references = {name: np.asarray(answers.get(name, example))[0] for name in names}
    return Surroundings(
        sizes,
        channels,
        {file: np.asarray(read_sample(file).array) for file in files},
        references,
        space.name,
        _standard(space),
    )


def _standard(space: Space) -> Standard:
    """Return the units in which the search moves the input."""
    import torch

    from onnxviz.methods.ascent.runs import Run
    from onnxviz.methods.objectives.fixed_array import FixedArray
    from onnxviz.methods.objectives.surroundings import Standard

    start = space.start([Run("probe")], torch.device("cpu"))
    spatial = start.spatial or tuple(1 + place for place, axis in enumerate(space.axes) if axis in _SPATIAL)
    return Standard(FixedArray(start.middle.numpy()), FixedArray(start.span.numpy()), spatial)
