"""Channels-last kernels beside channels-first ones, in the same network and the same run: forward plus backward, as a ratio.

Usage: python benchmarks/memory_format.py MODEL.onnx; the model takes one picture and its first output is climbed.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch

import onnxviz
from onnxviz.model.engine.network import Network


def seconds(network: Network, shape: tuple[int, ...]) -> float:
    """Time one forward and backward pass."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    start = time.perf_counter()
    network({network.inputs[0]: x})[network.tensors[0]].flatten(1)[:, 0].sum().backward()
    return time.perf_counter() - start


def main(path: str) -> None:
    """Print a line for batches of 1 and 4."""
    model = onnxviz.load(path)
    name = next(iter(model.outputs))
    last, first = model.network([name]), model.network([name])
    for step in first.plan.every_step():
        step.arguments = [a.contiguous() if isinstance(a, torch.Tensor) else a for a in step.arguments]
    sizes = tuple(size if isinstance(size, int) else 224 for size in model.inputs[last.inputs[0]].shape or ())
    for batch in (1, 4):
        shape = (batch, *sizes[1:])
        ratios = [seconds(last, shape) / seconds(first, shape) for _ in range(10)][2:]
        print(f"batch {batch}: channels-last takes {statistics.median(ratios):.2f} of the time")


if __name__ == "__main__":
    main(sys.argv[1])
