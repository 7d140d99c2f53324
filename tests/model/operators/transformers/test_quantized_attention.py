"""QAttention and QEmbedLayerNormalization: against ONNX Runtime, straight-through gradients, refusals.

Weights are of seven bits: on processors without a dot product of bytes ONNX Runtime's own sums of eight-bit products saturate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx.parser
import pytest
import torch
from typed_node import fed, typed_node

import onnxviz
from onnxviz.errors import OnnxvizError

BATCH, TOKENS, WIDTH, HEADS, SIZE, PAST = 2, 4, 6, 2, 3, 2
HIDDEN = HEADS * SIZE
MICROSOFT = "com.microsoft"


def integers(dtype: type, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng([7, *shape]).integers(limits.min, limits.max + 1, shape).astype(dtype)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng([1, *shape]).standard_normal(shape).astype(np.float32)


X = {
    "x": integers(np.uint8, BATCH, TOKENS, WIDTH),
    "w": integers(np.int8, WIDTH, 3 * HIDDEN) // 2,
    "b": drawn(3 * HIDDEN),
    "xs": np.float32(0.02),
    "ws": np.float32(0.01),
    "m": None,
    "xz": np.uint8(120),
    "wz": np.int8(3),
    "p": None,
}
GIVEN = {
    "plain": {},
    "no zero points": {"xz": None, "wz": None},
    "a scale for each column": {
        "ws": np.linspace(0.005, 0.02, 3 * HIDDEN).astype(np.float32),
        "wz": integers(np.int8, 3 * HIDDEN),
    },
    "lengths": {"m": np.array([3, 1], np.int32)},
    "keys": {"m": np.array([[1, 1, 0, 1], [0, 1, 1, 0]], np.int32)},
}


def trimmed(inputs: dict) -> dict:
    """Leave out the inputs at the end that are not given."""
    names = list(inputs)
    while inputs[names[-1]] is None:
        names.pop()
    return {name: inputs[name] for name in names}


@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_attention_is_that_of_onnx_runtime(given: dict, causal: int, compare: Callable[..., None]) -> None:
    inputs = trimmed({**X, **given})
    held = [name for name in inputs if name in ("w", "wz")]
    model = typed_node(
        "QAttention", inputs, domain=MICROSOFT, opset=17, constants=held, num_heads=HEADS, unidirectional=causal
    )
    compare(model, fed(inputs, held), rtol=1e-4, atol=1e-4)


def test_a_cache_grows_as_in_onnx_runtime(compare: Callable[..., None]) -> None:
    inputs = {**X, "p": drawn(2, BATCH, HEADS, PAST, SIZE)}
    model = typed_node(
        "QAttention", inputs, domain=MICROSOFT, opset=17, outputs=("y", "present"), num_heads=HEADS, unidirectional=1
    )
    compare(model, fed(inputs), atol=1e-4)


@pytest.mark.parametrize(
    ("attribute", "words"), [("do_rotary", "do_rotary is 1"), ("past_present_share_buffer", "only caches")]
)
def test_what_is_not_supported_is_refused(attribute: str, words: str) -> None:
    inputs = trimmed(X)
    model = typed_node("QAttention", inputs, domain=MICROSOFT, opset=17, num_heads=HEADS, **{attribute: 1})
    with pytest.raises(OnnxvizError, match=words):
        onnxviz.load(model).network()(fed(inputs))


def test_the_gradient_passes_the_quantization_of_the_tokens() -> None:
    text = "q = QuantizeLinear(t, xs, xz) y = com.microsoft.QAttention<num_heads=2>(q, w, b, xs, ws, , xz)"
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17, "{MICROSOFT}" : 1]> g (float[1, 2, {WIDTH}] t) => (float y) '
        f"<float xs = {{0.02}}, float ws = {{0.01}}, uint8 xz = {{120}}> {{ {text} }}"
    )
    model.graph.initializer.extend(onnx.numpy_helper.from_array(X[name], name) for name in ("w", "b"))
    network = onnxviz.load(model).network()
    t = torch.from_numpy(drawn(1, 2, WIDTH)).requires_grad_()
    (gradient,) = torch.autograd.grad(network({"t": t})["y"].square().sum(), t)
    assert bool(gradient.abs().sum() > 0)


TABLES = {
    "i": np.array([[1, 2, 3, 4], [9, 0, 2, 2]], np.int32),
    "s": np.array([[0, 0, 1, 1], [0, 1, 1, 1]], np.int32),
    "word": integers(np.uint8, 10, WIDTH),
    "position": integers(np.uint8, TOKENS, WIDTH),
    "segment": integers(np.uint8, 2, WIDTH),
    "gamma": integers(np.uint8, WIDTH),
    "beta": integers(np.uint8, WIDTH),
    "mask": np.array([[1, 1, 0, 1], [1, 1, 0, 0]], np.int32),
    "word_scale": np.float32(0.02),
    "position_scale": np.float32(0.03),
    "segment_scale": np.float32(0.01),
    "gamma_scale": np.float32(0.02),
    "beta_scale": np.float32(0.01),
    "word_zero": np.uint8(120),
    "position_zero": np.uint8(128),
    "segment_zero": np.uint8(100),
    "gamma_zero": np.uint8(3),
    "beta_zero": np.uint8(130),
}


@pytest.mark.parametrize("missing", [(), ("mask",), ("s", "segment", "segment_scale", "segment_zero")])
def test_a_first_layer_is_that_of_onnx_runtime(missing: tuple[str, ...], compare: Callable[..., None]) -> None:
    inputs = {name: None if name in missing else value for name, value in TABLES.items()}
    model = typed_node("QEmbedLayerNormalization", inputs, domain=MICROSOFT, opset=17, outputs=("y", "n"), epsilon=1e-5)
    compare(model, fed(inputs), atol=1e-4)
