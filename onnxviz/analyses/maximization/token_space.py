"""The space in which the vectors behind tokens are searched, and the ids that are held meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.inputs.features import Features
from onnxviz.analyses.inputs.tokens import Tokens, center_and_spread
from onnxviz.analyses.maximization.request import Sample, source_text
from onnxviz.errors import DataError, UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.request import MaximizationRequest
    from onnxviz.contract import InputContract
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.methods.ascent.space import Space
    from onnxviz.model.expectations.embedding import Embedding
    from onnxviz.model.model import Model


def hold_ids(
    model: Model,
    embedding: Embedding,
    held: dict[str, np.ndarray],
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
) -> dict[str, np.ndarray]:
    """Return the held values with the ids, which a graph may read beside their vectors, held at a common token."""
    from onnxviz.model.expectations.sample_inputs import settled_shape

    norms = np.linalg.norm(embedding.rows, axis=1)
    typical = int(np.argsort(norms, kind="stable")[len(norms) // 2])
    return {**held, embedding.ids: np.full(settled_shape(model, embedding.ids, dims, shapes), typical)}


def token_space(
    tokens: Tokens, expected: InputContract, shape: tuple[int, ...], request: MaximizationRequest
) -> tuple[Space, Drawing, Features]:
    """Return the space of the vectors behind tokens (a ball around the table's rows, or relaxed codes) and how they are drawn."""
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.methods.ascent.space import Space

    given = {name: getattr(request, name) for name in ("bounds", "names", "data", "norm")}
    given |= {"value_range": request.inputs.value_range, "parameterization": request.parameterization}
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"`{name}` has no meaning for tokens; see `vocab` and `kept`")
    rows, (length, width) = tokens.embedding.rows, shape[1:]
    name, axes = tokens.embedding.output, ("time", "feature")
    drawing = Drawing(expected)
    beginning = None
    if request.start is not None:
        beginning = rows[read_ids(tokens, request.start, length)]
    movable = tokens.movable(length)
    if tokens.embedding.one_hot:
        low, high = np.zeros((length, width)), np.ones((length, width))
        mean = np.full((length, width), 1 / width)
        for place, token in tokens.kept.items():
            low[place] = high[place] = mean[place] = rows[token]
        groups = tuple(tuple(range(place * width, (place + 1) * width)) for place in range(length) if movable[place])
        space = Space(name, (length, width), axes, "tokens", None, low, high, mean, groups=groups, beginning=beginning)
        return space, drawing, Features()
    center, spread = center_and_spread(rows)
    radius = float(np.linalg.norm((rows - center) / spread, axis=1).mean())
    mean, scale = np.tile(center, (length, 1)), np.tile(spread, (length, 1))
    for place, token in tokens.kept.items():
        mean[place], scale[place] = rows[token], 0
    space = Space(
        name,
        (length, width),
        axes,
        "tokens",
        mean=mean,
        scale=scale,
        norm=radius,
        tokens=True,
        beginning=beginning,
    )
    return space, drawing, Features()


def read_ids(tokens: Tokens, sample: Sample, length: int) -> np.ndarray:
    """Return the ids of one real sequence of tokens, (time,).

    Raises
    ------
    UsageError, DataError
        If the file is missing, cannot be read, or does not hold as many ids of the table.
    """
    if tokens.start is not None and not isinstance(sample, np.ndarray):
        return np.asarray(tokens.start.ids, np.int64)
    if not isinstance(sample, np.ndarray):
        return tokens.read(Path(sample), length)
    count = len(tokens.embedding.rows)
    if sample.size != length or not (sample == np.rint(sample)).all() or sample.min() < 0 or sample.max() >= count:
        raise DataError(f"{source_text(sample)}: {length} token ids are wanted, whole numbers from 0 to {count - 1}")
    return sample.reshape(length).astype(np.int64)
