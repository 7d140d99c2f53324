"""The size at which an input is rendered, and the part of the input that a target sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.listener import Listener
from onnxviz.errors import EvaluationError, OnnxvizError, UsageError
from onnxviz.question import Question
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from onnxviz.contract import InputContract
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.model import Model


def sized_shape(asked: tuple[int, ...], expected: InputContract, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return an input's shape with the sizes that are asked for.

    Parameters
    ----------
    asked : tuple of int
        One number for all spatial axes, or one for each.
    expected : InputContract
        What the input is.
    shape : tuple of int
        Its shape, batch included.

    Raises
    ------
    UsageError
        If the numbers are no size, or the input has no spatial axes.
    """
    written = "x".join(map(str, asked))
    places = [place for place, axis in enumerate(expected.axes, 1) if axis != "channel"]
    if expected.kind not in ("image", "clip", "signal", "spectrogram") or len(expected.axes) != len(shape) - 1:
        raise UsageError(f"`size` {written}: it is for pictures, clips and signals; {expected.name} is {expected.noun}")
    if not all(size > 0 for size in asked) or len(asked) not in (1, len(places)):
        wanted = "x".join(expected.axes[place - 1].upper() for place in places)
        raise UsageError(f"`size` {written}: give one number, or {wanted}")
    sizes = list(shape)
    for number, place in enumerate(places):
        sizes[place] = asked[number if len(asked) > 1 else 0]
    return tuple(sizes)


def check_sized(
    model: Model,
    original: Model,
    tensors: tuple[str, ...],
    name: str,
    shape: tuple[int, ...],
    fed: dict[str, np.ndarray],
) -> None:
    """Raise unless the model up to some tensors takes its input at another size than the file declares.

    Parameters
    ----------
    model, original : Model
        With the input resized, and as the file is.
    tensors : tuple of str
        The targets.
    name, shape
        The input, and the shape that it shall have.
    fed : dict of str to ndarray
        Values for all inputs, at these sizes.

    Raises
    ------
    UsageError
        With ONNX Runtime's reason.
    """
    wanted = "x".join(map(str, shape[1:]))
    for tensor in tensors:
        said = f"`size`: the part up to {tensor} does not take {name} at {wanted}"
        try:
            found = np.asarray(model.session([tensor])(fed)[tensor])
        except (EvaluationError, OnnxvizError) as error:
            raise UsageError(f"{said}: {error}; aim at a tensor before that, or leave `size` out") from None
        known = original.tensors[tensor].shape
        # A Reshape to a fixed size may turn what is too much into more samples, or into other features.
        fixed = known is not None and len(known) > 1 and isinstance(known[1], int)
        if (
            not found.ndim
            or found.shape[0] != shape[0]
            or (fixed and known is not None and found.shape[1:2] != known[1:2])
        ):
            declared = shape_text(known) if known is not None else "another shape"
            raise UsageError(
                f"{said}: it would become {shape_text(found.shape)} in place of {declared}, which something reshapes to a "
                "fixed size; aim at a tensor before that, or leave `size` out"
            )


def seen_window(
    model: Model, objective: Objective, name: str, shape: tuple[int, ...], expected: InputContract
) -> tuple[slice, ...] | None:
    """Return the part of the input that an objective at chosen positions sees; None where it sees all of it.

    Parameters
    ----------
    model : Model
        The model.
    objective : Objective
        What is maximized.
    name, shape, expected
        The input that moves, its shape with the batch, and what it is.

    Returns
    -------
    tuple of slice or None
        An entry for each axis after the batch.
    """
    from onnxviz.methods.objectives.objectives import Activation
    from onnxviz.model.tensors.receptive_field import receptive_field

    if (
        expected.kind in ("vector", "tokens", "letters", "points")
        or len(expected.axes) != len(shape) - 1
        or name not in model.inputs
    ):
        return None
    low, high = list(shape[1:]), [0] * len(shape[1:])
    for _, term in objective.terms:
        if not isinstance(term, Activation):
            return None
        field = receptive_field(model, term.target.tensor, name, shape=shape)
        sizes = (model.tensors[term.target.tensor].shape or ())[1:]
        rank = len(sizes)
        # A damaged file declares fewer axes than its operators make.
        if field is None or not field.spatial or rank < max(field.spatial):
            return None
        picked = term.target.entries(rank)
        if term.target.question is Question.CENTER:
            picked = tuple(
                size // 2 if entry == slice(None) and isinstance(size, int) else entry
                for entry, size in zip(picked, sizes, strict=True)
            )
        entries = [picked[axis - 1] for axis in field.spatial]
        position = [entry for entry in entries if isinstance(entry, (int, slice))]
        if len(position) < len(entries) or all(entry == slice(None) for entry in position):
            return None
        for place, part in zip(field.places, field.window(position), strict=True):
            if part.stop <= part.start:
                return None
            low[place - 1], high[place - 1] = min(low[place - 1], part.start), max(high[place - 1], part.stop)
    window = tuple(
        slice(start, stop) if stop > start else slice(0, size)
        for start, stop, size in zip(low, high, shape[1:], strict=True)
    )
    return None if all(part.stop - part.start == size for part, size in zip(window, shape[1:], strict=True)) else window


def resized_model(
    model: Model,
    name: str,
    expected: InputContract,
    inside: bool,
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    asked: tuple[int, ...],
) -> tuple[Model, dict[str, tuple[int, ...]]]:
    """Return the model with its input at the size that is asked for, and the sizes; the same model where its size is open.

    Raises
    ------
    UsageError
        If the tensor lies inside the graph, or as `sized_shape`.
    """
    from onnxviz.model.expectations.sample_inputs import settled_shape
    from onnxviz.model.graph.resized import resized

    written = "x".join(map(str, asked))
    if inside:
        raise UsageError(f"`size` {written}: {name} lies inside the graph, where sizes follow from the input's")
    if name not in model.inputs:
        raise UsageError(f"`size` {written}: it is for pictures and signals; {name} is {expected.noun}")
    shape = sized_shape(asked, expected, settled_shape(model, name, dims, shapes))
    declared = model.inputs[name].shape or ()
    fits = all(not isinstance(own, int) or own == size for own, size in zip(declared, shape, strict=True))
    return model if fits else resized(model, name, shape), {**shapes, name: shape}


def size_remark(original: Model, name: str, shape: tuple[int, ...]) -> str:
    """Return a sentence about a score at another size than the file declares."""
    own = shape_text((original.tensors[name].shape or ())[1:])
    return f"scored at {shape_text(shape[1:])}, by ONNX Runtime on the file's graph; the file itself takes {own}"


def seen_windows(
    listener: Listener,
    model: Model,
    objectives: tuple[Objective, ...],
    name: str,
    shape: tuple[int, ...],
    expected: InputContract,
) -> tuple[tuple[slice, ...] | None, ...]:
    """Return the part of the input that each target sees, and note the part of the first target."""
    windows = tuple(seen_window(model, one, name, shape, expected) for one in objectives)
    for one, window in zip(objectives[:1], windows, strict=False):
        if window is not None:
            places = ", ".join(
                f"{axis} {part.start} to {part.stop - 1}"
                for axis, part in zip(expected.axes, window, strict=True)
                if axis != "channel"
            )
            listener.note(f"{one}: sees {places} of {name}; the rest of {name} stays at the middle of its range")
    return windows
