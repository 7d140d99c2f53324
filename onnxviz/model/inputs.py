"""What an input expects: its kind, axes, colors and range, each with the evidence for it.

A wrong value range is the commonest cause of useless pictures, so nothing is guessed in silence: what the user gives comes first, then what the
file says (metadata, denotations, quantisation parameters, leading normalization), and an assumption is called one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import NodeProto, TensorProto

from onnxviz.errors import UsageError
from onnxviz.model.first_layer import first_layer
from onnxviz.model.graph import Model
from onnxviz.model.labels import metadata
from onnxviz.model.tensor_info import TensorInfo

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)

_PIXEL_RANGES = {
    "NominalRange_0_255": (0.0, 255.0),
    "Normalized_0_1": (0.0, 1.0),
    "Normalized_1_1": (-1.0, 1.0),
    "NominalRange_16_235": (16.0, 235.0),
}


@dataclass(frozen=True)
class InputContract:
    """What an input expects.

    Attributes
    ----------
    name : str
        The tensor.
    shape : tuple of (int, str or None)
        With the batch; () where not even the number of axes is known.
    kind : str
        "image", "signal" (sampled evenly, one axis), "sequence" (steps of features), "vector", "tokens" or "array".
    axes : tuple of str
        The axes after the batch: "channel", "height", "width", "time", "feature", ….
    color : str or None
        "rgb", "bgr", "gray"; None where the channels are no colors.
    low, high : tuple of float
        The range, one number or one per channel, in the model's own units; empty where it is unbounded.
    mean, scale : tuple of float
        Where the input is centered and how widely it is spread, one number or one per channel or feature; empty where unknown.
    evidence : tuple of str
        A sentence for each thing that was found or assumed.
    """

    name: str
    shape: tuple[int | str | None, ...]
    kind: str
    axes: tuple[str, ...]
    color: str | None = None
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    evidence: tuple[str, ...] = ()

    @property
    def layout(self) -> str:
        """The axes as people write them: NCHW, NHWC, NCT, NF, …."""
        letters = {"channel": "C", "height": "H", "width": "W", "time": "T", "feature": "F", "depth": "D"}
        return "N" + "".join(letters.get(axis, "?") for axis in self.axes)

    @property
    def bounded(self) -> bool:
        """Whether the range is known."""
        return bool(self.low)

    def with_note(self, note: str, **changes: object) -> InputContract:
        """Return a copy with changes and one more sentence of evidence."""
        return replace(self, evidence=(*self.evidence, note), **changes)  # type: ignore[arg-type]  # names of fields alone


def default_input(model: Model, wrt: str | None = None) -> TensorInfo:
    """Return the tensor to optimise or explain: the named one, or the only float input.

    Raises
    ------
    TargetError
        If the named one does not exist.
    UsageError
        If it is no float tensor, or there are several to choose from.
    """
    if wrt is not None:
        info = model.require(wrt)
        if not info.is_float:
            raise UsageError(
                f"--wrt {wrt}: it holds {info.dtype}, and only floating-point tensors can move; try what reads it (an embedding, say)"
            )
        return info
    floats = [info for info in model.inputs.values() if info.is_float]
    if len(floats) == 1:
        return floats[0]
    if not floats:
        listed = ", ".join(f"{info.name} ({info.dtype})" for info in model.inputs.values()) or "none"
        raise UsageError(
            f"{model.name} has no floating-point input (inputs: {listed}); name a tensor inside the graph with --wrt"
        )
    listed = ", ".join(
        f"{info.name} ({'x'.join('?' if s is None else str(s) for s in info.shape or ())})" for info in floats
    )
    raise UsageError(
        f"{model.name} has several floating-point inputs: {listed}; choose one with --wrt, the others are held (see --set)"
    )


def contract(model: Model, name: str) -> InputContract:
    """Read an input's contract from the file.

    Parameters
    ----------
    model : Model
        The model.
    name : str
        An input, or any float tensor inside the graph.

    Raises
    ------
    TargetError
        If there is no such tensor.
    """
    info = model.require(name)
    found = _kind(model, info)
    if info.operator != "Input":
        return found.with_note(f"{name} lies inside the graph (made by {info.operator}): no range is known")
    for look in (_from_metadata, _from_type, _from_quantization, _from_normalization):
        if found.bounded or (found.kind != "image" and found.mean):
            break
        found = look(model, found)
    return found if found.bounded or found.kind != "image" else _assumed(model, found)


def _kind(model: Model, info: TensorInfo) -> InputContract:
    shape = info.shape or ()
    rank = len(shape)
    name = info.name
    if info.element_type in (TensorProto.INT64, TensorProto.INT32) and rank <= 2:
        return InputContract(
            name, shape, "tokens", ("time",)[: max(rank - 1, 0)], evidence=("whole numbers: read as tokens",)
        )
    properties = metadata(model.original)
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
        note = f"four axes, {channels if channels else '?'} channels {'last' if channels_last else 'first'}: a picture"
        found = InputContract(name, shape, "image", axes, color, evidence=(note,))
        flipped = _flips_channels(model, name) if color == "rgb" else False
        if flipped:
            found = found.with_note(
                "the graph reverses the three channels first: which order it wants cannot be told; give --channels if colors look swapped"
            )
        return found
    if rank == 5:
        return InputContract(
            name, shape, "array", ("channel", "depth", "height", "width"), evidence=("five axes: a volume",)
        )
    first = _first_operator(model, name)
    if rank == 3:
        if "Image.BitmapPixelFormat" in properties:
            return InputContract(
                name, shape, "image", ("height", "width", "channel"), evidence=("the metadata names a pixel format",)
            )
        sizes3 = shape[1:]
        if all(isinstance(size, int) and size >= 16 for size in sizes3):
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
        evidence=(f"{rank} axes",),
    )


def _first_operator(model: Model, name: str) -> str:
    """Return the first operator on the way from a tensor that computes more than shapes; Conv and STFT if they come early."""
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
            "LSTM",
            "GRU",
            "RNN",
            "FusedConv",
            "QLinearConv",
            "TreeEnsembleClassifier",
            "TreeEnsembleRegressor",
        ):
            return "Conv" if "Conv" in node.op_type else node.op_type
    return ""


def _flips_channels(model: Model, name: str) -> bool:
    readers = [node for node in model.nodes if name in node.input and node.op_type != "Shape"]
    if len(readers) != 1 or readers[0].op_type != "Split" or len(readers[0].output) != 3:
        return False
    pieces = list(readers[0].output)
    return any(node.op_type == "Concat" and list(node.input) == pieces[::-1] for node in model.nodes)


def _from_metadata(model: Model, found: InputContract) -> InputContract:
    properties = metadata(model.original)
    pixel = properties.get("Image.BitmapPixelFormat", "")
    if pixel and found.kind == "image":
        color = "bgr" if pixel.lower().startswith("bgr") else "gray" if pixel.lower().startswith("gray") else "rgb"
        found = found.with_note(f"metadata Image.BitmapPixelFormat = {pixel}", color=color)
    nominal = properties.get("Image.NominalPixelRange", "")
    span = _pair(properties.get("input_range", ""))
    if span is not None and found.kind in ("image", "signal"):
        found = found.with_note(f"metadata input_range = {properties['input_range']}", low=span[:1], high=span[1:])
    elif nominal in _PIXEL_RANGES and found.kind == "image":
        low, high = _PIXEL_RANGES[nominal]
        found = found.with_note(f"metadata Image.NominalPixelRange = {nominal}", low=(low,), high=(high,))
    return found


def _pair(text: str) -> tuple[float, float] | None:
    """Return the two numbers of a range written as JSON, the smaller first; None for anything else."""
    try:
        low, high = (float(number) for number in json.loads(text))
    except (ValueError, TypeError):
        return None
    return (low, high) if low < high else None


def _from_type(model: Model, found: InputContract) -> InputContract:
    kind = model.tensors[found.name].element_type
    if kind == TensorProto.UINT8:
        return found.with_note("uint8: 0 to 255", low=(0.0,), high=(255.0,))
    return found


def _readers(model: Model, name: str) -> list[NodeProto]:
    return [node for node in model.nodes if name in node.input and node.op_type not in ("Shape", "Size")]


def _from_quantization(model: Model, found: InputContract) -> InputContract:
    for node in _readers(model, found.name):
        if node.op_type != "QuantizeLinear" or len(node.input) < 2:
            continue
        try:
            scale = np.asarray(model.weight(node.input[1])).astype(np.float64)
            zero = (
                np.asarray(model.weight(node.input[2]))
                if len(node.input) > 2 and node.input[2]
                else np.zeros((), np.uint8)
            )
        except Exception:  # computed parameters say nothing about the range
            return found
        if scale.size != 1 or zero.dtype.kind not in "iu":
            return found
        bounds = np.iinfo(zero.dtype)
        low, high = (
            float((edge - float(zero.reshape(-1)[0])) * scale.reshape(-1)[0]) for edge in (bounds.min, bounds.max)
        )
        return found.with_note(f"the first QuantizeLinear holds {low:.4g} to {high:.4g}", low=(low,), high=(high,))
    return found


def _from_normalization(model: Model, found: InputContract) -> InputContract:
    """Follow Sub, Div, Mul, Add and their like from the input, as one affine map per channel."""
    factor, offset, chain = leading_affine(model, found)
    if not chain:
        return found
    steps = ", ".join(chain)
    safe = np.where(factor == 0, 1.0, factor)
    mean, scale = -offset / safe, np.abs(1.0 / safe)
    if found.kind != "image":
        # A scaler inside the graph: its center and spread are the training data's own.
        if len(mean) == 1 and np.allclose(mean, 0) and np.allclose(scale, 1):
            return found
        return found.with_note(
            f"the graph begins with {steps}: center and spread of each feature",
            mean=_numbers(mean),
            scale=_numbers(scale),
        )
    for low, high in ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)):
        spread = np.abs(factor) * (high - low)
        middle = np.abs(factor * (low + high) / 2 + offset)
        if np.all((spread > 0.4) & (spread < 8)) and np.all(middle < 2.5):
            note = f"the graph begins with {steps}, which brings {low:g} to {high:g} to a unit range"
            return found.with_note(note, low=(low,), high=(high,))
    # None of the usual ranges: what the graph brings to 0 to 1 is the range.
    edges = np.sort(np.stack([-offset / safe, (1 - offset) / safe]), axis=0)
    note = f"the graph begins with {steps}, which brings {edges[0].min():.4g} to {edges[1].max():.4g} to a unit range"
    return found.with_note(note, low=_numbers(edges[0]), high=_numbers(edges[1]))


def leading_affine(model: Model, found: InputContract) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return factor and offset, one number or one per channel, of the affine map that the graph begins with, and its operators."""
    channel = found.axes.index("channel") + 1 if "channel" in found.axes else len(found.shape) - 1
    size = found.shape[channel] if found.shape and channel < len(found.shape) else None
    factor, offset, chain = np.ones(1), np.zeros(1), []
    name = found.name
    for _ in range(12):
        readers = _readers(model, name)
        if len(readers) != 1:
            break
        node = readers[0]
        if node.op_type == "ImageScaler":
            values = {attribute.name: attribute for attribute in node.attribute}
            gain, shift = (
                np.array([values["scale"].f if "scale" in values else 1.0]),
                np.array(list(values["bias"].floats) or [0.0]),
            )
        elif node.op_type == "Scaler" and node.domain == "ai.onnx.ml":
            values = {attribute.name: attribute for attribute in node.attribute}
            gain = np.array(list(values["scale"].floats) if "scale" in values else [1.0])
            shift = -gain * np.array(list(values["offset"].floats) if "offset" in values else [0.0])
        elif node.op_type in ("Sub", "Add", "Mul", "Div"):
            constant = _per_channel(model, node, name, size)
            if constant is None:
                break
            first = node.input[0] == name
            gain, shift = np.ones(1), np.zeros(1)
            if node.op_type == "Mul":
                gain = constant
            elif node.op_type == "Div" and first:
                gain = 1.0 / np.where(constant == 0, 1.0, constant)
            elif node.op_type == "Add":
                shift = constant
            elif node.op_type == "Sub":
                gain, shift = (gain, -constant) if first else (-gain, constant)
            else:
                break
        elif node.op_type in ("Cast", "Identity", "Transpose", "Dropout"):
            name = node.output[0]
            continue
        else:
            break
        factor, offset = factor * gain, offset * gain + shift
        chain.append(node.op_type)
        name = node.output[0]
    return factor, offset, chain


def _per_channel(model: Model, node: NodeProto, name: str, size: object) -> np.ndarray | None:
    other = next((one for one in node.input if one != name), None)
    if other is None or other not in model.tensors:
        return None
    try:
        values = np.asarray(model.weight(other)).astype(np.float64).reshape(-1)
    except Exception:  # it is computed from the input, or cannot be read: no constant map
        return None
    return values if values.size == 1 or values.size == size else None


def _assumed(model: Model, found: InputContract) -> InputContract:
    """Judge the range from the first kernels' gain, and say that it is an assumption."""
    try:
        kernels = first_layer(model, found.name).kernels
    except Exception:  # no layer to judge from
        return found.with_note(
            "nothing in the file tells the range: 0 to 1 is assumed; give --range", low=(0.0,), high=(1.0,)
        )
    gain = float(np.median(np.sqrt((kernels.reshape(len(kernels), -1) ** 2).sum(1)))) if kernels.size else 1.0
    if gain < 0.08:
        # Kernels this weak would barely answer an input of unit size.
        return found.with_note(
            f"assumed 0 to 255: the first kernels are weak (median norm {gain:.2g}); give --range",
            low=(0.0,),
            high=(255.0,),
        )
    if model.original.producer_name == "pytorch" and found.color == "rgb":
        low = tuple((0 - mean) / std for mean, std in zip(_IMAGENET_MEAN, _IMAGENET_STD, strict=True))
        high = tuple((1 - mean) / std for mean, std in zip(_IMAGENET_MEAN, _IMAGENET_STD, strict=True))
        note = "assumed normalized by ImageNet's mean and standard deviation, as PyTorch's image models are; give --range or --mean and --std"
        return found.with_note(note, low=low, high=high)
    return found.with_note(
        "nothing in the file tells the range: 0 to 1 is assumed; give --range", low=(0.0,), high=(1.0,)
    )


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) + 0.0 for value in values)  # + 0.0: no minus before a zero


def settle(
    shape: Sequence[int | str | None], dims: dict[str, int], kind: str, given: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Return a shape with every size settled; the batch is 1 unless the file fixes it.

    Parameters
    ----------
    shape : sequence of (int, str or None)
        As the file has it.
    dims : dict of str to int
        Sizes for names.
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
        else:
            sizes.append(1)
    return tuple(sizes)
