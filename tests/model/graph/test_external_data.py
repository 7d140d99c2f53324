"""Weights outside the file: read if they lie beside the model, refused if they lie elsewhere or are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from unchecked_models import nodes

import onnxviz
from onnxviz.errors import ExternalDataError, OnnxvizError


def external(folder: Path, location: str, **entries: object) -> Path:
    """Write a model whose weight w, 4x2 of float32, is said to lie at a location."""
    proto = nodes(helper.make_node("MatMul", ["x", "w"], ["y"]), weights={"w": np.ones((4, 2), np.float32)})
    weight = proto.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        weight.external_data.add(key=key, value=str(value))
    file = folder / "model.onnx"
    file.write_bytes(proto.SerializeToString())
    return file


VALUES = np.arange(8, dtype=np.float32).reshape(4, 2)


def test_external_data_beside_the_model_is_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"\0" * 16 + VALUES.tobytes())
    model = onnxviz.load(external(tmp_path, "sub/w.bin", offset=16, length=32))
    np.testing.assert_array_equal(model.weight("w"), VALUES)
    x = np.ones((1, 4), np.float32)
    for run in (model.session(), model.session(["y"], wrt=["x"]), model.network()):
        np.testing.assert_array_equal(np.asarray(run({"x": x})["y"]), x @ VALUES)


@pytest.mark.parametrize(
    ("location", "entries", "words"),
    [
        ("/etc/hostname", {}, "outside the model's folder"),
        ("C:\\weights.bin", {}, "outside the model's folder"),
        ("../w.bin", {}, "outside the model's folder"),
        ("sub/../../w.bin", {}, "outside the model's folder"),
        ("sub\\..\\..\\w.bin", {}, "outside the model's folder"),
        ("link.bin", {}, "is a link that leaves"),
        ("none.bin", {}, "not beside the model"),
        (".", {}, "not beside the model"),
        ("", {}, "no file is named"),
        ("w.bin", {"offset": 1}, "cut short"),
        ("w.bin", {"offset": -1}, "no whole number"),
        ("w.bin", {"offset": "one"}, "no whole number"),
        ("w.bin", {"length": 31}, "31 bytes for a tensor of 32"),
        ("short.bin", {}, "cut short"),
    ],
)
def test_external_data_elsewhere_or_damaged_is_refused(
    tmp_path: Path, location: str, entries: dict[str, object], words: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(VALUES.tobytes())
    (folder / "w.bin").write_bytes(VALUES.tobytes())
    (folder / "short.bin").write_bytes(VALUES.tobytes()[:31])
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    with pytest.raises(ExternalDataError, match=words):
        onnxviz.load(external(folder, location, **entries))


def test_external_data_of_a_model_without_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(VALUES.tobytes())
    with pytest.raises(ExternalDataError, match="load it by its path"):
        onnxviz.load(external(tmp_path, "w.bin").read_bytes())


def test_external_data_inside_a_body_is_checked_and_read_like_any_other(tmp_path: Path) -> None:
    def weight() -> TensorProto:
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="w.bin")
        return tensor

    out = [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)]
    constant = helper.make_node("Constant", [], ["w"], value=weight())
    branches = [
        helper.make_graph([helper.make_node("Add", ["x", "w"], ["o"])], "then", [], out, [weight()]),
        helper.make_graph([constant, helper.make_node("Mul", ["x", "w"], ["o"])], "else", [], out),
    ]
    proto = nodes(helper.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1]))
    proto.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    file = tmp_path / "model.onnx"
    file.write_bytes(proto.SerializeToString())
    with pytest.raises(ExternalDataError, match="not beside the model"):
        onnxviz.load(file)
    numbers = np.arange(4, dtype=np.float32)
    (tmp_path / "w.bin").write_bytes(numbers.tobytes())
    network = onnxviz.load(file).network()
    x = np.full((1, 4), 3, np.float32)
    np.testing.assert_array_equal(network({"x": x, "c": np.array(True)})["y"].numpy(), x + numbers)
    np.testing.assert_array_equal(network({"x": x, "c": np.array(False)})["y"].numpy(), x * numbers)


def test_a_model_of_more_than_2_gib_loads_and_computes(tmp_path: Path) -> None:
    # A sparse file: its 2.2 GB take no space, and only the requested part is read.
    rows, offset = 1100, 1 << 20
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "small"], ["h"]), helper.make_node("Gather", ["table", "i"], ["row"])],
        "large",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4]),
            helper.make_tensor_value_info("i", TensorProto.INT64, [1]),
        ],
        [
            helper.make_tensor_value_info("h", TensorProto.FLOAT, [1, 2]),
            helper.make_tensor_value_info("row", TensorProto.FLOAT, None),
        ],
    )
    for name, dims, place in (("small", [4, 2], 0), ("table", [rows, 500_000], offset)):
        tensor = graph.initializer.add(name=name, data_type=TensorProto.FLOAT, dims=dims)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="large.bin")
        tensor.external_data.add(key="offset", value=str(place))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with (tmp_path / "large.bin").open("wb") as stream:
        stream.write(VALUES.tobytes())
        stream.truncate(offset + rows * 500_000 * 4)
    (tmp_path / "large.onnx").write_bytes(proto.SerializeToString())
    model = onnxviz.load(tmp_path / "large.onnx")
    assert model.tensors["table"].shape == (rows, 500_000)
    assert model.tensors["row"].shape == (1, 500_000)
    x = np.ones((1, 4), np.float32)
    np.testing.assert_array_equal(model.network(["h"])({"x": x})["h"].numpy(), x @ VALUES)
    np.testing.assert_array_equal(model.session(["h"], wrt=["x"])({"x": x})["h"], x @ VALUES)


def test_an_absurd_size_is_refused_before_it_is_read() -> None:
    proto = nodes(helper.make_node("MatMul", ["x", "w"], ["y"]), weights={"w": np.ones((4, 2), np.float32)})
    proto.graph.initializer[0].dims[:] = [1 << 20, 1 << 20]
    with pytest.raises(OnnxvizError, match="at most"):
        onnxviz.load(proto).weight("w")
