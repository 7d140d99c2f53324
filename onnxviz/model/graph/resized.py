"""A model with another declared input size, for operators that need no fixed size: convolutions, pools, resizing."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import GraphProto

from onnxviz.model.graph.graph import AnyGraph


def resized(model: AnyGraph, name: str, shape: Sequence[int]) -> AnyGraph:
    """Return a model with another declared input shape; all other sizes are inferred again.

    Parameters
    ----------
    model : Graph
        The model, or a cut of it; not changed.
    name : str
        Name of an input of the model.
    shape : sequence of int
        The whole shape, batch included.

    Returns
    -------
    Graph
        The model at the new size. ONNX Runtime runs it if its operators accept the size. It does not count as a whole
        model: the file itself would refuse such an input. The same model if the file declares this shape already.
    """
    declared = model.inputs[name].shape
    if declared == tuple(shape):
        return model
    graph = GraphProto()
    graph.CopyFrom(model.graph)
    for value in graph.input:
        if value.name == name:
            dims = value.type.tensor_type.shape.dim
            del dims[:]
            for size in shape:
                dims.add().dim_value = size
    if declared is None or any(isinstance(old, int) and old != new for old, new in zip(declared, shape, strict=False)):
        # The sizes that the file declares for other tensors hold only at the file's own input size.
        del graph.value_info[:]
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")
    return type(model)(
        model.source,
        graph,
        model.opsets,
        model.constants,
        model.original,
        whole=False,
        settled=model.settled,
        classes=model.classes,
    )
