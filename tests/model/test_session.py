"""ONNX Runtime behind the shared signature: types, containers, and the model that it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.helper as oh
import onnx.parser
import pytest
from onnx import TensorProto

import onnxviz
from onnxviz.errors import EvaluationError, ExternalDataError

HEADER = '<ir_version: 8, opset_import: ["" : 17, "elsewhere" : 1]>'
TEXT = "g (float[N, 3] x, int64[N] i) => (float[N, 3] y, float[N] z) { h = Relu(x) y = Neg(h) z = Cast <to = 1> (i) }"


def test_the_file_runs_untouched_for_its_own_outputs_alone(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(onnx.parser.parse_model(HEADER + TEXT).SerializeToString())
    for model in (onnxviz.load(file), onnxviz.load(file.read_bytes())):
        assert model.session().untouched
        assert model.session(["z"]).untouched
        assert not model.session(["h"]).untouched
        assert not model.session(["y"], wrt=["h"]).untouched
        assert not model.cut(["y"]).session().untouched


def test_one_session_serves_the_same_names() -> None:
    model = onnxviz.load(onnx.parser.parse_model(HEADER + TEXT))
    assert model.session(["h"]) is model.session(["h"])
    assert model.session(["h"]) is not model.session(["h"], wrt=["x"])


def test_values_are_cast_to_the_model_s_types() -> None:
    model = onnxviz.load(onnx.parser.parse_model(HEADER + TEXT))
    answer = model.session()({"x": [[1, 2, 3]], "i": np.array([7], np.int8)})
    assert {name: value.dtype for name, value in answer.items()} == {"y": np.float32, "z": np.float32}
    assert answer["z"].tolist() == [7]
    with pytest.raises(EvaluationError, match="x takes float32; the value given does not convert to it"):
        model.session()({"x": [["a", "b", "c"]], "i": [1]})


def test_a_sequence_can_be_made_and_fed() -> None:
    text = """
    g (float[2, 4] x) => (float y)
    { s = SplitToSequence <axis = 1> (x, two)  c = ConcatFromSequence <axis = 0> (s)  y = Neg(c) }
    """
    proto = onnx.parser.parse_model(HEADER + text)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array(2, np.int64), "two"))
    model = onnxviz.load(proto)
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    parts = model.session(["s"])({"x": x})["s"]
    assert [part.shape for part in parts] == [(2, 2), (2, 2)]
    wanted = model.session()({"x": x})["y"]
    fed = model.session(["y"], wrt=["s"])({"s": parts})["y"]
    np.testing.assert_array_equal(fed, wanted)
    np.testing.assert_array_equal(model.network(["y"], wrt=["s"])({"s": parts})["y"].numpy(), wanted)


def test_what_onnx_runtime_refuses_is_told_in_one_line() -> None:
    model = onnxviz.load(onnx.parser.parse_model(HEADER + "g (float[3] x) => (float y) { y = elsewhere.Mystery(x) }"))
    with pytest.raises(EvaluationError, match="ONNX Runtime does not run the model") as caught:
        model.session()
    assert "\n" not in str(caught.value)
    assert "ONNXRuntimeError" not in str(caught.value)


def test_sizes_that_do_not_fit_are_told() -> None:
    model = onnxviz.load(onnx.parser.parse_model(HEADER + TEXT))
    with pytest.raises(
        EvaluationError, match=r"Got invalid dimensions for input: x .* index: 1 Got: 2 Expected: 3"
    ) as told:
        model.session(["y"])({"x": np.ones((1, 2), np.float32), "i": np.ones(1, np.int64)})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["bfloat16", "float8e4m3fn", "float8e5m2fnuz"])
def test_floats_that_numpy_lacks_are_fed_and_given_as_float32(kind: str) -> None:
    text = f"g ({kind}[4] x) => ({kind}[4] y) {{ w = Cast <to = 1> (x) d = Add(w, w) y = CastLike(d, x) }}"
    model = onnxviz.load(onnx.parser.parse_model('<ir_version: 10, opset_import: ["" : 21]>' + text))
    x = np.array([0.1, -0.75, 3, 16], np.float32)
    session = model.session(["x", "d", "y"])
    answer = session({"x": x})
    assert all(value.dtype == np.float32 for value in answer.values())
    np.testing.assert_array_equal(answer["x"], answer["d"] / 2)
    np.testing.assert_array_equal(answer["y"], answer["d"])
    np.testing.assert_allclose(answer["x"], x, rtol=0.13)
    assert answer["x"][0] != x[0]
    assert not model.session().untouched
    np.testing.assert_array_equal(model.session()({"x": x})["y"], answer["y"])


TYPES = ["FLOAT", "FLOAT16", "BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2", "DOUBLE", "INT8", "UINT8", "INT64", "BOOL"]


@pytest.mark.parametrize("name", [*TYPES, "INT4", "UINT4"])
def test_values_may_be_those_of_onnx_s_own_test_data(name: str) -> None:
    kind = getattr(TensorProto, name)
    node = oh.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    ends = [oh.make_tensor_value_info("x", kind, [2, 2])], [oh.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])]
    proto = oh.make_model(oh.make_graph([node], "g", *ends), opset_imports=[oh.make_opsetid("", 21)], ir_version=10)
    model = onnxviz.load(proto)
    value = oh.make_tensor("x", kind, [2, 2], [0, 1, 1, 0])
    want = [[0, 1], [1, 0]]
    assert model.network()({"x": value})["y"].tolist() == want
    if name in TYPES:
        assert model.session()({"x": value})["y"].tolist() == want


def test_a_sequence_may_be_that_of_onnx_s_own_test_data() -> None:
    text = "g (seq(float[2]) s) => (float y) { c = ConcatFromSequence <axis = 0> (s)  y = Neg(c) }"
    model = onnxviz.load(onnx.parser.parse_model(HEADER + text))
    parts = [np.array([1, 2], np.float32), np.array([3, 4], np.float32)]
    value = onnx.numpy_helper.from_list(parts)
    assert model.session()({"s": value})["y"].tolist() == [-1, -2, -3, -4]
    assert model.network()({"s": value})["y"].tolist() == [-1, -2, -3, -4]


def test_a_value_reads_no_file() -> None:
    model = onnxviz.load(onnx.parser.parse_model(HEADER + TEXT))
    value = TensorProto(name="x", data_type=TensorProto.FLOAT, dims=[1, 3], data_location=TensorProto.EXTERNAL)
    value.external_data.add(key="location", value="/etc/passwd")
    for run in (model.session(), model.network()):
        with pytest.raises(ExternalDataError, match="the value of 'x' points to an external file, which is not read"):
            run({"x": value, "i": np.array([1])})
