"""onnx's own operator tests, run through `Model.network`: inputs and expected values come with the onnx package."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

import onnxviz
from onnxviz.errors import OnnxvizError

FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}

# Operators with random outputs: their tests give shapes only.
RANDOM = {
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}

# Refused cases, each with a part of the message.
REFUSED = {
    "test_maxunpool_export_with_output_shape": "ONNX's reference and ONNX Runtime disagree",
    "test_resize_downsample_scales_cubic_align_corners": "ONNX's tests and ONNX Runtime disagree",
    "test_resize_downsample_scales_linear_align_corners": "ONNX's tests and ONNX Runtime disagree",
}

# Cases that need a larger tolerance than the suite's: the relative tolerance and its cause.
_BFLOAT16 = (2.0**-6, "bfloat16 keeps 8 bits; scores, weights and output each round, and may fall on either side")
_FLOAT16 = (2.0**-9, "float16 is carried as float32, so that what stands between the nodes is not rounded")
ROUNDED = {
    **dict.fromkeys(
        (
            f"test_attention_{case}_bf16{form}"
            for case in ("3d_causal", "4d_attn_mask_causal", "4d_causal", "4d_causal_padded_kv", "4d_padded_kv")
            for form in ("", "_expanded")
        ),
        _BFLOAT16,
    ),
    "test_attention_4d_causal_fp16_expanded": _FLOAT16,
    "test_attention_4d_gqa_with_past_and_present_fp16_expanded": _FLOAT16,
}


def collected() -> Iterator[Any]:
    """Yield the cases whose inputs and outputs are tensors of numbers, with a float among each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generators compute expected values at infinities and zeros
        from onnx.backend.test.case.node import collect_testcases

        cases = collect_testcases(None)
    for case in cases:
        graph = case.model.graph
        types = [[value.type for value in side] for side in (graph.input, graph.output)]
        if not all(kind.HasField("tensor_type") for side in types for kind in side):
            continue
        elements = [[kind.tensor_type.elem_type for kind in side] for side in types]
        if any(TensorProto.STRING in side for side in elements) or not all(FLOATS & set(side) for side in elements):
            continue
        if any(node.domain.endswith("training") or node.op_type in RANDOM for node in graph.node):
            continue
        yield case


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    """The cases by name: made when a test asks for them, as making them takes seconds."""
    return {case.name: case for case in collected()}


def array(value: Any) -> np.ndarray:
    return onnx.numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def wide(value: np.ndarray) -> np.ndarray:
    return value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)


def answers(case: Any) -> list[dict[str, torch.Tensor]]:
    inputs = [value.name for value in case.model.graph.input]
    network = onnxviz.load(case.model).network()
    with torch.no_grad():
        return [network(dict(zip(inputs, map(array, given), strict=False))) for given, _ in case.data_sets]


def compare(case: Any) -> None:
    rtol = max(case.rtol, 1e-3, ROUNDED.get(case.name, (0.0, ""))[0])
    for answer, (_, expected) in zip(answers(case), case.data_sets, strict=True):
        for (output, ours), right in zip(answer.items(), map(array, expected), strict=True):
            assert tuple(ours.shape) == right.shape, f"{output}: shape {tuple(ours.shape)}, should be {right.shape}"
            np.testing.assert_allclose(
                wide(ours.numpy()), wide(right), rtol=rtol, atol=max(case.atol, 1e-5), err_msg=output
            )


def test_the_operators_give_what_onnx_expects(cases) -> None:
    wrong = {}
    for name in sorted(set(cases) - set(REFUSED)):
        try:
            compare(cases[name])
        except Exception as error:  # a failure in one case must not stop the others
            wrong[name] = f"{type(error).__name__}: {error}"
    assert not wrong, "\n\n".join(f"{name}: {said}" for name, said in wrong.items())


def test_what_is_refused_says_why(cases) -> None:
    for name in sorted(set(cases) & set(REFUSED)):
        with pytest.raises(OnnxvizError, match=REFUSED[name]):
            answers(cases[name])


def test_the_suite_is_there(cases) -> None:
    assert len(cases) > 500


def test_no_case_is_both_refused_and_rounded() -> None:
    assert not set(REFUSED) & set(ROUNDED)


def test_what_is_called_rounded_is_of_a_short_type(cases) -> None:
    for name in sorted(set(ROUNDED) & set(cases)):
        elements = {value.type.tensor_type.elem_type for value in cases[name].model.graph.input}
        assert elements & {TensorProto.FLOAT16, TensorProto.BFLOAT16}, name
