"""Matrix products: against ONNX Runtime, gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from runtime_oracle import Compare
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import EvaluationError

RANDOM = np.random.default_rng(5)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


A, B = normal(3, 4), normal(4, 5)
PLAIN, TURNED = {"a": A, "b": B, "c": normal(5)}, {"a": A.T.copy(), "b": B.T.copy(), "c": normal(3, 1)}
LINEAR = {"a": A, "b": B.T.copy(), "c": normal(5)}
STACKED = {"a": normal(2, 1, 3, 4), "b": normal(1, 6, 4, 5)}
WHOLE = {"a": np.arange(6, dtype=np.int32).reshape(2, 3), "b": np.arange(12, dtype=np.int32).reshape(3, 4)}

CASES = [
    ("y = MatMul(a, b)", PLAIN, 1),
    ("y = MatMul(a, b)", STACKED, 13),
    ("y = MatMul(a, b)", WHOLE, 13),
    ("y = MatMul(a, b)", {"a": normal(4), "b": normal(2, 4, 3)}, 13),
    ("y = MatMul(a, b)", {"a": normal(4), "b": normal(4)}, 13),
    ("y = Gemm(a, b, c)", PLAIN, 7),
    ("y = Gemm<transB=1>(a, b, c)", LINEAR, 9),
    ("y = Gemm<transB=1>(a, b)", LINEAR, 11),
    ("y = Gemm<transA=1, transB=1, alpha=0.5, beta=2.0>(a, b, c)", TURNED, 13),
    ("y = Gemm<transB=1, beta=0.5>(a, b, c)", {**LINEAR, "c": normal(3, 5)}, 13),
    ("y = Gemm<alpha=0.5>(a, b)", PLAIN, 13),
    ("y = Gemm(a, b, c)", {**PLAIN, "c": np.float32(3)[...]}, 13),
    ("y = Det(x)", {"x": normal(2, 3, 3)}, 22),
    ('y = com.microsoft.FusedGemm<transB=1, activation="Relu">(a, b, c)', LINEAR, 13),
    ('y = com.microsoft.FusedGemm<activation="LeakyRelu", activation_alpha=0.3>(a, b)', PLAIN, 13),
    ('y = com.microsoft.FusedGemm<activation="Elu", activation_alpha=0.7>(a, b)', PLAIN, 13),
    ('y = com.microsoft.FusedGemm<activation="ThresholdedRelu", activation_alpha=0.2>(a, b)', PLAIN, 13),
    ('y = com.microsoft.FusedGemm<activation="Softplus">(a, b)', PLAIN, 13),
    ('y = com.microsoft.FusedGemm<activation="Softsign">(a, b)', PLAIN, 13),
    (
        'y = com.microsoft.FusedGemm<activation="HardSigmoid", activation_alpha=0.3, activation_beta=0.4>(a, b)',
        PLAIN,
        13,
    ),
    ("y = com.microsoft.FusedMatMul<transA=1, transB=1, alpha=0.5>(a, b)", TURNED, 13),
    ("y = com.microsoft.FusedMatMul<transA=1>(a, b)", {"a": normal(4), "b": normal(2, 4, 3)}, 13),
    ("y = com.microsoft.FusedMatMul<transBatchA=1>(a, b)", {"a": normal(4, 2, 3, 5), "b": normal(2, 3, 5, 6)}, 13),
    (
        "y = com.microsoft.FusedMatMul<transBatchA=1, transA=1, transBatchB=1, transB=1>(a, b)",
        {"a": normal(4, 2, 3, 5), "b": normal(6, 2, 3, 4)},
        13,
    ),
    ("y = com.microsoft.TransposeMatMul<transB=1>(a, b)", LINEAR, 13),
    ("y = com.microsoft.Inverse(x)", {"x": normal(2, 3, 3) + 3 * np.eye(3, dtype=np.float32)}, 13),
    ('y = Einsum<equation="ij,jk->ik">(a, b)', PLAIN, 12),
    ('y = Einsum<equation="ij , jk">(a, b)', PLAIN, 12),
    ('y = Einsum<equation="...ij,...jk->...ki">(a, b)', STACKED, 12),
    ('y = Einsum<equation="bii->b">(x)', {"x": normal(2, 3, 3)}, 12),
    ('y = Einsum<equation="b...->...">(x)', {"x": normal(2, 3, 3)}, 12),
    ('y = Einsum<equation="i,j,k->kji">(x, z, w)', {"x": normal(2), "z": normal(3), "w": normal(4)}, 12),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), CASES)
def test_product_is_that_of_onnx_runtime(
    call: str, inputs: dict[str, np.ndarray], opset: int, compare: Compare
) -> None:
    compare(written(call, inputs, opset), inputs)


@pytest.mark.parametrize("opset", [1, 6])
def test_product_of_old_files_broadcasts_when_asked(opset: int) -> None:
    (old,) = outputs_of("y = Gemm<broadcast=1, alpha=0.5>(a, b, c)", PLAIN, opset)
    (new,) = outputs_of("y = Gemm<alpha=0.5>(a, b, c)", PLAIN, 13)
    assert torch.equal(old, new)


def test_letters_of_either_case_differ_and_upper_case_comes_first() -> None:
    inputs = {"a": normal(2, 3), "b": normal(3, 4)}
    (ours,) = outputs_of('y = Einsum<equation="aB,Bc">(a, b)', inputs, 28)
    np.testing.assert_allclose(ours, inputs["a"] @ inputs["b"], rtol=1e-5)
    (ours,) = outputs_of('y = Einsum<equation="aA">(a)', inputs, 28)
    np.testing.assert_array_equal(ours, inputs["a"].T)


def test_whole_numbers_stay_whole() -> None:
    inputs = {**WHOLE, "c": np.array([1, -1, 7, 0], np.int32)}
    (ours,) = outputs_of("y = Gemm(a, b, c)", inputs, 13)
    assert ours.dtype == torch.int32
    np.testing.assert_array_equal(ours, inputs["a"] @ inputs["b"] + inputs["c"])


SMALL = {"a": normal(2, 3), "b": normal(2, 3), "c": normal(2)}
SLOPES = [
    ("y = Gemm<transB=1>(a, b, c)", SMALL, 13),
    ("y = Gemm<transA=1, alpha=0.5, beta=3.0>(a, b)", SMALL, 13),
    ("y = MatMul(a, b)", {"a": normal(2, 2), "b": normal(3, 2, 2)}, 13),
    ('y = Einsum<equation="...i,ji->...j">(a, b)', SMALL, 12),
    ("y = Det(x)", {"x": normal(2, 3, 3)}, 22),
    ("y = com.microsoft.Inverse(x)", {"x": normal(3, 3) + 3 * np.eye(3, dtype=np.float32)}, 13),
    ('y = com.microsoft.FusedGemm<transB=1, activation="Tanh">(a, b)', SMALL, 13),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), SLOPES)
def test_gradients_agree_with_finite_differences(call: str, inputs: dict[str, np.ndarray], opset: int) -> None:
    assert gradients_agree(call, inputs, opset)


def test_a_singular_matrix_is_refused() -> None:
    with pytest.raises(EvaluationError, match="1 matrices without an inverse"):
        outputs_of("y = com.microsoft.Inverse(x)", {"x": np.ones((2, 2), np.float32)})
