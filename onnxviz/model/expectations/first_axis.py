"""The check whether an input's first axis is the batch: it is not if a recurrent layer steps along it."""

from __future__ import annotations

from onnx import NodeProto

from onnxviz.model.graph.graph import Graph

_RECURRENT = ("LSTM", "GRU", "RNN")
_HANDED_ON = ("Identity", "Cast", "Dropout")


def lacks_batch(model: Graph, name: str) -> str:
    """Return why an input's first axis is not the batch; "" if it may be the batch.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        Name of an input.

    Examples
    --------
    >>> import onnx.parser
    >>> from onnxviz import load
    >>> text = '<ir_version: 8, opset_import: ["" : 17]> g (float[3] x) => (float[3] y) { y = Neg(x) }'
    >>> lacks_batch(load(onnx.parser.parse_model(text)), "x")
    'one axis of a fixed size'
    """
    shape = model.inputs[name].shape
    if shape is not None and len(shape) == 1 and isinstance(shape[0], int):
        return "one axis of a fixed size"
    reached = {name}
    for node in model.nodes:
        if reached.isdisjoint(node.input):
            continue
        if node.op_type in _HANDED_ON:
            reached.update(node.output)
        elif node.op_type in _RECURRENT and node.input[0] in reached and _attribute(node, "layout") == 0:
            return f"{node.op_type} steps along its first axis"
        elif node.op_type == "Scan" and _scanned_first(node, reached):
            return "Scan steps along its first axis"
    return ""


def _scanned_first(node: NodeProto, names: set[str]) -> bool:
    """Return whether a Scan (revision 9 on) scans one of some tensors along axis 0."""
    count = _attribute(node, "num_scan_inputs")
    axes = next((list(one.ints) for one in node.attribute if one.name == "scan_input_axes"), [])
    scanned = list(node.input)[len(node.input) - count :]
    return any(one in names and (axes[place] if axes else 0) == 0 for place, one in enumerate(scanned))


def _attribute(node: NodeProto, name: str) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), 0)
