"""Weights in 2, 4 or 8 bits with a scale for each block: MatMulNBits, MatMulBnb4 and GatherBlockQuantized of com.microsoft."""

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
"""Values of the codes of NF4: quantiles of the normal distribution.

The source is Dettmers et al., "QLoRA: Efficient finetuning of quantized LLMs", 2023, appendix E.
"""
_FOUR_BIT_FLOAT = (0.0, 1 / 192, 2 / 3, 1.0, 1 / 3, 1 / 2, 1 / 6, 1 / 4)
"""Values of the lower half of the codes of FP4, by the same authors. The upper half of the codes are their negatives."""
_CODES = {0: (*_FOUR_BIT_FLOAT, *(-code for code in _FOUR_BIT_FLOAT)), 1: _NORMAL_FLOAT}


def unpacked(packed: Tensor, bits: int, what: str) -> Tensor:
    """Return the numbers that bytes hold along the last axis. The numbers in the low bits come first.

    Parameters
    ----------
    packed : Tensor
        uint8.
    bits : {2, 4, 8}
        The number of bits of a number.
    what : str
        The name of the operator, for the message.

    Raises
    ------
    EvaluationError
        If `bits` is another number.
    """
    if bits == 8:
        return packed
    if bits not in (2, 4):
        raise EvaluationError(f"{what} has weights of {bits} bits; 2, 4 and 8 are supported")
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=packed.device)
    parts = torch.bitwise_and(torch.bitwise_right_shift(packed.unsqueeze(-1), shifts), (1 << bits) - 1)
    return parts.flatten(-2)


# `accuracy_level` allows an implementation to be less precise. This function does not use that.
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
    """Return the product of a tensor with a transposed matrix whose rows are quantized in blocks (com.microsoft MatMulNBits).

    Parameters
    ----------
    A : (..., K)
    B : (N, blocks, block_size * bits / 8) uint8
        Packed numbers, low bits first. An empty tensor stands for a weight of zeros.
    scales : (N, blocks)
        Older files have the same numbers along a single axis.
    zero_points : Tensor, optional
        Packed as B in uint8, or (N, blocks) in the type of A. The default is the middle of the range.
    g_idx : (K,) integers, optional
        The block whose scale each input feature has. By default the blocks follow one another.
    bias : (N,), optional

    Raises
    ------
    EvaluationError
        If the weights are arranged for a kind of GPU, or the sizes do not fit together.
    """
    if weight_prepacked:
        raise EvaluationError(
            f"MatMulNBits has weight_prepacked={weight_prepacked}, an arrangement for a kind of GPU; export with weight_prepacked=0"
        )
    if B.numel() == 0:
        zeros = A.new_zeros(allowed((*A.shape[:-1], N), "MatMulNBits"))
        return zeros if bias is None else zeros + bias
    blocks = -(-K // block_size)
    levels = unpacked(B.reshape(N, blocks, -1), bits, "MatMulNBits").to(A.dtype).reshape(N, -1)
    if levels.shape[1] < K:
        raise EvaluationError(
            f"MatMulNBits has {levels.shape[1]} weights in a row of B; give at least {K} weights, the attribute K"
        )
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


# `training_mode` chooses a kernel of ONNX Runtime. It does not change the result.
@operator("MatMulBnb4", domain=MICROSOFT, ignored=("training_mode",))
def matmul_bnb4(
    A: Tensor, B: Tensor, absmax: Tensor, *, K: int, N: int, block_size: int, quant_type: int, transB: int = 1
) -> Tensor:
    """Return the product of a tensor with a matrix of four-bit codes, which has a scale for each block (com.microsoft MatMulBnb4).

    Parameters
    ----------
    A : (..., K), or (..., N) if `transB` is 0
    B : (ceil(N * K / 2),) uint8
        The codes of an (N, K) matrix. A byte holds two codes, the first in the high bits.
    absmax : (ceil(N * K / block_size),)
        The scale of each block.
    quant_type : {0, 1}
        0 for FP4, 1 for NF4.

    Raises
    ------
    EvaluationError
        If `quant_type` is another number.
    """
    if quant_type not in _CODES:
        raise EvaluationError(f"MatMulBnb4 has quant_type={quant_type}; give 0 (FP4) or 1 (NF4)")
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
    """Return slices of a table that is quantized in blocks (com.microsoft GatherBlockQuantized).

    An index outside the table gives zeros.

    Parameters
    ----------
    data : Tensor
        Either uint8 with numbers of `bits` bits packed along the last axis, low bits first, or int4, uint4 or a narrow float.
    indices : Tensor
        Integers of any shape.
    scales : Tensor
        A scale for each block of `block_size` entries along the quantization axis. With a block size of 0 the whole axis is a block.
    zero_points : Tensor, optional
        In the shape of the scales, packed like the data.

    Returns
    -------
    Tensor
        The shape of the table, with the gathered axis replaced by the shape of the indices.
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
        # All slices may share a scale.
        return values if values.shape[gathered] == 1 != size else values.index_select(gathered, flat)

    def spread(values: Tensor) -> Tensor:
        # Scales are first looked up and then spread over their blocks. Along the axis of the blocks they are first spread.
        return looked_up(parameter(values)) if gathered == blocked else parameter(looked_up(values))

    levels = looked_up(data).to(scales.dtype)
    levels = levels - (offset if zero_points is None else spread(zero_points).to(scales.dtype))
    slices = levels * spread(scales)
    slices = slices * inside.reshape([-1 if axis == gathered else 1 for axis in range(rank)])
    return slices.reshape(*slices.shape[:gathered], *indices.shape, *slices.shape[gathered + 1 :])
