"""onnx2torch where it serves: registered converters as operators, its whole module as an engine, an import without torchvision."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import onnxviz
from onnxviz.errors import EvaluationError, UnsupportedOperators, UsageError
from onnxviz.model.onnx2torch import package

pytestmark = pytest.mark.skipif(find_spec("onnx2torch") is None, reason="onnx2torch is an extra")

CONVERTERS = """
from torch import nn

from onnx2torch.node_converters.registry import add_converter
from onnx2torch.utils.common import OnnxMapping, OperationConverterResult, onnx_mapping_from_node


class Shrink(nn.Module):
    def __init__(self, scale, weight=None):
        super().__init__()
        self.scale = scale
        self.weight = None if weight is None else nn.Parameter(weight)

    def forward(self, x):
        y = x * self.scale
        return y if self.weight is None else y @ self.weight


class Parts(nn.Module):
    def forward(self, x, y=None):
        return (x + 1, x * 2) if y is None else (x + y, x * y)


@add_converter(operation_type="Shrink3", version=1, domain="{domain}")
def _(node, graph):
    return OperationConverterResult(Shrink(node.attributes["scale"]), onnx_mapping_from_node(node))


@add_converter(operation_type="Shrink3", version=3, domain="{domain}")
def _(node, graph):
    weight = graph.initializers[node.input_values[1]].to_torch()  # in the module, no input of it
    mapping = OnnxMapping(inputs=(node.input_values[0],), outputs=node.output_values)
    return OperationConverterResult(Shrink(node.attributes["scale"], weight), mapping)


@add_converter(operation_type="Parts", version=1, domain="{domain}")
def _(node, graph):
    return OperationConverterResult(Parts(), onnx_mapping_from_node(node))


@add_converter(operation_type="Refused", version=1, domain="{domain}")
def _(node, graph):
    raise ValueError("only even sizes")
"""
X = np.random.default_rng(1).normal(size=(2, 4)).astype(np.float32)
W = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)


@pytest.fixture
def domain(request: pytest.FixtureRequest) -> str:
    """A domain of the test alone: onnx2torch keeps one registry in a process."""
    return f"test.{abs(hash(request.node.name))}"


@pytest.fixture
def plugin(tmp_path: Path, domain: str) -> Path:
    path = tmp_path / "converters.py"
    path.write_text(CONVERTERS.replace("{domain}", domain))
    return path


def custom(domain: str, version: int, *nodes: onnx.NodeProto) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "g", [x], [y], [numpy_helper.from_array(W, "w")])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(domain, version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize(("version", "inputs"), [(1, ["x"]), (2, ["x"]), (3, ["x", "w"]), (9, ["x", "w"])])
def test_a_registered_converter_serves_with_attributes_weights_and_versions(
    plugin: Path, domain: str, version: int, inputs: list[str]
) -> None:
    proto = custom(domain, version, helper.make_node("Shrink3", inputs, ["y"], domain=domain, scale=0.5))
    with pytest.raises(UnsupportedOperators):
        onnxviz.load(proto).network()
    network = onnxviz.load(proto, plugins=plugin).network()
    given = torch.tensor(X, requires_grad=True)
    found = network({"x": given})["y"]
    wanted = X * 0.5 if version < 3 else (X * 0.5) @ W
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-5)
    (slope,) = torch.autograd.grad(found.sum(), given)
    np.testing.assert_allclose(
        slope.numpy(), np.broadcast_to(0.5 if version < 3 else 0.5 * W.sum(1), X.shape), rtol=1e-5
    )


def test_a_converter_gives_several_outputs(plugin: Path, domain: str) -> None:
    nodes = [
        helper.make_node("Parts", ["x"], ["a", "b"], domain=domain),
        helper.make_node("Parts", ["b", "a"], ["", "y"], domain=domain),
    ]
    model = onnxviz.load(custom(domain, 1, *nodes), plugins=plugin)
    for found in (model.network()({"x": X})["y"].numpy(), model.session()({"x": X})["y"]):
        np.testing.assert_allclose(found, X * 2 * (X + 1), rtol=1e-5)


def test_a_converter_that_refuses_a_node_is_an_unsupported_operator(plugin: Path, domain: str) -> None:
    proto = custom(domain, 1, helper.make_node("Refused", ["x"], ["y"], domain=domain))
    with pytest.raises(UnsupportedOperators, match="converter of onnx2torch refuses it: only even sizes"):
        onnxviz.load(proto, plugins=plugin).network()


def test_a_changed_file_of_converters_replaces_its_earlier_ones(plugin: Path, domain: str) -> None:
    proto = custom(domain, 1, helper.make_node("Shrink3", ["x"], ["y"], domain=domain, scale=0.5))
    onnxviz.load(proto, plugins=plugin)
    plugin.write_text(plugin.read_text().replace("x * self.scale", "x + self.scale"))
    network = onnxviz.load(proto, plugins=plugin).network()
    np.testing.assert_allclose(network({"x": X})["y"].numpy(), X + 0.5, rtol=1e-5)


TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[N, 4] x) => (float[N, 4] y, float[N, 4] z)
{
    a = Relu(x)
    b, c = Split <axis = 1> (x)
    d = Concat <axis = 1> (c, b)
    y = Add(a, d)
    z = Sigmoid(y)
}
"""


def test_the_engine_is_judged_tensor_by_tensor() -> None:
    found = onnxviz.verify(onnx.parser.parse_model(TEXT), engine="onnx2torch")
    assert found.ok
    assert [row.name for row in found.rows] == ["a", "b", "c", "d", "y", "z"]
    assert found.document()["engine"] == "onnx2torch"
    assert onnxviz.verify(onnx.parser.parse_model(TEXT)).document()["engine"] == "onnxviz"


def test_the_operator_that_onnx2torch_gets_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.Sigmoid, "forward", lambda self, x: torch.tanh(x))
    text = TEXT.replace("z = Sigmoid(y)", "w = Sigmoid(y)  z = Neg(w)")
    found = onnxviz.verify(onnx.parser.parse_model(text), engine="onnx2torch")
    assert not found.ok
    assert found.first_divergence == "w"
    assert "on the same inputs" in next(row.note for row in found.rows if row.name == "w")
    assert "off by" in next(row.note for row in found.rows if row.name == "z")


def test_operators_without_a_converter_are_listed_and_the_rest_is_compared() -> None:
    text = TEXT.replace("z = Sigmoid(y)", "m = Hardmax(y)  k = Hardmax(a)  z = Add(m, k)")
    found = onnxviz.verify(onnx.parser.parse_model(text), engine="onnx2torch")
    assert not found.ok
    assert [(one.operator, one.count, one.first_tensor) for one in found.unsupported] == [("Hardmax", 2, "m")]
    assert "no converter" in found.unsupported[0].reason
    assert [row.name for row in found.rows] == ["a", "b", "c", "d", "y"]
    with pytest.raises(UnsupportedOperators, match="no converter"):
        onnxviz.verify(onnx.parser.parse_model(text), "z", engine="onnx2torch")


def test_a_module_that_fails_when_it_runs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(torch.nn.Sigmoid, "forward", fails)
    found = onnxviz.verify(onnx.parser.parse_model(TEXT), engine="onnx2torch")
    assert [row.name for row in found.rows] == ["a", "b", "c", "d", "y"]
    assert found.unsupported[0].first_tensor == "z"
    assert "fails when it runs: no such kernel" in found.unsupported[0].reason


def test_a_model_that_cannot_be_converted_as_a_whole_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object, **keywords: object) -> None:
        raise KeyError("N")

    monkeypatch.setattr(package.onnx2torch(), "convert", fails)
    with pytest.raises(EvaluationError, match="onnx2torch does not convert the model: 'N'"):
        onnxviz.verify(onnx.parser.parse_model(TEXT), engine="onnx2torch")


def test_an_unknown_engine_and_a_missing_package_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="write onnxviz or onnx2torch"):
        onnxviz.verify(onnx.parser.parse_model(TEXT), engine="torch")
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnx2torch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx2torch", None)
    with pytest.raises(UsageError, match=r"pip install 'onnxviz\[onnx2torch\]'"):
        onnxviz.verify(onnx.parser.parse_model(TEXT), engine="onnx2torch")


def test_the_import_works_without_torchvision_and_leaves_no_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("torchvision", "onnx2torch")]:
        monkeypatch.delitem(sys.modules, name)

    class Refusal:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "torchvision":
                raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(sys, "meta_path", [Refusal(), *sys.meta_path])
    module = package.onnx2torch()
    assert callable(module.convert)
    assert not [name for name in sys.modules if name.partition(".")[0] == "torchvision"]
    nms = sys.modules["onnx2torch.node_converters.nms"]
    with pytest.raises(RuntimeError, match="torchvision, which cannot be imported: operator torchvision::nms"):
        nms.torchvision.ops.nms()
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnx2torch"]:
        del sys.modules[name]


def test_nothing_else_needs_onnx2torch(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnx2torch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx2torch", None)
    assert onnxviz.verify(onnx.parser.parse_model(TEXT)).ok
