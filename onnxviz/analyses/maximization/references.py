"""What the objectives of `maximize` need besides the graph: files, a real input's activations, the input's units."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.moving import Moving
    from onnxviz.analyses.inputs.tokens import Tokens
    from onnxviz.contract import InputContract
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.methods.objectives.surroundings import Standard, Surroundings
    from onnxviz.model.model import Model

# Along these neighbors belong together, also where the input is moved element by element.
_SPATIAL = ("time", "depth", "height", "width")


def check_like(objectives: tuple[Objective, ...], like: Path | None) -> None:
    """Raise unless --like is given exactly where a term asks for it.

    Raises
    ------
    UsageError
    """
    asking = [one for one in objectives if any(term.needs_example for _, term in one.terms)]
    if asking and like is None:
        raise UsageError(f"{asking[0]}: compares with a real input; give one with --like FILE")
    if like is not None and not asking:
        raise UsageError(f"--like {like}: no target follows it; write like(TENSOR) or inversion(TENSOR)")


def read_example(
    path: Path, expected: InputContract, shape: tuple[int, ...], tokens: Tokens | None, rate: float | None = None
) -> np.ndarray:
    """Return the real input of --like, (1, *shape); of tokens their ids, (1, time).

    Raises
    ------
    UsageError, DataError
        If the file is missing, cannot be read, or does not fit.
    """
    from onnxviz.analyses.inputs.one_sample import read_input

    if tokens is not None:
        return tokens.read(path, shape[1])[None]
    return read_input(path, replace(expected, shape=shape), shape, rate)


def surroundings(
    model: Model,
    objectives: tuple[Objective, ...],
    space: Space,
    shape: tuple[int, ...],
    moving: Moving,
    sizes: dict[str, tuple[int, ...]],
    resting: dict[str, np.ndarray],
    example: np.ndarray | None,
) -> Surroundings:
    """Gather what the terms need from outside the graph.

    Parameters
    ----------
    model : Model
        The model.
    objectives : tuple of Objective
        Whose terms ask.
    space : Space
        Where the input moves.
    shape : tuple of int
        The moving tensor's, with the batch that the file fixes.
    moving : Moving
        What moves.
    sizes : dict of str to tuple of int
        After the batch, of every tensor that is aimed at.
    resting : dict of str to ndarray
        The other inputs.
    example : (1, *shape) ndarray or None
        The real input of --like; of tokens their ids.

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

    terms = [term for one in objectives for _, term in one.terms]
    channels = {name: channel_axis(model, name) for term in terms for name in moving.in_graph(term.tensors)}
    if "channel" in space.axes:
        channels[space.name] = space.axes.index("channel")
    files = dict.fromkeys(term.file for term in terms if isinstance(term, Direction))
    references: dict[str, np.ndarray] = {}
    if example is not None:
        names = list(dict.fromkeys(name for term in terms if term.needs_example for name in term.tensors))
        session = model.session(moving.in_graph(names), moving.front)
        batch = 1 if moving.front else shape[0]
        answers = session({**resting, **moving.fed(np.repeat(example, batch, axis=0))})
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
