"""The contract that `inspect` prints is the one that maximize, attribute, reports and all readers of data use."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

_FILE = Path(__file__).parents[3] / "benchmarks" / "contracts_agree.py"


@pytest.fixture(scope="module")
def agreement() -> ModuleType:
    spec = importlib.util.spec_from_file_location("contracts_agree", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(*shape: int, scale: float = 0.3) -> np.ndarray:
    return (np.random.default_rng(0).standard_normal(shape) * scale).astype(np.float32)


POOLED = "c = Conv(%s, k) r = Relu(c) p = GlobalAveragePool(r) f = Flatten(p) y = MatMul(f, w)"
COLOR = {"k": numbers(8, 3, 3, 3), "w": numbers(8, 6)}
MODELS = {
    "picture whose range is open": ("agree (float[N, 3, 16, 16] x) => (float[N, 6] y) { " + POOLED % "x" + " }", COLOR),
    "picture in 0 to 255": (
        "agree (float[N, 3, 16, 16] x) => (float[N, 6] y) { s = Sub(x, m) d = Div(s, e) " + POOLED % "d" + " }",
        {**COLOR, "m": np.float32([[[123.7]], [[116.3]], [[103.5]]]), "e": np.float32([[[58]], [[57]], [[57]]])},
    ),
    "picture with channels last": (
        "agree (float[N, 16, 16, 3] x) => (float[N, 6] y) { t = Transpose<perm = [0, 3, 1, 2]>(x) "
        + POOLED % "t"
        + " }",
        COLOR,
    ),
    "picture that saturates in 0 to 1": (
        "agree (float[N, 3, 16, 16] x) => (float[N, 6] y) { c = Conv(x, k, b) r = Relu(c) p = GlobalAveragePool(r) "
        "f = Flatten(p) y = MatMul(f, w) }",
        {**COLOR, "b": numbers(8, scale=800)},
    ),
    "gray picture of open sizes": (
        "agree (float[N, 1, H, W] x) => (float[N, 6] y) { " + POOLED % "x" + " }",
        {"k": numbers(8, 1, 3, 3), "w": numbers(8, 6)},
    ),
    "spectrogram": (
        "agree (float[N, 40, 32] x) => (float[N, 6] y) { u = Unsqueeze(x, one) " + POOLED % "u" + " }",
        {"k": numbers(8, 1, 3, 3), "w": numbers(8, 6), "one": np.array([1])},
    ),
    "recurrent network behind a convolution": (
        "agree (float[1, 1, 16, 20] x) => (float[18, 1, 5] y) { c = Conv(x, k) r = ReduceMean<axes = [2], keepdims = 0>(c) "
        "t = Transpose<perm = [2, 0, 1]>(r) h, last, cell = LSTM<hidden_size = 5>(t, a, b) y = Squeeze(h, one) }",
        {
            "k": numbers(4, 1, 3, 3),
            "a": numbers(1, 20, 4),
            "b": numbers(1, 20, 5),
            "one": np.array([1]),
        },
    ),
    "sound": (
        "agree (float[N, 1, 256] x) => (float[N, 6] y) { " + POOLED % "x" + " }",
        {"k": numbers(8, 1, 5), "w": numbers(8, 6)},
    ),
    "table": ("agree (float[N, 5] x) => (float[N, 3] y) { y = MatMul(x, w) }", {"w": numbers(5, 3)}),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_verb_uses_the_contract_that_inspect_prints(agreement, written, name: str) -> None:
    text, weights = MODELS[name]
    differ, refused = agreement.differences(written(text, **weights))
    assert differ == []
    assert refused == []


def test_a_verb_with_another_contract_is_named(agreement, written, monkeypatch) -> None:
    text, weights = MODELS["table"]
    monkeypatch.setitem(agreement.VERBS, "maximize", lambda model, inputs: {"x": ("image",)})
    differ, _ = agreement.differences(written(text, **weights))
    assert [line.split(":")[0] for line in differ] == ["maximize"]
