"""Linear algebra: MatMul, Gemm, Einsum, Det, and ONNX Runtime's fused products and Inverse."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import operator
from onnxviz.model.operators.numbers.fused_activations import activate


@operator("MatMul")
def matmul(A: Tensor, B: Tensor) -> Tensor:
    """Return the product of matrices, as `numpy.matmul` does (ONNX MatMul 1, 9 and 13)."""
    if A.is_cuda and not A.is_floating_point():
        # torch has no product of integer matrices on CUDA. float64 is exact up to 2^53.
        return torch.matmul(A.double(), B.double()).to(A.dtype)
    return torch.matmul(A, B)


# Before opset 7 `broadcast` asks for broadcasting. Without it C has the shape of the product, so the attribute changes no result.
@operator("Gemm", until=6, ignored=("broadcast",))
def gemm_1(
    A: Tensor, B: Tensor, C: Tensor, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0
) -> Tensor:
    """Return ``alpha * A' @ B' + beta * C`` as `gemm` does (ONNX Gemm 1 and 6)."""
    return gemm(A, B, C, alpha=alpha, beta=beta, transA=transA, transB=transB)


# In revisions 7 and 9 the input C is required.
@operator("Gemm", since=7, until=10)
def gemm_7(
    A: Tensor, B: Tensor, C: Tensor, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0
) -> Tensor:
    """Return ``alpha * A' @ B' + beta * C`` as `gemm` does (ONNX Gemm 7 and 9)."""
    return gemm(A, B, C, alpha=alpha, beta=beta, transA=transA, transB=transB)


@operator("Gemm", since=11)
def gemm(
    A: Tensor,
    B: Tensor,
    C: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Tensor:
    """Return ``alpha * A' @ B' + beta * C`` (ONNX Gemm 11 and 13).

    Parameters
    ----------
    A : (m, k), or (k, m) if `transA`
    B : (k, n), or (n, k) if `transB`
    C : Tensor, optional
        Broadcasts to (m, n).
    alpha, beta : float
    transA, transB : int
        Whether A' is A transposed, and whether B' is B transposed.

    Returns
    -------
    (m, n)
    """
    if alpha == 1 and beta == 1 and transB and not transA and (C is None or C.ndim == 1) and A.is_floating_point():
        return F.linear(A, B, C)
    left, right = A.t() if transA else A, B.t() if transB else B
    if not A.is_floating_point():
        product = matmul(left, right) * alpha
        return (product if C is None else product + C * beta).to(A.dtype)
    if C is None:
        return torch.mm(left, right) if alpha == 1 else torch.mm(left, right) * alpha
    return torch.addmm(C, left, right, beta=beta, alpha=alpha)


@operator("FusedGemm", domain="com.microsoft")
def fused_gemm(
    A: Tensor,
    B: Tensor,
    C: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    activation: str = "",
    activation_alpha: float | None = None,
    activation_beta: float | None = None,
    activation_gamma: float | None = None,
) -> Tensor:
    """Return the activated result of `gemm` (com.microsoft FusedGemm).

    Parameters
    ----------
    A, B, C, alpha, beta, transA, transB
        As in `gemm`.
    activation : str
        The name of an activation. An empty name stands for no activation.
    activation_alpha, activation_beta, activation_gamma : float, optional
        Parameters of the activation, with ONNX's defaults.

    Raises
    ------
    EvaluationError
        If the activation is unknown.
    """
    product = gemm(A, B, C, alpha=alpha, beta=beta, transA=transA, transB=transB)
    return activate(product, activation, alpha=activation_alpha, beta=activation_beta, gamma=activation_gamma)


@operator("FusedMatMul", domain="com.microsoft")
@operator("TransposeMatMul", domain="com.microsoft")
def fused_matmul(
    A: Tensor,
    B: Tensor,
    *,
    alpha: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    transBatchA: int = 0,
    transBatchB: int = 0,
) -> Tensor:
    """Return the scaled product of matrices that may be transposed (com.microsoft FusedMatMul and com.microsoft TransposeMatMul).

    Parameters
    ----------
    A, B : Tensor
        As in `matmul`. Vectors are never transposed.
    alpha : float
        Factor of the product.
    transA, transB : int
        Whether the last two axes are exchanged.
    transBatchA, transBatchB : int
        Whether the first axis is moved to the place before the last axis.
    """
    product = torch.matmul(_arranged(A, transA, transBatchA), _arranged(B, transB, transBatchB))
    return product if alpha == 1 else product * alpha


def _arranged(matrix: Tensor, transposed: int, batch_first: int) -> Tensor:
    if matrix.ndim < 2:
        return matrix
    if batch_first:
        matrix = matrix.movedim(0, -2)
    return matrix.mT if transposed else matrix


@operator("Einsum", since=12)
def einsum(*Inputs: Tensor, equation: str) -> Tensor:
    """Return sums of products by Einstein's convention (ONNX Einsum 12 and 28).

    The equation may hold letters of either case and ellipses.

    Parameters
    ----------
    Inputs : Tensor
        A tensor per term of the equation.
    equation : str
        As in `numpy.einsum`.
    """
    return torch.einsum(equation, *Inputs)


@operator("Det", since=11)
def det(X: Tensor) -> Tensor:
    """Return the determinants of matrices (*, m, m) as a tensor (*) (ONNX Det 11 and 22)."""
    determinants: Tensor = torch.linalg.det(X)
    return determinants


@operator("Inverse", domain="com.microsoft")
def inverse(X: Tensor) -> Tensor:
    """Return the inverses of matrices (*, m, m) (com.microsoft Inverse).

    Raises
    ------
    EvaluationError
        If a matrix is singular.
    """
    inverses: Tensor
    inverses, failures = torch.linalg.inv_ex(X)
    if failures.any():
        raise EvaluationError(
            f"Inverse has {int(failures.count_nonzero())} matrices without an inverse; give matrices that are not singular"
        )
    return inverses
