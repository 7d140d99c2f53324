"""Operators that draw random numbers, and Dropout. The numbers are not ONNX Runtime's, but they are the same in every run.

The generator starts from the node's `seed`. Without a seed it starts from the names of the node's outputs. So a run can be repeated.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import Bool, Float, Gradient, Node, operator
from onnxviz.model.operators.numbers.element_types import carrier
from onnxviz.model.operators.shapes.allocation import allowed

_FLOAT = 1
_INT32 = 6


def _seed(seed: float | None, node: Node) -> int:
    """Return the seed of a node as a whole number below 2^32. A seed may be any float, infinity too."""
    if seed is None:
        return zlib.crc32("/".join(node.outputs).encode())
    return int.from_bytes(struct.pack("<f", seed), "little")


def _generator(seed: float | None, node: Node, device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(_seed(seed, node))


@operator("RandomNormal", deterministic=False, gradient=Gradient.ZERO)
def random_normal(
    *,
    shape: Sequence[int],
    dtype: int = _FLOAT,
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
    node: Node,
) -> Tensor:
    """Return numbers drawn from a normal distribution (ONNX RandomNormal 1 and 22)."""
    generator = _generator(seed, node, torch.device("cpu"))
    return torch.randn(allowed(shape, "RandomNormal"), generator=generator, dtype=carrier(dtype)) * scale + mean


@operator("RandomNormalLike", deterministic=False, gradient=Gradient.ZERO)
def random_normal_like(
    input: Tensor,
    *,
    dtype: int | None = None,
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
    node: Node,
) -> Tensor:
    """Return numbers drawn from a normal distribution (ONNX RandomNormalLike 1 and 22).

    They have the shape of the input.
    """
    kind = input.dtype if dtype is None else carrier(dtype)
    generator = _generator(seed, node, input.device)
    return torch.randn(input.shape, generator=generator, dtype=kind, device=input.device) * scale + mean


@operator("RandomUniform", deterministic=False, gradient=Gradient.ZERO)
def random_uniform(
    *,
    shape: Sequence[int],
    dtype: int = _FLOAT,
    low: float = 0.0,
    high: float = 1.0,
    seed: float | None = None,
    node: Node,
) -> Tensor:
    """Return numbers drawn from the uniform distribution between `low` and `high` (ONNX RandomUniform 1 and 22)."""
    generator = _generator(seed, node, torch.device("cpu"))
    return torch.rand(allowed(shape, "RandomUniform"), generator=generator, dtype=carrier(dtype)) * (high - low) + low


@operator("RandomUniformLike", deterministic=False, gradient=Gradient.ZERO)
def random_uniform_like(
    input: Tensor,
    *,
    dtype: int | None = None,
    low: float = 0.0,
    high: float = 1.0,
    seed: float | None = None,
    node: Node,
) -> Tensor:
    """Return numbers drawn from the uniform distribution between `low` and `high` (ONNX RandomUniformLike 1 and 22).

    They have the shape of the input.
    """
    kind = input.dtype if dtype is None else carrier(dtype)
    generator = _generator(seed, node, input.device)
    return torch.rand(input.shape, generator=generator, dtype=kind, device=input.device) * (high - low) + low


@operator("Bernoulli", since=15, deterministic=False, gradient=Gradient.ZERO)
def bernoulli(input: Tensor, *, dtype: int | None = None, seed: float | None = None, node: Node) -> Tensor:
    """Return ones drawn with the probabilities in the input, and zeros elsewhere (ONNX Bernoulli 15 and 22)."""
    drawn = torch.rand(
        input.shape, generator=_generator(seed, node, input.device), dtype=input.dtype, device=input.device
    )
    return (drawn < input).to(input.dtype if dtype is None else carrier(dtype))


@operator("Multinomial", since=7, deterministic=False, gradient=Gradient.ZERO)
def multinomial(
    input: Tensor, *, dtype: int = _INT32, sample_size: int = 1, seed: float | None = None, node: Node
) -> Tensor:
    """Return classes drawn with replacement (ONNX Multinomial 7 and 22).

    Parameters
    ----------
    input : Tensor
        (batch, classes), the logarithms of the weights of the classes.

    Returns
    -------
    Tensor
        (batch, sample_size).
    """
    allowed([input.shape[0], sample_size], "Multinomial")
    generator = _generator(seed, node, input.device)
    return torch.multinomial(input.softmax(-1), sample_size, replacement=True, generator=generator).to(carrier(dtype))


# In inference nothing is dropped, whatever the `ratio`. `is_test` and `consumed_inputs` do not change that.
@operator("Dropout", since=1, until=11, ignored=("is_test", "consumed_inputs", "ratio"))
def dropout_1(data: Tensor, *, node: Node) -> Tensor | tuple[Tensor, Tensor]:
    """Return the data unchanged, and a mask of zeros if the node names it (ONNX Dropout 1, 6, 7 and 10).

    The schema does not define the mask in inference. ONNX Runtime gives zeros.
    """
    if not _second(node):
        return data
    return data, torch.zeros_like(data, dtype=data.dtype if node.version < 10 else torch.bool)


@operator("Dropout", since=12)
def dropout(
    data: Tensor, ratio: Float | None = None, training_mode: Bool | None = None, *, seed: int | None = None, node: Node
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the data, and the mask if the node names it (ONNX Dropout 12, 13 and 22).

    In training mode elements are dropped and the others scaled. They are drawn as ONNX's reference draws them.
    """
    ratio = 0.5 if ratio is None else ratio
    if not training_mode or ratio == 0:
        return (data, torch.ones_like(data, dtype=torch.bool)) if _second(node) else data
    if not 0 < ratio < 1:
        raise EvaluationError(f"Dropout has the ratio {ratio}; it must lie in [0, 1)")
    generator = np.random.RandomState(_seed(None, node) if seed is None else seed % (1 << 32))
    drawn = generator.uniform(size=tuple(data.shape))
    mask = torch.from_numpy(np.asarray(drawn >= ratio)).to(data.device)
    return data * mask / (1 - ratio), mask


def _second(node: Node) -> bool:
    return len(node.outputs) > 1 and bool(node.outputs[1])
