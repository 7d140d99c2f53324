"""Clips: frames of pixels over time, told from volumes by the operators that read them."""

from __future__ import annotations

from onnxviz.contract import InputContract
from onnxviz.errors import OnnxvizError
from onnxviz.model.expectations.first_layer import first_layer
from onnxviz.model.expectations.kind_axes import clip_axes
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.tensor_info import TensorInfo
from onnxviz.model.tensors.axes.graph_axes import graph_axes

COLORS = {1: "gray", 3: "rgb"}

_ALONG = {"depth": "time", "unit": "channel"}


def clip(model: Graph, info: TensorInfo) -> InputContract | None:
    """Return the contract of a clip; None if nothing tells that five axes hold one.

    A convolution along three axes over three colors reads a clip; one over another number of channels reads a volume. A
    convolution along height and width of each frame reads a clip in color or gray.

    Parameters
    ----------
    model : Graph
        The model.
    info : TensorInfo
        An input of five axes.
    """
    shape = info.shape or ()
    roles = graph_axes(model).roles(info.name)[1:]
    axes = tuple(_ALONG.get(role, role) for role in roles)
    if sorted(axes) != ["channel", "height", "time", "width"]:
        return None
    colors = shape[1 + axes.index("channel")]
    along = _kernel_axes(model, info.name)
    if along == 3 and colors == 3:
        note = "five axes before a convolution along three of them, over 3 colors: a clip, frames over time"
    elif along == 2 and colors in COLORS and "depth" not in roles:
        note = "five axes, and the first convolution slides along the height and width of each frame: a clip"
    else:
        return None
    color = COLORS.get(colors) if isinstance(colors, int) else None
    return InputContract(info.name, shape, "clip", axes, color, evidence=(note,))


def named_clip(info: TensorInfo) -> tuple[str, ...] | None:
    """Return the axes of an input that is said to be a clip; None if none of its axes may hold colors."""
    return clip_axes((info.shape or ())[1:])


def _kernel_axes(model: Graph, name: str) -> int:
    """Return along how many axes the first layer's kernels slide; 0 for a matrix, or if the file does not hold them."""
    try:
        return first_layer(model, name).kernels.ndim - 2
    except OnnxvizError:
        return 0
