"""What tests of several floors share: the sample models, models written as text, and the command line as a function."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest

from onnxviz.cli import run

REPOSITORY = Path(__file__).parents[1]


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
