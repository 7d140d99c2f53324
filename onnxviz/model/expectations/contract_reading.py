"""The contract of an input: its kind, axes, colors and range, each with the evidence for it.

A wrong value range is the commonest cause of useless pictures, so nothing is guessed silently. The user's settings come
first, then the evidence in the file (metadata, quantization parameters, leading normalization). An assumption is called
an assumption.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from onnx import TensorProto

from onnxviz.contract import InputContract as InputContract
from onnxviz.errors import OnnxvizError, UsageError
from onnxviz.model.expectations.batch_statistics import from_batch_statistics
from onnxviz.model.expectations.channel_order import from_channel_means, from_producer
from onnxviz.model.expectations.clips import clip
from onnxviz.model.expectations.embedding import token_count
from onnxviz.model.expectations.first_layer import first_layer
from onnxviz.model.expectations.input_range import (
    assumed,
    from_bytes,
    from_integers,
    from_metadata,
    from_normalization,
    from_quantization,
)
from onnxviz.model.expectations.input_roles import input_roles
from onnxviz.model.expectations.integer_inputs import holds_numbers, movable_inputs, reads_as_numbers
from onnxviz.model.expectations.known_texts import known_texts
from onnxviz.model.expectations.letters import doubtful_letters, letters
from onnxviz.model.expectations.missing_values import takes_missing_values
from onnxviz.model.expectations.point_sets import points
from onnxviz.model.expectations.tabular_range import from_comparisons, from_support_vectors, from_trees
from onnxviz.model.expectations.told_kinds import told_kind
from onnxviz.model.expectations.whole_numbers import holds_whole_numbers
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.labels import metadata
from onnxviz.model.graph.tensor_info import TensorInfo
from onnxviz.model.tensors.axes.evidence import BATCH, UNIT
from onnxviz.model.tensors.axes.graph_axes import graph_axes
from onnxviz.wording import quoted


def default_input(model: Graph, wrt: str | None = None) -> TensorInfo:
    """Return the tensor to optimize or explain: the named tensor, or the only input that can move.

    Inputs of floats can move, and inputs of integers that the graph reads as numbers.

    Raises
    ------
    TargetError
        If the named tensor does not exist.
    UsageError
        If the named tensor cannot move, or no input or several can.
    """
    if wrt is not None:
        info = model.require(wrt)
        if not info.is_float and not (wrt in model.inputs and reads_as_numbers(model, wrt)):
            raise UsageError(
                f"`wrt` {wrt}: it holds {info.dtype}, and only floating-point tensors can move; "
                "try a tensor computed from it, such as an embedding"
            )
        return info
    found = movable_inputs(model)
    if len(found) == 1:
        return found[0]
    if not found:
        listed = ", ".join(f"{info.name} ({info.dtype})" for info in model.inputs.values()) or "none"
        raise UsageError(
            f"{model.name} has no input of numbers (inputs: {listed}); name a float tensor inside the graph with `wrt`"
        )
    listed = ", ".join(
        f"{info.name} ({'x'.join('?' if s is None else str(s) for s in info.shape or ())})" for info in found
    )
    raise UsageError(
        f"{model.name} has several inputs of numbers: {listed}; choose one with `wrt`; the others are held fixed (see `held`)"
    )


_LOOKS = (
    from_metadata,
    from_bytes,
    from_quantization,
    from_normalization,
    from_batch_statistics,
    from_trees,
    from_support_vectors,
    from_comparisons,
    from_integers,
)
"""Functions that look for a range, the surest evidence first."""


def contract(model: Graph, name: str) -> InputContract:
    """Return an input's contract, read from the file.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        An input, or any float tensor inside the graph.

    Raises
    ------
    TargetError
        If there is no such tensor.
    """
    info = model.require(name)
    role = input_roles(model).get(name)
    if role is not None and role.name == "cache" and info.shape is not None and name not in model.kinds:
        axes = tuple("time" if axis == role.axis else f"axis {axis}" for axis in range(1, len(info.shape)))
        return InputContract(name, info.shape, "array", axes, evidence=(role.why,), dtype=info.dtype)
    found = replace(_sampled(model, info), dtype=info.dtype)
    if info.operator != "Input":
        return found.with_note(f"{name} is inside the graph (output of {info.operator}): its range is unknown")
    if found.kind == "text":
        return found
    if info.dtype in ("int32", "int64", "uint32", "uint64") and not holds_numbers(model, info):
        # Tokens, masks and positions have no range.
        return replace(found, tokens=token_count(model, name)) if found.kind == "tokens" else found
    found = _seen(_missing_values, model, found)
    for look in _LOOKS:
        # Center and spread are enough for a vector; the range of pictures and sound is looked for on.
        if found.bounded or (not found.has_pixels and found.kind != "signal" and found.mean):
            break
        found = _seen(look, model, found)
    if found.kind == "signal" and not found.bounded:
        note = "the file does not tell the range: -1 to 1 is assumed, as for sound"
        return found.with_note(note, low=(-1.0,), high=(1.0,))
    found = _seen(assumed, model, found) if found.has_pixels and not found.bounded else found
    return _seen(from_producer, model, _seen(from_channel_means, model, found))


def _missing_values(model: Graph, found: InputContract) -> InputContract:
    """Return the contract of an input that takes missing values, with the evidence; of another input unchanged."""
    if not takes_missing_values(model, found.name):
        return found
    return found.with_note("trees or an Imputer take missing values: an empty cell is NaN", missing=True)


def _text(model: Graph, info: TensorInfo) -> InputContract:
    """Return the contract of an input of texts, with the texts that encoders of the graph know."""
    shape = info.shape or ()
    found = InputContract(info.name, shape, "text", ("feature",)[: max(len(shape) - 1, 0)])
    columns = known_texts(model, info.name)
    for place, column in enumerate(columns):
        which = f"column {place + 1}, " if len(columns) > 1 else ""
        few = ", ".join(quoted(text) for text in column.texts[:6]) + (", …" if len(column.texts) > 6 else "")
        if column.texts:
            note = (
                f"{which}text: {column.operator} knows {len(column.texts)}: {few}; {quoted(column.texts[0])} by default"
            )
        else:
            note = f"{which}text: no encoder of the graph names one, so the empty text is the default"
        found = found.with_note(note)
    return found


def _seen(look: Callable[[Graph, InputContract], InputContract], model: Graph, found: InputContract) -> InputContract:
    """Return the contract with a piece of evidence; unchanged if a damaged file holds numbers that do not fit."""
    try:
        return look(model, found)
    except (ValueError, TypeError, LookupError, ArithmeticError):
        return found


def _sampled(model: Graph, info: TensorInfo) -> InputContract:
    """Return the kind of one sample: of a tensor without a batch all of it, of a vector no axes of size 1."""
    given = told_kind(model, info)
    if given is not None:
        return given
    axes = graph_axes(model)
    whole, shape = axes.unbatched.get(info.name, ""), info.shape or ()
    if whole:
        found = _kind(model, info if BATCH in axes.roles(info.name) else replace(info, shape=(None, *shape)))
        if BATCH in axes.roles(info.name):
            names = {"unit": "feature", "": "axis"}
            words = [names.get(role, role) for role in axes.roles(info.name)]
            told = tuple(word if word != "axis" else f"axis {place}" for place, word in enumerate(words))
            kind = "sequence" if words[0] == "time" else "array"
            why = axes.sentence(info.name, 0)
            found = InputContract(info.name, shape, kind, told, evidence=(why,) if why else ())
            batch = told.index("batch")
            if not isinstance(shape[batch], int) or shape[batch] == 1:
                # One sample runs at a time: the axis of the batch is 1, and a sample does not have it.
                own = told[:batch] + told[batch + 1 :]
                said = f", with the batch along axis {batch}: a sample is {' x '.join(own)}" if own[0] == "time" else ""
                note = f"{whole}{said}; samples run one by one"
                sizes = (None, *shape[:batch], *shape[batch + 1 :])
                return found.with_note(note, shape=sizes, axes=own, whole=whole, spare=(batch,))
        if found.kind == "vector":
            found = replace(found, evidence=())  # its axes are told below
        mean = " along its first axis" if len(shape) > 1 else ""
        score = f"; the score is the target's mean{mean}" if mean else ""
        return found.with_note(f"{whole}: the whole input is one sample{score}", shape=(None, *shape), whole=whole)
    long = [axis for axis, size in enumerate(shape) if axis and size != 1]
    if len(shape) > 2 and len(long) == 1 and isinstance(shape[long[0]], int) and info.operator == "Input":
        role = axes.role(info.name, long[0])
        if (role is not None and role.role == UNIT) or (
            role is None and _first_operator(model, info.name) not in _SLIDING
        ):
            spare = tuple(axis for axis in range(1, len(shape)) if axis != long[0])
            note = f"{len(shape)} axes, but only one is longer than 1: a vector for each sample"
            vector = (shape[0], shape[long[0]])
            return InputContract(info.name, vector, "vector", ("feature",), evidence=(note,), spare=spare)
    return _kind(model, info)


def _kind(model: Graph, info: TensorInfo) -> InputContract:
    shape = info.shape or ()
    rank = len(shape)
    name = info.name
    if info.element_type == TensorProto.STRING:
        return _text(model, info)
    integers = info.element_type in (TensorProto.INT64, TensorProto.INT32)
    if integers and rank <= 2 and not holds_numbers(model, info):
        return InputContract(
            name, shape, "tokens", ("time",)[: max(rank - 1, 0)], evidence=("whole numbers: read as tokens",)
        )
    if info.is_float and rank == 2 and shape[1] != 1 and holds_whole_numbers(model, name):
        note = "floating-point numbers that are cast to whole numbers first: read as tokens"
        return InputContract(name, shape, "tokens", ("time",), evidence=(note,))
    properties = metadata(model.original)
    told = _denoted(model, info)
    if told is not None:
        return told
    first = _first_operator(model, name)
    special = None
    if info.operator == "Input" and rank in (3, 4):
        special = letters(model, info) or points(model, info)
    elif info.operator == "Input" and rank == 5:
        special = clip(model, info)
    if special is not None:
        return special
    if rank == 4:
        channels_last = (
            isinstance(shape[3], int)
            and shape[3] in (1, 3, 4)
            and not (isinstance(shape[1], int) and shape[1] in (1, 3, 4))
        )
        axes = ("height", "width", "channel") if channels_last else ("channel", "height", "width")
        sizes = dict(zip(axes, shape[1:], strict=True))
        channels, height, width = sizes["channel"], sizes["height"], sizes["width"]
        small = [size for size in (height, width) if isinstance(size, int) and size < 4]
        if small:
            return InputContract(name, shape, "array", axes, evidence=("four axes, but too flat for a picture",))
        color = {1: "gray", 3: "rgb"}.get(channels) if isinstance(channels, int) else None
        if first in _STEPPERS:
            note = f"four axes, but the first layer is {first}"
            return InputContract(name, shape, "array", axes, evidence=(note,))
        note = f"four axes, {channels if channels else '?'} channels {'last' if channels_last else 'first'}: a picture"
        found = InputContract(name, shape, "image", axes, color, evidence=(note,))
        flipped = _flips_channels(model, name) if color == "rgb" else False
        if flipped:
            found = found.with_note("the graph first reverses the three channels: the order that it expects is unknown")
        return found
    if rank == 5:
        deep = ("channel", "depth", "height", "width")
        if first == "Conv":
            note = "five axes before a convolution: channels by depth, height and width, a volume"
            return InputContract(name, shape, "volume", deep, evidence=(note,))
        return InputContract(name, shape, "array", deep, evidence=("five axes",))
    if rank == 3:
        if "Image.BitmapPixelFormat" in properties:
            return InputContract(
                name, shape, "image", ("height", "width", "channel"), evidence=("the metadata names a pixel format",)
            )
        sizes3 = shape[1:]
        roles = graph_axes(model).roles(name)[1:]
        if roles == ("", "") and _is_square(sizes3) and _flattened_first(model, name):
            note = "two sides of about the same length, flattened first: a gray picture without an axis for channels"
            return InputContract(name, shape, "image", ("height", "width"), "gray", evidence=(note,))
        if roles == ("unit", "time") and first == "Conv":
            note = "three axes before a convolution along the last one: channels by time"
            doubt = doubtful_letters(model, info, ("channel", "time"))
            evidence = (note, doubt) if doubt else (note,)
            return InputContract(name, shape, "signal", ("channel", "time"), evidence=evidence)
        if roles == ("time", "unit") and first == "Conv":
            note = "three axes before a convolution along the steps: steps by features"
            doubt = doubtful_letters(model, info, ("time", "feature"))
            evidence = (note, doubt) if doubt else (note,)
            return InputContract(name, shape, "sequence", ("time", "feature"), evidence=evidence)
        wide = all(isinstance(size, int) and size >= 16 for size in sizes3)
        if wide and first == "Conv" and _slides_both_ways(model, name):
            note = (
                "three axes, both large, and the first convolution slides along both: a spectrogram, time by frequency"
            )
            return InputContract(name, shape, "spectrogram", ("time", "feature"), evidence=(note,))
        if wide:
            return InputContract(
                name, shape, "array", ("time", "feature"), evidence=("three axes, both large: time by feature",)
            )
        signal = first in ("Conv",) and not (isinstance(shape[2], int) and shape[2] <= 4)
        if signal:
            return InputContract(
                name,
                shape,
                "signal",
                ("channel", "time"),
                evidence=("three axes before a convolution: channels by time",),
            )
        return InputContract(name, shape, "sequence", ("time", "feature"), evidence=("three axes: steps by features",))
    if rank == 2:
        length = shape[1]
        if not isinstance(length, int):
            return InputContract(
                name, shape, "signal", ("time",), evidence=("two axes, the second of any length: a signal",)
            )
        if first in ("Conv", "STFT") and length >= 64:
            return InputContract(
                name,
                shape,
                "signal",
                ("time",),
                evidence=("two axes, and the first layer slides along the second: a signal",),
            )
        return InputContract(name, shape, "vector", ("feature",), evidence=("two axes: a vector for each sample",))
    return InputContract(
        name,
        shape,
        "array" if rank != 1 else "vector",
        tuple(f"axis {axis}" for axis in range(1, rank)),
        evidence=({0: "a single number", 1: "one axis"}.get(rank, f"{rank} axes"),),
    )


_SLIDING = ("Conv", "STFT")
"""First layers that slide along an axis, so that its elements have neighbors and are no vector."""

_STEPPERS = ("LSTM", "GRU", "RNN", "Attention", "MultiHeadAttention", "GroupQueryAttention")
"""Operators that go along steps: an input that they read first is not a picture."""

_DENOTED = {"DATA_CHANNEL": "channel", "DATA_FEATURE": "feature", "DATA_TIME": "time"}


def _denoted(model: Graph, info: TensorInfo) -> InputContract | None:
    """Return the contract in ONNX's type and dimension denotations; None if they say too little."""
    declared = next((value for value in model.original.graph.input if value.name == info.name), None)
    if declared is None or info.shape is None:
        return None
    kind = declared.type.denotation
    dims = [dim.denotation for dim in declared.type.tensor_type.shape.dim][1:]
    axes = [_DENOTED.get(dim, "") for dim in dims]
    spatial = iter(("height", "width") if axes.count("feature") == 2 else ("feature",) * len(axes))
    axes = [next(spatial) if axis == "feature" else axis for axis in axes]
    if not all(axes) or len(set(axes)) < len(axes):
        axes = ["channel", "height", "width"] if kind == "IMAGE" and len(dims) == 3 else []
    if not axes:
        return None
    channels = dict(zip(axes, info.shape[1:], strict=True)).get("channel")
    picture = kind == "IMAGE" or {"channel", "height", "width"} == set(axes)
    color = {1: "gray", 3: "rgb"}.get(channels) if picture and isinstance(channels, int) else None
    other = (
        "signal"
        if set(axes) == {"channel", "time"}
        else "sequence"
        if "time" in axes
        else "vector"
        if len(axes) == 1
        else "array"
    )
    note = "the file denotes " + ", ".join(
        filter(None, (kind and f"the type {kind}", (any(dims) and f"axes {' '.join(dims)}") or ""))
    )
    return InputContract(info.name, info.shape, "image" if picture else other, tuple(axes), color, evidence=(note,))


def _first_operator(model: Graph, name: str) -> str:
    """Return the operator of the first layer after a tensor, "Conv" for every convolution; "" if there is no layer."""
    reached = {name}
    for node in model.nodes:
        if not any(one in reached for one in node.input):
            continue
        if node.op_type in ("Shape", "Size"):
            continue
        reached.update(node.output)
        if node.op_type in (
            "Conv",
            "STFT",
            "MatMul",
            "Gemm",
            *_STEPPERS,
            "FusedConv",
            "QLinearConv",
            "TreeEnsembleClassifier",
            "TreeEnsembleRegressor",
        ):
            return "Conv" if "Conv" in node.op_type else node.op_type
    return ""


def _slides_both_ways(model: Graph, name: str) -> bool:
    """Return whether the first convolution's kernels are longer than 1 along two axes."""
    try:
        kernels = first_layer(model, name).kernels
    except OnnxvizError:  # not in the file
        return False
    return len([size for size in kernels.shape[2:] if size > 1]) == 2


def _is_square(sizes: Sequence[int | str | None]) -> bool:
    """Return whether two sizes look like the sides of a picture: at least 8, and at most 4 to 3."""
    sides = [size for size in sizes if isinstance(size, int)]
    return len(sides) == 2 and min(sides) >= 8 and 3 * max(sides) <= 4 * min(sides)


def _flattened_first(model: Graph, name: str) -> bool:
    """Return whether the operators after an input keep its axes until one lays each sample out as a row."""
    rank = len(model.inputs[name].shape or ()) if name in model.inputs else 0
    reached = {name}
    for node in model.nodes:
        if reached.isdisjoint(node.input) or node.op_type in ("Shape", "Size"):
            continue
        shapes = [model.tensors[one].shape for one in node.output if one in model.tensors]
        if node.op_type in ("Flatten", "Reshape"):
            flat = node.op_type == "Flatten" or any(shape is not None and len(shape) == 2 for shape in shapes)
            return flat and rank > 2
        if not all(shape is not None and len(shape) == rank for shape in shapes):
            return False
        reached.update(node.output)
    return False


def _flips_channels(model: Graph, name: str) -> bool:
    readers = [node for node in model.nodes if name in node.input and node.op_type != "Shape"]
    if len(readers) != 1 or readers[0].op_type != "Split" or len(readers[0].output) != 3:
        return False
    pieces = list(readers[0].output)
    return any(node.op_type == "Concat" and list(node.input) == pieces[::-1] for node in model.nodes)


def settle(
    shape: Sequence[int | str | None], dims: dict[str, int], kind: str, given: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Return a shape with every size settled; the batch is 1 unless the file fixes it.

    Parameters
    ----------
    shape : sequence of (int, str or None)
        The shape in the file.
    dims : dict of str to int
        Sizes by name.
    kind : str
        The input's kind: an open height or width of a picture becomes 224.
    given : sequence of int, optional
        The whole shape, as the user gave it.

    Raises
    ------
    UsageError
        If the given shape contradicts the file's, or a size stays open.
    """
    if given is not None:
        fits = len(given) == len(shape) and all(
            not isinstance(a, int) or a == b for a, b in zip(shape, given, strict=True)
        )
        if shape and not fits:
            raise UsageError(
                f"the shape {'x'.join(map(str, given))} does not fit {'x'.join('?' if s is None else str(s) for s in shape)}"
            )
        return tuple(given)
    sizes = []
    for axis, size in enumerate(shape):
        if isinstance(size, int):
            sizes.append(size)
        elif size in dims:
            sizes.append(dims[size])
        elif axis == 0:
            sizes.append(1)
        elif kind == "image":
            sizes.append(224)
        elif kind == "signal":
            sizes.append(4000)
        elif kind == "tokens":
            sizes.append(16)
        else:
            sizes.append(1)
    return tuple(sizes)
