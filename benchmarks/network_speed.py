"""A converted network beside the same network written in torch: forward plus backward to the input, in turn, as a ratio.

Usage: python benchmarks/network_speed.py [NAME ...]; needs the `bench` extra with a torchvision that fits the installed torch.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision

import onnxviz

NAMES = ("resnet18", "mobilenet_v2", "vit_b_16")
ROUNDS = 15


def export(name: str, folder: Path) -> tuple[torch.nn.Module, Path]:
    """Write a seeded network of torchvision's to ONNX; return both."""
    torch.manual_seed(0)
    module = getattr(torchvision.models, name)(weights=None).eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    path = folder / f"{name}.onnx"
    axes = {"input": {0: "N"}, "logits": {0: "N"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.randn(1, 3, 224, 224),),
            str(path),
            opset_version=17,
            dynamo=False,
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes=axes,
        )
    return module, path


def seconds(run: Callable[[torch.Tensor], torch.Tensor], batch: int) -> float:
    """Time one forward and backward pass."""
    x = torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(1)).requires_grad_()
    start = time.perf_counter()
    run(x)[:, 0].sum().backward()
    return time.perf_counter() - start


def main(names: tuple[str, ...]) -> None:
    """Print a line for each network and batch size."""
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            module, path = export(name, Path(folder))
            start = time.perf_counter()
            network = onnxviz.load(path).network(["logits"])
            converted = time.perf_counter() - start
        x = torch.randn(2, 3, 224, 224)
        error = float((network({"input": x})["logits"] - module(x)).abs().max())
        for batch in (1, 8):

            def ours(x: torch.Tensor, network: onnxviz.model.network.Network = network) -> torch.Tensor:
                return network({"input": x})["logits"]

            pairs = [(seconds(ours, batch), seconds(module, batch)) for _ in range(ROUNDS)][2:]
            ratio = statistics.median(mine / theirs for mine, theirs in pairs)
            mine, theirs = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
            print(
                f"{name} batch {batch}: {mine:.0f} ms, torchvision {theirs:.0f} ms, ratio {ratio:.3f}; "
                f"converted in {converted:.2f} s, outputs differ by {error:.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or NAMES)
