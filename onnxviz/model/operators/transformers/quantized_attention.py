"""QAttention and QEmbedLayerNormalization of com.microsoft: attention and first layer of a quantized BERT."""

from __future__ import annotations

from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.quantized.matrix_products import matmul_integer_to_float
from onnxviz.model.operators.quantized.quantization import dequantized
from onnxviz.model.operators.transformers.embed_layer_normalization import embed_layer_normalization
from onnxviz.model.operators.transformers.multihead_attention import attended_projection

MICROSOFT = "com.microsoft"


@operator("QAttention", domain=MICROSOFT, gradient=Gradient.STRAIGHT_THROUGH)
def qattention(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    input_scale: Tensor,
    weight_scale: Tensor,
    mask_index: Tensor | None = None,
    input_zero_point: Tensor | None = None,
    weight_zero_point: Tensor | None = None,
    past: Tensor | None = None,
    *,
    do_rotary: int = 0,
    mask_filter_value: float | None = None,
    num_heads: int,
    past_present_share_buffer: int = 0,
    scale: float | None = None,
    unidirectional: int = 0,
    node: Node,
) -> tuple[Tensor, ...]:
    """Return the Attention of quantized tokens with quantized weights (com.microsoft QAttention).

    The scores and all later values are floats.

    Parameters
    ----------
    input : (batch, tokens, width)
    weight : (width, 3 * hidden size)
        The weights of queries, keys and values beside each other.
    bias : (3 * hidden size,) float
    weight_scale, weight_zero_point
        A single number, or a number for each column.
    mask_index, past, mask_filter_value, num_heads, scale, unidirectional
        As in `onnxviz.model.operators.transformers.multihead_attention.attention_microsoft`.

    Raises
    ------
    EvaluationError
        If the node asks for a cache that is shared between steps, or for rotary positions.
    """
    if do_rotary:
        raise EvaluationError("do_rotary is 1, which is not supported; export the rotation as RotaryEmbedding")
    if past_present_share_buffer:
        raise EvaluationError("QAttention has past_present_share_buffer; only caches that grow are supported")
    projected = matmul_integer_to_float(
        input, weight, input_scale, weight_scale, input_zero_point, weight_zero_point, bias, node=node
    )
    return attended_projection(
        projected,
        [weight.shape[1] // 3] * 3,
        num_heads,
        mask=mask_index,
        past=past,
        filter_value=mask_filter_value,
        scale=scale,
        causal=bool(unidirectional),
    )


@operator("QEmbedLayerNormalization", domain=MICROSOFT)
def qembed_layer_normalization(
    input_ids: Tensor,
    segment_ids: Tensor | None,
    word_embedding_quant: Tensor,
    position_embedding_quant: Tensor,
    segment_embedding: Tensor | None,
    gamma_quant: Tensor,
    beta_quant: Tensor,
    mask: Tensor | None,
    word_embedding_scale: Tensor,
    position_embedding_scale: Tensor,
    segment_embedding_scale: Tensor | None,
    gamma_scale: Tensor,
    beta_scale: Tensor,
    word_embedding_zero_point: Tensor,
    position_embedding_zero_point: Tensor,
    segment_embedding_zero_point: Tensor | None,
    gamma_zero_point: Tensor,
    beta_zero_point: Tensor,
    *,
    epsilon: float = 1e-12,
) -> tuple[Tensor, Tensor]:
    """Return the normalized sum of quantized embeddings and the number of tokens (com.microsoft QEmbedLayerNormalization)."""
    segments = None
    if segment_embedding is not None and segment_embedding_scale is not None:
        segments = dequantized(segment_embedding, segment_embedding_scale, segment_embedding_zero_point)
    normalized, words, _ = embed_layer_normalization(
        input_ids,
        segment_ids,
        dequantized(word_embedding_quant, word_embedding_scale, word_embedding_zero_point),
        dequantized(position_embedding_quant, position_embedding_scale, position_embedding_zero_point),
        segments,
        dequantized(gamma_quant, gamma_scale, gamma_zero_point),
        dequantized(beta_quant, beta_scale, beta_zero_point),
        mask,
        epsilon=epsilon,
    )
    return normalized, words
