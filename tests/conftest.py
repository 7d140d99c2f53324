"""Shared fixtures of all tests: the sample models, models written as text, and the command line as a function."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
import torch
from hypothesis import HealthCheck, settings
from older_runtime import leave_out

from onnxviz.cli import run
from onnxviz.model.session import session_threads

# The first call of a test loads a font or a library, and machines differ: a slow example is no defect of the product.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

REPOSITORY = Path(__file__).parents[1]

# Tests run side by side, one on each core. More threads would wait for each other, and waiting threads take a core too.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for processes that tests start


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that wait for processes and pages first: at the end, cores would wait with them."""
    leave_out(items)
    items.sort(key=lambda item: "end_to_end" not in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Give ONNX Runtime's sessions one thread each."""
    with session_threads(1):
        yield


@pytest.fixture(autouse=True)
def _in_place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let onnx work in this process, except in tests marked `forks`: the tests' own models are harmless.

    A forked copy for each model would take more processor time than the rest of an operator's test.
    """
    if request.node.get_closest_marker("forks") is None:
        for module in ("preparation", "type_inference"):
            monkeypatch.setattr(f"onnxviz.model.graph.{module}.survive", lambda work, what, seconds=20: work())


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """All of stdout as one JSON document, as strict readers take it."""

        def refuse(word: str) -> None:
            raise ValueError(f"{word} is no JSON")

        return json.loads(self.out, parse_constant=refuse)


@pytest.fixture(scope="session")
def cli() -> Callable[..., Outcome]:
    """Run the command line in this process."""

    def call(*words: object) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([str(word) for word in words])
        return Outcome(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def samples() -> Path:
    return REPOSITORY / "sample_models"


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Write a graph given as text, with its weights, to a file."""

    def write(graph: str, name: str = "model.onnx", opset: int = 17, **weights: np.ndarray) -> Path:
        model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>\n{graph}')
        for key, array in weights.items():
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, key))
        onnx.checker.check_model(model, full_check=True)
        path = tmp_path / name
        onnx.save(model, path)
        return path

    return write


@pytest.fixture(scope="session")
def onnx_runtime() -> Callable[..., np.ndarray]:
    """Run an untouched file by ONNX Runtime, without any of onnxviz."""

    def evaluate(path: Path, output: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return np.asarray(session.run([output], inputs)[0])

    return evaluate


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    """Write a classifier of three features that ends, as classic ones do, in a map from labels to scores."""
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3])
    key = onnx.TypeProto()
    key.map_type.key_type = onnx.TensorProto.STRING
    key.map_type.value_type.CopyFrom(onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, []))
    y = onnx.helper.make_value_info("y", onnx.helper.make_sequence_type_proto(key))
    weights = onnx.numpy_helper.from_array(np.array([[1, 0], [-2, 1], [3, -1]], np.float32), "w")
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "w"], ["l"]),
        onnx.helper.make_node("Softmax", ["l"], ["p"]),
        onnx.helper.make_node("ZipMap", ["p"], ["y"], domain="ai.onnx.ml", classlabels_strings=["small", "large"]),
    ]
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("ai.onnx.ml", 1)]
    graph = onnx.helper.make_graph(nodes, "g", [x], [y], [weights])
    path = tmp_path / "zipped.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path
