"""Evidence in a file for an input's range: metadata, element type, quantization parameters, leading normalization."""

from __future__ import annotations

import json

import numpy as np
from onnx import NodeProto

from onnxviz.contract import InputContract
from onnxviz.errors import OnnxvizError
from onnxviz.model.expectations.batch_statistics import IMAGENET_MEAN, IMAGENET_STD
from onnxviz.model.expectations.first_layer import first_layer
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.labels import metadata

_PIXEL_RANGES = {
    "NominalRange_0_255": (0.0, 255.0),
    "Normalized_0_1": (0.0, 1.0),
    "Normalized_1_1": (-1.0, 1.0),
    "NominalRange_16_235": (16.0, 235.0),
}


def from_metadata(model: Graph, found: InputContract) -> InputContract:
    """Return the contract with the pixel format and range of the metadata properties."""
    properties = metadata(model.original)
    pixel = properties.get("Image.BitmapPixelFormat", "")
    if pixel and found.has_pixels:
        color = "bgr" if pixel.lower().startswith("bgr") else "gray" if pixel.lower().startswith("gray") else "rgb"
        found = found.with_note(f"metadata Image.BitmapPixelFormat = {pixel}", color=color, color_told=True)
    nominal = properties.get("Image.NominalPixelRange", "")
    span = _pair(properties.get("input_range", ""))
    if span is not None and (found.has_pixels or found.kind == "signal"):
        found = found.with_note(f"metadata input_range = {properties['input_range']}", low=span[:1], high=span[1:])
    elif nominal in _PIXEL_RANGES and found.has_pixels:
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


def from_bytes(model: Graph, found: InputContract) -> InputContract:
    """Return the contract with the range of booleans, or of an element type of 8 bits, which data fill."""
    if found.dtype == "bool":
        return found.with_note("booleans: 0 and 1", low=(0.0,), high=(1.0,))
    return _of_type(found) if found.dtype in ("uint8", "int8") else found


def from_integers(model: Graph, found: InputContract) -> InputContract:
    """Return the contract of integers of 16 bits or more, whose range nothing else tells.

    Types of 16 bits hold pictures and sound as their devices give them. Wider types say nothing of the range: pictures
    of bytes and sound of 16 bits are assumed.
    """
    if found.dtype in ("uint16", "int16"):
        return _of_type(found)
    if not found.holds_integers or not (found.has_pixels or found.kind == "signal"):
        return found
    low, high = (0.0, 255.0) if found.has_pixels else (-32768.0, 32767.0)
    note = f"the file does not tell the range: {low:g} to {high:g} is assumed, as in {found.kind} files"
    return found.with_note(note, low=(low,), high=(high,))


def _of_type(found: InputContract) -> InputContract:
    limits = np.iinfo(found.dtype)
    note = f"{found.dtype}: {limits.min} to {limits.max}"
    return found.with_note(note, low=(float(limits.min),), high=(float(limits.max),))


def _readers(model: Graph, name: str) -> list[NodeProto]:
    return [node for node in model.nodes if name in node.input and node.op_type not in ("Shape", "Size")]


def from_quantization(model: Graph, found: InputContract) -> InputContract:
    """Return the range that the first QuantizeLinear can hold: values outside were not in the calibration data."""
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
        except OnnxvizError:  # computed parameters say nothing about the range
            return found
        if scale.size != 1 or zero.dtype.kind not in "iu":
            return found
        bounds = np.iinfo(zero.dtype)
        low, high = (
            float((edge - float(zero.reshape(-1)[0])) * scale.reshape(-1)[0]) for edge in (bounds.min, bounds.max)
        )
        return found.with_note(f"the first QuantizeLinear holds {low:.4g} to {high:.4g}", low=(low,), high=(high,))
    return found


def from_normalization(model: Graph, found: InputContract) -> InputContract:
    """Return the range that leading Sub, Div, Mul, Add and similar operators normalize, one affine map per channel."""
    factor, offset, chain = leading_affine(model, found)
    if not chain:
        return found
    steps = ", ".join(chain)
    safe = np.where(factor == 0, 1.0, factor)
    mean, scale = -offset / safe, np.abs(1.0 / safe)
    if found.kind == "signal":
        ranged = _of_sound(found, float(factor.mean()), float(offset.mean()), steps)
        if ranged is not found:
            return ranged
    if not found.has_pixels:
        # A scaler inside the graph: its center and spread are the training data's own.
        if len(mean) == 1 and np.allclose(mean, 0) and np.allclose(scale, 1):
            return found
        return found.with_note(
            f"the graph begins with {steps}: center and spread of each feature",
            mean=_numbers(mean),
            scale=_numbers(scale),
        )
    for low, high in _INTEGER_SPANS if found.holds_integers else _PIXEL_SPANS:
        spread = np.abs(factor) * (high - low)
        middle = np.abs(factor * (low + high) / 2 + offset)
        if np.all((spread > 0.4) & (spread < 8)) and np.all(middle < 2.5):
            note = f"the graph begins with {steps}, which scales {low:g} to {high:g} to a unit range"
            return found.with_note(note, low=(low,), high=(high,))
    # None of the usual ranges fits: the range is the one that the graph scales to 0 to 1.
    edges = np.sort(np.stack([-offset / safe, (1 - offset) / safe]), axis=0)
    note = f"the graph begins with {steps}, which scales {edges[0].min():.4g} to {edges[1].max():.4g} to a unit range"
    return found.with_note(note, low=_numbers(edges[0]), high=_numbers(edges[1]))


_PIXEL_SPANS = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0), (0.0, 65535.0))
_INTEGER_SPANS = ((0.0, 255.0), (-128.0, 127.0), (0.0, 65535.0), (-32768.0, 32767.0))
_SOUND_SPANS = (
    (-1.0, 1.0),
    (0.0, 255.0),
    (-128.0, 127.0),
    (-32768.0, 32767.0),
    (0.0, 65535.0),
    (-8388608.0, 8388607.0),
    (-2147483648.0, 2147483647.0),
)
"""The ranges of sound in use: floats, and the samples of files of 8, 16, 24 and 32 bits."""


def _of_sound(found: InputContract, factor: float, offset: float, steps: str) -> InputContract:
    """Return the range of a sound that the graph scales to about -1 to 1, or that it scales from -1 to 1 to whole numbers."""
    for low, high in _SOUND_SPANS:
        width, middle = abs(factor) * (high - low), factor * (low + high) / 2 + offset
        if 0.9 < width < 4.1 and abs(middle) < 0.75:
            if high == 1.0:
                return found  # the usual range, which is assumed
            note = f"the graph begins with {steps}, which scales {low:g} to {high:g} to a unit range"
            return found.with_note(note, low=(low,), high=(high,))
    if not found.holds_integers and any(abs(abs(factor) / unit - 1) < 0.01 for unit in (2.0**15, 2.0**23, 2.0**31)):
        note = f"the graph begins with {steps}, which scales -1 to 1 to {-abs(factor):g} to {abs(factor):g}"
        return found.with_note(note, low=(-1.0,), high=(1.0,))
    return found


def leading_affine(model: Graph, found: InputContract) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return factor and offset (a number, or one per channel) of the graph's leading affine map, and its operators."""
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
        elif node.op_type == "BatchNormalization":
            statistics = _running_statistics(model, node)
            if statistics is None or statistics[0].size != size:
                break
            # Its running statistics are the center and spread of the data; its own gain and shift come after them.
            gain = 1.0 / np.sqrt(statistics[1])
            shift = -statistics[0] * gain
        elif node.op_type == "DequantizeLinear":
            parameters = _dequantization(model, node)
            if parameters is None:
                break
            gain, shift = parameters
        elif node.op_type in _UNCHANGED:
            name = node.output[0]
            continue
        else:
            break
        factor, offset = factor * gain, offset * gain + shift
        chain.append(node.op_type)
        if node.op_type == "BatchNormalization":
            break
        name = node.output[0]
    return factor, offset, chain


_UNCHANGED = frozenset(
    ("Cast", "CastLike", "Identity", "Transpose", "Dropout", "Unsqueeze", "Squeeze", "Reshape", "Flatten")
)
"""Operators that keep every number, in another type or at another place."""


def _dequantization(model: Graph, node: NodeProto) -> tuple[np.ndarray, np.ndarray] | None:
    """Return factor and offset of a DequantizeLinear with one scale for the whole tensor."""
    try:
        numbers = [np.asarray(model.weight(name)).astype(np.float64).reshape(-1) for name in node.input[1:] if name]
    except OnnxvizError:  # computed from the input
        return None
    if not numbers or any(one.size != 1 for one in numbers):
        return None
    scale = numbers[0]
    return scale, -scale * (numbers[1] if len(numbers) > 1 else np.zeros(1))


def _running_statistics(model: Graph, node: NodeProto) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the running mean and the running variance plus epsilon of a batch normalization."""
    epsilon = next((attribute.f for attribute in node.attribute if attribute.name == "epsilon"), 1e-5)
    try:
        mean, variance = (np.asarray(model.weight(name)).astype(np.float64).reshape(-1) for name in node.input[3:5])
    except (OnnxvizError, ValueError):  # computed from the input, or missing
        return None
    return mean, np.maximum(variance, 0.0) + epsilon


def _per_channel(model: Graph, node: NodeProto, name: str, size: object) -> np.ndarray | None:
    other = next((one for one in node.input if one != name), None)
    if other is None or other not in model.tensors:
        return None
    try:
        values = np.asarray(model.weight(other)).astype(np.float64).reshape(-1)
    except OnnxvizError:  # it is computed from the input, or cannot be read: no constant map
        return None
    return values if values.size == 1 or values.size == size else None


def assumed(model: Graph, found: InputContract) -> InputContract:
    """Return the contract with a range judged from the first kernels' gain, and a note that the range is assumed."""
    try:
        kernels = first_layer(model, found.name).kernels
    except OnnxvizError:  # no layer to judge from
        return found.with_note("the file does not tell the range: 0 to 1 is assumed", low=(0.0,), high=(1.0,))
    gain = float(np.median(np.sqrt((kernels.reshape(len(kernels), -1) ** 2).sum(1)))) if kernels.size else 1.0
    if gain < 0.08:
        # Kernels this weak would barely respond to an input of unit size.
        return found.with_note(
            f"assumed 0 to 255: the first kernels are weak (median norm {gain:.2g})",
            low=(0.0,),
            high=(255.0,),
        )
    classifier = model.original.producer_name == "pytorch" and found.color == "rgb" and _classifies(model)
    if classifier and _is_small(found):
        note = (
            f"assumed -1 to 1: usual for PyTorch's classifiers of pictures under {_SMALL} pixels a side; "
            "ImageNet's photographs are larger"
        )
        return found.with_note(note, low=(-1.0,), high=(1.0,))
    if classifier:
        low = tuple((0 - mean) / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True))
        high = tuple((1 - mean) / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True))
        note = "assumed normalized by ImageNet's mean and standard deviation, as is usual for PyTorch's classifiers"
        return found.with_note(note, low=low, high=high)
    return found.with_note("the file does not tell the range: 0 to 1 is assumed", low=(0.0,), high=(1.0,))


_SMALL = 64
"""Pixels a side. Pictures of ImageNet that are in use have more."""


def _is_small(found: InputContract) -> bool:
    """Return whether both sides of a picture are known to be small."""
    sides = [size for axis, size in zip(found.axes, found.shape[1:], strict=True) if axis in ("height", "width")]
    return all(isinstance(size, int) and size < _SMALL for size in sides)


def _classifies(model: Graph) -> bool:
    """Return whether an output has one number for each of several classes, and no spatial axes."""
    for info in model.outputs.values():
        if info.is_float and info.shape is not None and len(info.shape) == 2 and info.shape[1] not in (0, 1):
            return True
    return False


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) + 0.0 for value in values)  # + 0.0: no minus before a zero
