"""EmbedLayerNormalization of com.microsoft: the first layer of BERT, which turns token numbers into normalized vectors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import operator


# `mask_index_type` is used only in shape inference.
@operator("EmbedLayerNormalization", domain="com.microsoft", ignored=("mask_index_type",))
def embed_layer_normalization(
    input_ids: Tensor,
    segment_ids: Tensor | None = None,
    word_embedding: Tensor | None = None,
    position_embedding: Tensor | None = None,
    segment_embedding: Tensor | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    mask: Tensor | None = None,
    position_ids: Tensor | None = None,
    *,
    epsilon: float = 1e-12,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the normalized sum of embeddings, the number of tokens, and the sum (com.microsoft EmbedLayerNormalization).

    The sum is (batch, tokens, hidden size). The number of tokens, (batch,) int32, is the number of ones in `mask`. Without a mask it is
    zero.

    Raises
    ------
    EvaluationError
        If word embeddings, position embeddings, gamma or beta are missing.
    """
    if word_embedding is None or position_embedding is None or gamma is None or beta is None:
        raise EvaluationError("an input is missing; the operator needs word and position embeddings, gamma and beta")
    if position_ids is None:
        position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)
    embedded = F.embedding(input_ids, word_embedding) + F.embedding(position_ids, position_embedding)
    if segment_ids is not None and segment_embedding is not None:
        embedded = embedded + F.embedding(segment_ids, segment_embedding)
    if mask is None:
        words = torch.zeros(input_ids.shape[0], dtype=torch.int32, device=input_ids.device)
    else:
        words = (mask == 1).sum(1, dtype=torch.int32)
    return F.layer_norm(embedded, embedded.shape[2:], gamma, beta, epsilon), words, embedded
