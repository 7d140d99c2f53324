"""ONNX Runtime behind the shared signature: types, containers, and which model it is that runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

import onnxviz
from onnxviz.errors import EvaluationError

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
    with pytest.raises(EvaluationError, match="x takes float32, which the value given is not"):
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
