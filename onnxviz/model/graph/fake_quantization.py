"""Rounding operators of a graph, and those among them that belong to a fake quantization in float arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from onnx import NodeProto

ROUNDING = frozenset({"Floor", "Ceil", "Round", "Sign"})
"""Operators of the ONNX domain with one input and a piecewise constant output: near the input, or its sign."""

_LONGEST = 6
"""Most operators between a scale and its rounding."""

Lookup = Callable[[str], "np.ndarray | None"]


def fake_quantized(nodes: Sequence[NodeProto], value: Lookup) -> frozenset[str]:
    """Return the tensors that are rounded and then scaled back: x / s, Round, Clip, * s, in float arithmetic.

    Quantization-aware training gives such graphs if its exporter does not write QuantizeLinear and DequantizeLinear. A
    rounding counts if a constant scale comes before it, the inverse scale after it, and a clip between the two. Zero
    points may be added and subtracted. A rounding without a clip rounds to decimals, as part of the model's own
    arithmetic.

    Parameters
    ----------
    nodes : sequence of NodeProto
        A graph's nodes.
    value : callable
        Returns a constant tensor's values, None for any other tensor.
    """
    roundings = [node for node in nodes if not node.domain and node.op_type in ("Round", "Floor", "Ceil")]
    if not roundings:
        return frozenset()
    producers = {name: node for node in nodes for name in node.output if name}
    readers: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for name in dict.fromkeys(node.input):
            readers.setdefault(name, []).append(node)
    return frozenset(
        node.output[0]
        for node in roundings
        for before, clipped in _factors_before(node.input[0], producers, value)
        for after, clipped_after in _factors_behind(node.output[0], readers, value)
        if (clipped or clipped_after) and _inverse(before, after)
    )


def _factors_before(name: str, producers: Mapping[str, NodeProto], value: Lookup) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield the constant that a tensor's values were multiplied by last, and whether they have been clipped since."""
    clipped = False
    for _ in range(_LONGEST):
        node = producers.get(name)
        if node is None or node.domain:
            return
        moving, constant = _operands(node, value)
        if moving is None:
            return
        factor = _factor(node, moving, constant)
        if factor is not None:
            yield factor, clipped
            return
        if node.op_type not in _BETWEEN:
            return
        clipped = clipped or node.op_type in _CLIPPING
        name = moving


def _factors_behind(
    name: str, readers: Mapping[str, list[NodeProto]], value: Lookup
) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield the constants that a tensor's values are multiplied by next, and whether they are clipped before that."""
    frontier = [(name, False)]
    for _ in range(_LONGEST):
        following = []
        for one, clipped in frontier:
            for node in readers.get(one, ()):
                moving, constant = _operands(node, value)
                if node.domain or moving != one:
                    continue
                factor = _factor(node, one, constant)
                if factor is not None:
                    yield factor, clipped
                elif node.op_type in _BETWEEN:
                    following.append((node.output[0], clipped or node.op_type in _CLIPPING))
        frontier = following


_CLIPPING = frozenset({"Clip", "Min", "Max", "Relu"})
_BETWEEN = _CLIPPING | {"Add", "Sub", "Identity"}


def _operands(node: NodeProto, value: Lookup) -> tuple[str | None, np.ndarray | None]:
    """Return the only input that is not a constant (None if there are several), and the constant beside it."""
    if node.op_type == "Clip":
        return (node.input[0] if node.input else None), None
    constants = {name: value(name) for name in node.input if name}
    moving = [name for name, array in constants.items() if array is None]
    if len(moving) != 1:
        return None, None
    return moving[0], next((array for array in constants.values() if array is not None), None)


def _factor(node: NodeProto, moving: str, constant: np.ndarray | None) -> np.ndarray | None:
    """Return the factor by which a Mul or Div by a constant multiplies; None for other nodes."""
    if constant is None or constant.dtype.kind != "f" or not np.all(constant) or not np.isfinite(constant).all():
        return None
    if node.op_type == "Mul":
        return constant.astype(np.float64)
    if node.op_type == "Div" and node.input[0] == moving:
        return 1 / constant.astype(np.float64)
    return None


def _inverse(before: np.ndarray, after: np.ndarray) -> bool:
    try:
        return bool(np.allclose(before * after, 1, rtol=0, atol=1e-3))
    except ValueError:  # shapes that do not broadcast
        return False
