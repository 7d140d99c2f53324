"""The kind of an input as a person or the metadata tells it, with the axes that it then has."""

from __future__ import annotations

import json
from collections.abc import Mapping

from onnxviz.contract import InputContract
from onnxviz.errors import UsageError
from onnxviz.model.expectations.clips import COLORS
from onnxviz.model.expectations.kind_axes import clip_axes, letter_axes, point_axes
from onnxviz.model.expectations.letters import order_note, told_letters, usual_letters
from onnxviz.model.expectations.point_sets import UNBOUNDED
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.labels import metadata
from onnxviz.model.graph.tensor_info import TensorInfo
from onnxviz.wording import shape_text

KINDS = ("image", "clip", "volume", "signal", "sequence", "points", "letters", "array")
"""The kinds that can be told."""

_PLAIN: Mapping[tuple[str, int], tuple[str, ...]] = {
    ("image", 2): ("height", "width"),
    ("volume", 4): ("channel", "depth", "height", "width"),
    ("signal", 1): ("time",),
    ("signal", 2): ("channel", "time"),
    ("sequence", 2): ("time", "feature"),
}
_WANTED = {
    "image": "height and width, and channels first or last",
    "clip": "frames, height, width, and 1 or 3 colors",
    "volume": "channels, depth, height and width",
    "signal": "channels and time, or time alone",
    "sequence": "time and features",
    "points": "points and 3, 4 or 6 coordinates",
    "letters": "positions and 4, 5, 20, 21 or 25 letters; tell others with `letters`",
}


def told_kind(model: Graph, info: TensorInfo) -> InputContract | None:
    """Return the contract of an input whose kind the user or the metadata tells; None for other inputs.

    Parameters
    ----------
    model : Graph
        The model.
    info : TensorInfo
        The input.

    Raises
    ------
    UsageError
        If the input's axes do not fit that kind.
    """
    if info.name in model.kinds:
        kind, letters = model.kinds[info.name]
        return as_kind(model, info, kind, letters, f"kind given: {kind}")
    text = metadata(model.original).get("input_kind", "")
    try:
        read = json.loads(text)
        text = str(read.get(info.name, "")) if isinstance(read, dict) else text
    except ValueError:
        pass
    if text not in KINDS or info.name not in model.inputs:
        return None
    try:
        return as_kind(model, info, text, "", f"metadata input_kind = {text}")
    except UsageError:  # another input is meant
        return None


def as_kind(model: Graph, info: TensorInfo, kind: str, letters: str, why: str) -> InputContract:
    """Return the contract of an input that is of a kind.

    Parameters
    ----------
    model : Graph
        The model.
    info : TensorInfo
        The input.
    kind : str
        One of `KINDS`.
    letters : str
        The letters in the order of their axis; "" for the usual ones.
    why : str
        The evidence.

    Raises
    ------
    UsageError
        If the input's axes do not fit the kind.
    """
    shape = info.shape or ()
    if kind == "array":
        return InputContract(
            info.name, shape, kind, tuple(f"axis {axis}" for axis in range(1, len(shape))), evidence=(why,)
        )
    spare = tuple(axis for axis in range(1, len(shape)) if shape[axis] == 1)
    spare = spare if len(shape) - len(spare) == 3 and kind in ("points", "letters") and len(shape) > 3 else ()
    kept = tuple(size for axis, size in enumerate(shape) if axis not in spare)
    sizes = kept[1:]
    told = letters or (told_letters(model, sizes) if kind == "letters" else "")
    axes = _PLAIN.get((kind, len(sizes)))
    if kind == "image" and len(sizes) == 3:
        last = sizes[2] in (1, 3, 4) and sizes[0] not in (1, 3, 4)
        axes = ("height", "width", "channel") if last else ("channel", "height", "width")
    elif kind == "clip":
        axes = clip_axes(sizes)
    elif kind == "points":
        axes = point_axes(sizes)
    elif kind == "letters":
        axes = letter_axes(sizes, len(told) or None)
    if axes is None:
        wanted = f"a position and {len(told)} letters ({told})" if told else _WANTED[kind]
        raise UsageError(f"`kind` {kind}: {info.name} is {shape_text(shape)}; after the batch this kind has {wanted}")
    found = InputContract(info.name, kept, kind, axes, evidence=(why,), spare=spare)
    if kind == "points":
        return found.with_note(UNBOUNDED)
    if kind == "letters":
        count = sizes[axes.index("letter")]
        known = told or usual_letters(count if isinstance(count, int) else 0, info.name)
        return found.with_note(order_note(known, bool(told)), low=(0.0,), high=(1.0,), letters=known)
    channels = dict(zip(axes, sizes, strict=True)).get("channel", 1)
    color = COLORS.get(channels) if isinstance(channels, int) and kind in ("image", "clip") else None
    return InputContract(info.name, kept, kind, axes, color, evidence=(why,))
