"""The drawing of the model's graph for the report: boxes, lines, and the tensor that each box links to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxviz.model.model import Model
    from onnxviz.model.tensors.support import Reach

MOST = 1500
"""In a graph with more nodes, a box stands for several consecutive nodes."""

_LETTER = 6.6
"""The average width of a letter of a label, in pixels."""

_LONGEST = 26


@dataclass
class _Box:
    """A box: an input, an output, a node, or several consecutive nodes.

    Attributes
    ----------
    label, tensor, kind : str
        The text in the box; the tensor it links to; "edge" for an input or output, else "yes" or "no": whether a gradient
        reaches the input from a tensor of the box.
    names : list of str
        The tensors that the box makes.
    reads : list of str
        The tensors that the box reads.
    """

    label: str
    tensor: str
    kind: str
    names: list[str]
    reads: list[str] = field(default_factory=list)


def graph_drawing(
    model: Model, reached: Mapping[str, Reach], shown: Sequence[str], links: Mapping[str, str], most: int = MOST
) -> dict[str, Any]:
    """Return the drawing of a graph.

    Parameters
    ----------
    model : Model
        The model.
    reached : mapping of str to Reach
        For each tensor, whether a gradient reaches the input from it.
    shown : sequence of str
        Tensors with units in the report. A box that stands for several nodes links to one of them.
    links : mapping of str to str
        The name of each tensor in links.
    most : int
        The largest number of boxes in which every node has its own.

    Returns
    -------
    dict
        Width, height, boxes, lines and the number of nodes in a box, as the template ``graph`` takes them.
    """
    from onnxviz.drawing.layered_layout import layered_layout
    from onnxviz.model.graph.structure import read_by

    boxes = [_Box(name, name, "edge", [name]) for name in model.inputs]
    fed = set(model.inputs)
    left_out = 0
    for node in model.nodes:
        if not any(name in fed for name in read_by(node)):
            # Without an input, the output is a constant that the exporter did not compute.
            left_out += 1
            continue
        made = [name for name in node.output if name]
        fed.update(made)
        boxes.append(_Box(node.op_type, made[0] if made else "", _kind(reached, made), made, list(read_by(node))))
    together = 1
    if len(boxes) > most:
        together = -(-len(boxes) // most)
        boxes = _joined(boxes, together, set(shown))
    for name in model.outputs:
        if name in fed:
            boxes.append(_Box(name, name, "edge", [], [name]))
    makers = {name: place for place, box in enumerate(boxes) for name in box.names}
    edges = list(
        dict.fromkeys(
            (makers[name], place)
            for place, box in enumerate(boxes)
            for name in box.reads
            if name in makers and makers[name] != place
        )
    )
    labels = [_short(box.label) for box in boxes]
    widths = [max(44.0, _LETTER * len(label) + 18) for label in labels]
    drawn = layered_layout(widths, edges)
    chosen = set(shown)
    return {
        "width": round(drawn.width),
        "height": round(drawn.height),
        "together": together,
        "left_out": left_out,
        "nodes": len(model.nodes),
        "boxes": [
            {
                "x": round(float(x - width / 2), 1),
                "y": round(float(y - 14), 1),
                "width": round(width, 1),
                "label": label,
                "kind": box.kind,
                "link": links.get(box.tensor, ""),
                "shown": not chosen.isdisjoint([box.tensor, *box.names]),
                "title": _title(model, box, reached),
            }
            for box, label, x, y, width in zip(boxes, labels, drawn.x, drawn.y, widths, strict=True)
        ],
        "lines": [_path(route) for route in drawn.routes],
    }


def _kind(reached: Mapping[str, Reach], names: Sequence[str]) -> str:
    found = [reached[name] for name in names if name in reached]
    return "yes" if any(one.differentiable for one in found) else "no"


def _joined(boxes: list[_Box], together: int, shown: set[str]) -> list[_Box]:
    """Return boxes of `together` nodes each, in the file's order, so that all arrows still point forward."""
    inputs = [box for box in boxes if box.kind == "edge"]
    nodes = [box for box in boxes if box.kind != "edge"]
    groups = list(inputs)
    for first in range(0, len(nodes), together):
        part = nodes[first : first + together]
        names = [name for box in part for name in box.names]
        leading = next((name for name in names if name in shown), part[-1].tensor)
        kinds = {box.kind for box in part}
        label = f"{part[0].label} … {part[-1].label} ({len(part)})" if len(part) > 1 else part[0].label
        groups.append(
            _Box(label, leading, "yes" if "yes" in kinds else "no", names, [name for box in part for name in box.reads])
        )
    return groups


def _short(label: str) -> str:
    from onnxviz.wording import elide

    return elide(label, lambda text: len(text) <= _LONGEST)


def _title(model: Model, box: _Box, reached: Mapping[str, Reach]) -> str:
    from onnxviz.wording import shape_text

    if not box.tensor:
        return box.label
    info = model.tensors[box.tensor]
    words = f"{box.label}: {box.tensor}, {info.dtype} {shape_text(info.shape)}"
    reason = reached[box.tensor].reason if box.tensor in reached else ""
    return words + (f"; no gradient: {reason}" if box.kind == "no" and reason else "")


def _path(route: Any) -> str:
    """Return an SVG path through points. It leaves and arrives vertically."""
    points = [(float(x), float(y)) for x, y in route]
    points[0] = (points[0][0], points[0][1] + 14)
    points[-1] = (points[-1][0], points[-1][1] - 14)
    words = [f"M{points[0][0]:.0f} {points[0][1]:.0f}"]
    for (x, y), (u, v) in pairwise(points):
        middle = (y + v) / 2
        words.append(f"L{u:.0f} {v:.0f}" if x == u else f"C{x:.0f} {middle:.0f} {u:.0f} {middle:.0f} {u:.0f} {v:.0f}")
    return "".join(words)
