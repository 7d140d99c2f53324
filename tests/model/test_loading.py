"""Opening files of every kind: models open, other files are refused in one sentence."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from unchecked_models import nodes

import onnxviz
from onnxviz.errors import ModelError, OnnxvizError, UsageError

SMALL = """
<ir_version: 8, opset_import: ["" : 17]>
small (float[N, 4] x) => (float[N, 3] y)
<float[4, 3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, float[3] b = {1, -2, 3}>
{
    h = MatMul(x, w)
    s = Add(h, b)
    y = Relu(s)
}
"""


def small() -> ModelProto:
    return onnx.parser.parse_model(SMALL)


def test_a_path_bytes_and_a_protocol_buffer_give_the_same_model(tmp_path: Path) -> None:
    file = tmp_path / "small.onnx"
    file.write_bytes(small().SerializeToString(deterministic=True))
    opened = [onnxviz.load(source) for source in (file, str(file), file.read_bytes(), small())]
    assert len({model.digest for model in opened}) == 1
    assert [model.path for model in opened] == [file, file, None, None]
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    wanted = opened[0].session()({"x": x})["y"]
    for model in opened:
        np.testing.assert_array_equal(model.session()({"x": x})["y"], wanted)
        np.testing.assert_allclose(model.network()({"x": x})["y"].numpy(), wanted, rtol=1e-6)


def test_loading_leaves_the_caller_s_protocol_buffer_as_it_was() -> None:
    proto = nodes(helper.make_node("Relu", ["x"], ["y"], domain="ai.onnx"))
    before = proto.SerializeToString(deterministic=True)
    onnxviz.load(proto).network()
    assert proto.SerializeToString(deterministic=True) == before


def test_a_model_cut_short_anywhere_is_refused_in_one_sentence() -> None:
    proto = small()
    proto.graph.initializer.append(numpy_helper.from_array(np.zeros((40, 10), np.float32), "unused"))
    whole = proto.SerializeToString()
    for length in [*range(1, len(whole), 97), len(whole) - 1]:
        with pytest.raises(ModelError) as caught:
            onnxviz.load(whole[:length]).network()
        assert "\n" not in str(caught.value)


def test_a_model_with_damaged_bytes_raises_nothing_but_errors_of_its_own() -> None:
    whole = bytearray(small().SerializeToString())
    generator = np.random.default_rng(0)
    failed = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            damaged[place] = generator.integers(0, 256)
        try:
            model = onnxviz.load(bytes(damaged))
            network = model.network()
            network({name: np.ones((1, 4), np.float32) for name in network.inputs})
        except OnnxvizError:
            failed += 1
    assert failed > 50


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        # Without a fixed date, the content has the current date; but the workers of pytest-xdist must give a test the same name.
        archive.writestr(zipfile.ZipInfo("data.pkl"), b"")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"\n  <!doctype html>", "web page"),
        (b"<HTML>not found</HTML>", "web page"),
        (b'{"error": "not found"}', "JSON"),
        (_zip(), "ZIP archive"),
        (gzip.compress(b"model", mtime=0), "gzip"),
        *((pickle.dumps([1, 2], protocol), "pickle") for protocol in (2, 3, 4, 5)),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x1c\x00\x00\x00TFL3", "TensorFlow Lite"),
        (b"\x1c\x00\x00\x00ORTM", "ORT-format"),
        (TensorProto(name="t", dims=[3], data_type=1).SerializeToString(), "no ONNX model"),
        (helper.make_opsetid("", 17).SerializeToString(), "no ONNX model"),
        (bytes(range(256)), "no ONNX model"),
    ],
)
def test_what_is_no_model_is_named(content: bytes, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        onnxviz.load(content)


def test_a_missing_file_and_a_folder_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        onnxviz.load(tmp_path / "none.onnx")
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match=r"is a folder, not a model; it holds a\.onnx"):
        onnxviz.load(tmp_path)


@pytest.mark.parametrize(
    ("proto", "words"),
    [
        (
            nodes(helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])),
            "cycle",
        ),
        (nodes(helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Tanh", ["x"], ["y"])), "'y' is made twice"),
        (nodes(helper.make_node("Relu", ["x"], ["x"])), "'x' is an input or an initializer and is made by a node"),
        (nodes(helper.make_node("MatMul", ["x", "w"], ["y"])), "reads the tensor 'w', which is no input"),
        (nodes(helper.make_node("Relu", ["x"], ["z"])), "no node makes its output 'y'"),
    ],
)
def test_an_invalid_graph_is_refused(proto: ModelProto, words: str) -> None:
    if "cycle" in words:
        proto.graph.output[0].name = "b"
    with pytest.raises(ModelError, match=words):
        onnxviz.load(proto)


def test_names_that_stand_twice_are_refused() -> None:
    proto = nodes(helper.make_node("Relu", ["x"], ["y"]), weights={"w": np.zeros(2, np.float32)})
    proto.graph.initializer.append(proto.graph.initializer[0])
    with pytest.raises(ModelError, match="initializer 'w' occurs twice"):
        onnxviz.load(proto)
    proto = nodes(helper.make_node("Relu", ["x"], ["y"]))
    proto.graph.input.append(proto.graph.input[0])
    with pytest.raises(ModelError, match="input 'x' occurs twice"):
        onnxviz.load(proto)


def test_an_output_without_a_name_is_refused() -> None:
    proto = nodes(helper.make_node("Dropout", ["x"], ["y", ""]))
    proto.graph.output[0].name = ""
    with pytest.raises(ModelError, match="no node makes its output ''"):
        onnxviz.load(proto)


def test_a_graph_without_outputs_is_refused() -> None:
    proto = nodes(helper.make_node("Relu", ["x"], ["y"]))
    del proto.graph.output[:]
    with pytest.raises(ModelError, match="no output"):
        onnxviz.load(proto)


@pytest.mark.parametrize("ir_version", [3, 4, 8])
def test_an_initializer_that_is_an_input_counts_as_a_weight(ir_version: int) -> None:
    proto = nodes(helper.make_node("MatMul", ["x", "w"], ["y"]), weights={"w": np.ones((4, 2), np.float32)})
    proto.ir_version = ir_version
    proto.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 2]))
    model = onnxviz.load(proto)
    assert list(model.inputs) == ["x"]
    assert model.tensors["w"].operator == "Initializer"
    x = np.arange(4, dtype=np.float32)[None]
    for run in (model.session(), model.network(), model.session(["y"], wrt=["x"])):
        np.testing.assert_array_equal(np.asarray(run({"x": x})["y"]), [[6, 6]])
    w = np.full((4, 2), 2, np.float32)
    for run in (model.session(["y"], wrt=["w"]), model.network(["y"], wrt=["w"])):
        np.testing.assert_array_equal(np.asarray(run({"x": x, "w": w})["y"]), [[12, 12]])


def test_the_domain_written_out_is_the_onnx_domain() -> None:
    proto = nodes(helper.make_node("Relu", ["x"], ["h"], domain="ai.onnx"), helper.make_node("Tanh", ["h"], ["y"]))
    proto.opset_import[0].domain = "ai.onnx"
    model = onnxviz.load(proto)
    assert model.opsets == {"": 17}
    x = np.array([[-1, 0, 1, 2]], np.float32)
    np.testing.assert_allclose(model.network(["h"])({"x": x})["h"].numpy(), np.maximum(x, 0))
    np.testing.assert_allclose(model.session(["h"])({"x": x})["h"], np.maximum(x, 0))


def test_nodes_in_any_order_are_put_into_one_that_runs() -> None:
    proto = nodes(
        helper.make_node("Exp", ["b"], ["y"]),
        helper.make_node("Neg", ["a"], ["b"]),
        helper.make_node("Abs", ["x"], ["a"]),
    )
    model = onnxviz.load(proto)
    assert [node.op_type for node in model.nodes] == ["Abs", "Neg", "Exp"]
    x = np.array([[-1, 0, 1, 2]], np.float32)
    np.testing.assert_allclose(model.network()({"x": x})["y"].numpy(), np.exp(-np.abs(x)), rtol=1e-6)


def test_a_file_that_names_no_operator_set_was_cut_short() -> None:
    proto = nodes(helper.make_node("Relu", ["x"], ["y"]))
    del proto.opset_import[:]
    with pytest.raises(ModelError, match="names no operator set"):
        onnxviz.load(proto)
    proto.ir_version = 1  # from before operator sets had versions
    assert onnxviz.load(proto).opsets == {"": 1}


def test_a_domain_that_a_file_forgets_to_import_has_its_newest_version() -> None:
    proto = nodes(helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml", scale=[2.0], offset=[1.0]))
    model = onnxviz.load(proto)
    x = np.array([[-1, 0, 1, 2]], np.float32)
    np.testing.assert_allclose(model.network()({"x": x})["y"].numpy(), 2 * (x - 1))
    np.testing.assert_allclose(model.session(["y"], wrt=["x"])({"x": x})["y"], 2 * (x - 1))


def test_open_sizes_are_named_or_unknown() -> None:
    proto = nodes(helper.make_node("Relu", ["x"], ["y"]))
    dims = proto.graph.input[0].type.tensor_type.shape.dim
    del dims[:]
    dims.add(dim_param="batch")
    dims.add(dim_value=-1)
    dims.add(dim_value=0)
    dims.add()
    model = onnxviz.load(proto)
    assert model.inputs["x"].shape == ("batch", None, None, None)
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    model = onnxviz.load(proto)
    assert model.inputs["x"].shape is None
    x = np.array([-1, 2], np.float32)
    np.testing.assert_array_equal(model.network()({"x": x})["y"].numpy(), [0, 2])


NESTED = """
<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
agraph (float[2, 3] x) => (float[2, 3] y) { h = local.outer <slope = 0.5> (x)  y = Neg(h) }
<domain: "local", opset_import: ["" : 17, "local" : 1]>
inner <slope> (a) => (b) { b = LeakyRelu <alpha: float = @slope> (a) }
<domain: "local", opset_import: ["" : 17, "local" : 1]>
outer <slope> (a) => (c) { d = local.inner <slope: float = @slope> (a)  k = Constant <value = float[1] {3.0}> ()  c = Mul(d, k) }
"""


def test_model_local_functions_are_inlined_with_their_attributes() -> None:
    model = onnxviz.load(onnx.parser.parse_model(NESTED))
    x = np.array([[-2, 0, 1], [4, -4, 3]], np.float32)
    wanted = np.where(x > 0, x, 0.5 * x) * 3
    np.testing.assert_allclose(model.session(["h"])({"x": x})["h"], wanted)
    np.testing.assert_allclose(model.network(["h"])({"x": x})["h"].numpy(), wanted)
    np.testing.assert_allclose(model.network()({"x": x})["y"].numpy(), model.session()({"x": x})["y"])


def test_a_function_may_import_what_the_model_does_not() -> None:
    text = """
    <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    agraph (float[2, 3] x) => (float[2, 3] y) { h = local.f(x)  y = Neg(h) }
    <domain: "local", opset_import: ["" : 17, "com.microsoft" : 1]>
    f (a) => (b) { b = com.microsoft.Gelu(a) }
    """
    model = onnxviz.load(onnx.parser.parse_model(text))
    x = np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3)
    ours, theirs = model.network(["h"])({"x": x})["h"].numpy(), model.session(["h"])({"x": x})["h"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_functions_that_call_themselves_are_refused() -> None:
    text = """
    <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    agraph (float[2, 3] x) => (float[2, 3] y) { y = local.f(x) }
    <domain: "local", opset_import: ["" : 17, "local" : 1]>
    f (a) => (b) { b = local.f(a) }
    """
    with pytest.raises(OnnxvizError):
        onnxviz.load(onnx.parser.parse_model(text)).network()
