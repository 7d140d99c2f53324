"""Matrix products and what belongs to them: MatMul, Gemm, Einsum, Det, and ONNX Runtime's fused forms."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import operator
from onnxviz.model.operators.numbers.fused_activations import activate


@operator("MatMul")
def matmul(A: Tensor, B: Tensor) -> Tensor:
    """Multiply matrices as `numpy.matmul` does: ONNX MatMul 1, 9 and 13."""
    if A.is_cuda and not A.is_floating_point():
        # CUDA has no integer product; float64 is exact up to 2^53.
        return torch.matmul(A.double(), B.double()).to(A.dtype)
    return torch.matmul(A, B)


# Before opset 7 broadcasting had to be asked for; what is not broadcast has the product's own shape.
@operator("Gemm", until=6, ignored=("broadcast",))
def gemm_1(
    A: Tensor, B: Tensor, C: Tensor, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0
) -> Tensor:
    """Multiply and add: ONNX Gemm 1 and 6. See `gemm`."""
    return gemm(A, B, C, alpha=alpha, beta=beta, transA=transA, transB=transB)


# In versions 7 and 9 C is required.
@operator("Gemm", since=7, until=10)
def gemm_7(
    A: Tensor, B: Tensor, C: Tensor, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0
) -> Tensor:
    """Multiply and add: ONNX Gemm 7 and 9. See `gemm`."""
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
    """Return ``alpha * A' @ B' + beta * C``: ONNX Gemm 11 and 13.

    Parameters
    ----------
    A : (m, k), or (k, m) if `transA`
    B : (k, n), or (n, k) if `transB`
    C : Tensor, optional
        Broadcast to (m, n).
    alpha, beta : float
    transA, transB : int

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
    """Multiply, add and activate: com.microsoft FusedGemm.

    Parameters
    ----------
    A, B, C, alpha, beta, transA, transB
        As in `gemm`.
    activation : str
        An activation's name; empty for none.
    activation_alpha, activation_beta, activation_gamma : float, optional
        Its parameters; those left out have ONNX's defaults.

    Raises
    ------
    EvaluationError
        For an unknown activation.
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
    """Multiply transposed and scaled matrices: com.microsoft FusedMatMul and TransposeMatMul.

    Parameters
    ----------
    A, B : Tensor
        As in `matmul`; vectors are never transposed.
    alpha : float
        What the product is multiplied by.
    transA, transB : int
        Whether the last two axes are exchanged.
    transBatchA, transBatchB : int
        Whether the first axis stands behind the batch axes, before the last one.
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
    """Sum products by Einstein's convention: ONNX Einsum 12 and 28; letters of either case, and ellipses.

    Parameters
    ----------
    Inputs : Tensor
        One per term of the equation.
    equation : str
        As in `numpy.einsum`.
    """
    return torch.einsum(equation, *Inputs)


@operator("Det", since=11)
def det(X: Tensor) -> Tensor:
    """Return the determinants of the last two axes: ONNX Det 11 and 22; (*, m, m) to (*)."""
    determinants: Tensor = torch.linalg.det(X)
    return determinants


@operator("Inverse", domain="com.microsoft")
def inverse(X: Tensor) -> Tensor:
    """Invert the matrices of the last two axes: com.microsoft Inverse; (*, m, m) to (*, m, m).

    Raises
    ------
    EvaluationError
        If a matrix is singular.
    """
    inverses: Tensor
    inverses, failures = torch.linalg.inv_ex(X)
    if failures.any():
        raise EvaluationError(
            f"Inverse has {int(failures.count_nonzero())} matrices without an inverse; give regular ones"
        )
    return inverses
