"""Weights in 2, 4 or 8 bits with a scale for each block (com.microsoft): MatMulNBits, MatMulBnb4 and GatherBlockQuantized."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Node, operator
from onnxviz.model.operators.numbers.integer_types import element_type_of
from onnxviz.model.operators.shapes.allocation import allowed

MICROSOFT = "com.microsoft"

_NORMAL_FLOAT = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
"""NF4: quantiles of the normal distribution (Dettmers et al. 2023, appendix E)."""
_FOUR_BIT_FLOAT = (0.0, 1 / 192, 2 / 3, 1.0, 1 / 3, 1 / 2, 1 / 6, 1 / 4)
"""FP4 of the same authors; the upper half of the codes are the negatives."""
_CODES = {0: (*_FOUR_BIT_FLOAT, *(-code for code in _FOUR_BIT_FLOAT)), 1: _NORMAL_FLOAT}


def unpacked(packed: Tensor, bits: int, what: str) -> Tensor:
    """Return the numbers that bytes hold along the last axis, those in the low bits first.

    Parameters
    ----------
    packed : Tensor
        uint8.
    bits : {2, 4, 8}
        How wide a number is.
    what : str
        The operator, for messages.

    Raises
    ------
    EvaluationError
        If a number is of another width.
    """
    if bits == 8:
        return packed
    if bits not in (2, 4):
        raise EvaluationError(f"{what} has weights of {bits} bits; 2, 4 and 8 are supported")
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=packed.device)
    parts = torch.bitwise_and(torch.bitwise_right_shift(packed.unsqueeze(-1), shifts), (1 << bits) - 1)
    return parts.flatten(-2)


# What `accuracy_level` allows an implementation to give up is not given up here.
@operator("MatMulNBits", domain=MICROSOFT, ignored=("accuracy_level",))
def matmul_n_bits(
    A: Tensor,
    B: Tensor,
    scales: Tensor,
    zero_points: Tensor | None = None,
    g_idx: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    K: int,
    N: int,
    bits: int = 4,
    block_size: int,
    weight_prepacked: int = 0,
) -> Tensor:
    """Multiply by a transposed matrix whose rows are quantized in blocks.

    Parameters
    ----------
    A : (..., K)
    B : (N, blocks, block_size * bits / 8) uint8
        Packed, low bits first; empty for a weight of zeros.
    scales : (N, blocks)
        Or as many in one axis, as older files have them.
    zero_points : Tensor, optional
        Packed as B in uint8, or (N, blocks) in the type of A; by default the middle of the range.
    g_idx : (K,) integers, optional
        Which block's scale each input feature has; by default they follow one another.
    bias : (N,), optional

    Raises
    ------
    EvaluationError
        If the weights are arranged for one kind of GPU, or the sizes do not fit together.
    """
    if weight_prepacked:
        raise EvaluationError(
            f"MatMulNBits has weight_prepacked={weight_prepacked}, an arrangement for one kind of GPU; export the model with 0"
        )
    if B.numel() == 0:
        zeros = A.new_zeros(allowed((*A.shape[:-1], N), "MatMulNBits"))
        return zeros if bias is None else zeros + bias
    blocks = -(-K // block_size)
    levels = unpacked(B.reshape(N, blocks, -1), bits, "MatMulNBits").to(A.dtype).reshape(N, -1)
    if levels.shape[1] < K:
        raise EvaluationError(f"MatMulNBits has {levels.shape[1]} weights in a row of B; K={K} needs as many")
    factors = scales.reshape(N, blocks).to(A.dtype)
    if zero_points is None:
        offsets = torch.full_like(factors, 1 << (bits - 1))
    elif zero_points.is_floating_point():
        offsets = zero_points.reshape(N, blocks).to(A.dtype)
    else:
        offsets = unpacked(zero_points.reshape(N, -1), bits, "MatMulNBits")[:, :blocks].to(A.dtype)
    if g_idx is None:
        blocked = (levels.reshape(N, blocks, -1) - offsets.unsqueeze(-1)) * factors.unsqueeze(-1)
        weight = blocked.reshape(N, -1)[:, :K]
    else:
        group = g_idx[:K].to(torch.int64)
        weight = (levels[:, :K] - offsets[:, group]) * factors[:, group]
    return F.linear(A, weight, bias)


# A model is run, not trained: `training_mode` only chooses a kernel.
@operator("MatMulBnb4", domain=MICROSOFT, ignored=("training_mode",))
def matmul_bnb4(
    A: Tensor, B: Tensor, absmax: Tensor, *, K: int, N: int, block_size: int, quant_type: int, transB: int = 1
) -> Tensor:
    """Multiply by a matrix of codes of four bits, one scale for each block of it.

    Parameters
    ----------
    A : (..., K)
        Or (..., N) if `transB` is 0.
    B : (ceil(N * K / 2),) uint8
        Two codes in a byte, high bits first, of an (N, K) matrix.
    absmax : (ceil(N * K / block_size),)
        What the code 1.0 stands for in each block.
    quant_type : {0, 1}
        FP4 or NF4.

    Raises
    ------
    EvaluationError
        If the codes are of another kind.
    """
    if quant_type not in _CODES:
        raise EvaluationError(f"MatMulBnb4 has quant_type={quant_type}; it is 0 (FP4) or 1 (NF4)")
    flat = B.reshape(-1)
    indices = torch.stack((flat >> 4, flat & 15), dim=-1).reshape(-1)[: N * K].to(torch.int64)
    codes = torch.tensor(_CODES[quant_type], dtype=A.dtype, device=A.device)
    scales = absmax.reshape(-1).to(A.dtype).repeat_interleave(block_size)[: N * K]
    weight = (codes[indices] * scales).reshape(N, K)
    return F.linear(A, weight) if transB else torch.matmul(A, weight)


@operator("GatherBlockQuantized", domain=MICROSOFT)
def gather_block_quantized(
    data: Tensor,
    indices: Tensor,
    scales: Tensor,
    zero_points: Tensor | None = None,
    *,
    bits: int = 4,
    block_size: int = 128,
    gather_axis: int = 0,
    quantize_axis: int = 1,
    node: Node,
) -> Tensor:
    """Look up slices of a table that is quantized in blocks; an index outside the table gives zeros.

    Parameters
    ----------
    data : Tensor
        uint8 with numbers of `bits` bits packed along the last axis, low bits first; or int4, uint4 or a narrow float.
    indices : Tensor
        Integers of any shape.
    scales : Tensor
        One for each block of `block_size` along the quantization axis; a block size of 0 takes the whole axis.
    zero_points : Tensor, optional
        As the scales, packed as the data.

    Returns
    -------
    Tensor
        The table's shape, its gathered axis replaced by the shape of the indices.
    """
    offset = 0
    if element_type_of(node.input_type(0), data) == TensorProto.UINT8:
        data = unpacked(data, bits, "GatherBlockQuantized")
        offset = 1 << (bits - 1)
        if zero_points is not None:
            zero_points = unpacked(zero_points, bits, "GatherBlockQuantized").narrow(-1, 0, scales.shape[-1])
    rank = data.dim()
    gathered, blocked = gather_axis % rank, quantize_axis % rank
    size = data.shape[gathered]
    flat = indices.reshape(-1).to(torch.int64)
    flat = torch.where(flat < 0, flat + size, flat)
    inside = (flat >= 0) & (flat < size)
    flat = flat.clamp(0, max(size - 1, 0))

    def parameter(values: Tensor) -> Tensor:
        along_blocks = values.repeat_interleave(block_size or data.shape[blocked], blocked)
        return along_blocks.narrow(blocked, 0, data.shape[blocked])

    def looked_up(values: Tensor) -> Tensor:
        # A scale may be shared by all slices.
        return values if values.shape[gathered] == 1 != size else values.index_select(gathered, flat)

    def spread(values: Tensor) -> Tensor:
        # Only what is looked up is spread over its blocks, unless it is looked up along them.
        return looked_up(parameter(values)) if gathered == blocked else parameter(looked_up(values))

    levels = looked_up(data).to(scales.dtype)
    levels = levels - (offset if zero_points is None else spread(zero_points).to(scales.dtype))
    slices = levels * spread(scales)
    slices = slices * inside.reshape([-1 if axis == gathered else 1 for axis in range(rank)])
    return slices.reshape(*slices.shape[:gathered], *indices.shape, *slices.shape[gathered + 1 :])
