"""Constants of every kind are dense weights by their indices: in filters, in torch, and in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxviz

DENSE = np.array([[0, 2, 0, 0], [0, 0, 0, 0], [-1, 0, 0, 3]], np.float32)
X = np.array([[1, 2, 3]], np.float32)


def sparse(dense: np.ndarray, *, linear: bool, name: str = "") -> onnx.SparseTensorProto:
    places = np.argwhere(dense)
    values = numpy_helper.from_array(dense[tuple(places.T)], name)
    if linear:
        places = np.ravel_multi_index(tuple(places.T), dense.shape)
    return helper.make_sparse_tensor(values, numpy_helper.from_array(places.astype(np.int64), "places"), dense.shape)


def model_of(nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("linear", [True, False])
def test_a_sparse_constant_is_a_weight_by_its_indices(linear: bool) -> None:
    nodes = [
        helper.make_node("Constant", [], ["w"], sparse_value=sparse(DENSE, linear=linear, name="another name")),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    model = onnxviz.load(model_of(nodes))
    assert model.weight("w").tolist() == DENSE.tolist()
    assert model.tensors["w"].shape == (3, 4)
    # The cut file holds the constant as a sparse initializer.
    assert model.session(["w", "y"], ["x"])({"x": X})["y"].tolist() == (X @ DENSE).tolist()
    assert onnxviz.filters(model).document()["filters"]
    found = onnxviz.verify(model, ["w", "y"])
    assert found.ok
    assert [row.shape for row in found.rows] == [(3, 4), (1, 4)]


def test_sparse_weights_inside_a_subgraph_are_dense_too() -> None:
    branches = []
    for name, sign in (("t", 1), ("e", -1)):
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", f"w{name}"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4])],
        )
        if sign > 0:
            graph.sparse_initializer.append(sparse(DENSE, linear=False, name=f"w{name}"))
        else:
            held = helper.make_node("Constant", [], [f"w{name}"], sparse_value=sparse(sign * DENSE, linear=True))
            graph.node.insert(0, held)
        branches.append(graph)
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Cast", ["s"], ["b"], to=TensorProto.BOOL),
        helper.make_node("If", ["b"], ["y"], then_branch=branches[0], else_branch=branches[1]),
    ]
    model = onnxviz.load(model_of(nodes))
    assert onnxviz.verify(model).ok
    for x, sign in ((X, 1), (np.array([[1, 1, -2]], np.float32), -1)):
        assert np.allclose(model.network()({"x": x})["y"], sign * (x @ DENSE))
