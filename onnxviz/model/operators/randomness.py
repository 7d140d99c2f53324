"""Operators that draw random numbers. They cannot draw ONNX Runtime's numbers, but the same ones every time.

The generator starts from the node's `seed`, or from its output's name where it has none: equal inputs give equal
outputs, and a run can be repeated.
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
    """Return a whole number below 2^32: any float may stand in a file, infinity too."""
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
    """Draw from a normal distribution."""
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
    """Draw from a normal distribution as many numbers as the input has."""
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
    """Draw evenly from between two numbers."""
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
    """Draw evenly from between two numbers, as many as the input has."""
    kind = input.dtype if dtype is None else carrier(dtype)
    generator = _generator(seed, node, input.device)
    return torch.rand(input.shape, generator=generator, dtype=kind, device=input.device) * (high - low) + low


@operator("Bernoulli", since=15, deterministic=False, gradient=Gradient.ZERO)
def bernoulli(input: Tensor, *, dtype: int | None = None, seed: float | None = None, node: Node) -> Tensor:
    """Draw 1 with the probability that the input holds, else 0."""
    drawn = torch.rand(
        input.shape, generator=_generator(seed, node, input.device), dtype=input.dtype, device=input.device
    )
    return (drawn < input).to(input.dtype if dtype is None else carrier(dtype))


@operator("Multinomial", since=7, deterministic=False, gradient=Gradient.ZERO)
def multinomial(
    input: Tensor, *, dtype: int = _INT32, sample_size: int = 1, seed: float | None = None, node: Node
) -> Tensor:
    """Draw classes, with replacement.

    Parameters
    ----------
    input : Tensor
        (batch, classes), logarithms of weights.

    Returns
    -------
    Tensor
        (batch, sample_size).
    """
    allowed([input.shape[0], sample_size], "Multinomial")
    generator = _generator(seed, node, input.device)
    return torch.multinomial(input.softmax(-1), sample_size, replacement=True, generator=generator).to(carrier(dtype))


# `is_test` and `consumed_inputs` say nothing about inference; there nothing is dropped, whatever the `ratio`.
@operator("Dropout", since=1, until=11, ignored=("is_test", "consumed_inputs", "ratio"))
def dropout_1(data: Tensor, *, node: Node) -> Tensor | tuple[Tensor, Tensor]:
    """Return the data; the mask, which the schema leaves open here, is all zeros as in ONNX Runtime."""
    if not _second(node):
        return data
    return data, torch.zeros_like(data, dtype=data.dtype if node.version < 10 else torch.bool)


@operator("Dropout", since=12)
def dropout(
    data: Tensor, ratio: Float | None = None, training_mode: Bool | None = None, *, seed: int | None = None, node: Node
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the data; in training mode drop elements, drawn as ONNX's reference does, and scale the others."""
    ratio = 0.5 if ratio is None else ratio
    if not training_mode or ratio == 0:
        return (data, torch.ones_like(data, dtype=torch.bool)) if _second(node) else data
    if not 0 < ratio < 1:
        raise EvaluationError(f"Dropout with the ratio {ratio}; it must lie in [0, 1)")
    generator = np.random.RandomState(_seed(None, node) if seed is None else seed % (1 << 32))
    drawn = generator.uniform(size=tuple(data.shape))
    mask = torch.from_numpy(np.asarray(drawn >= ratio)).to(data.device)
    return data * mask / (1 - ratio), mask


def _second(node: Node) -> bool:
    return len(node.outputs) > 1 and bool(node.outputs[1])
