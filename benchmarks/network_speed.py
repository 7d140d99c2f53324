"""Converted networks beside the same networks written in torch: forward plus backward to the input, in turn, in one run.

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
from torch.utils.flop_counter import FlopCounterMode

import onnxviz
from onnxviz.cli import keep_freed_memory

BATCHES = (1, 8)
SECONDS = 40
"""About how long one line takes; at least `ROUNDS` passes of each side are timed however long they take."""
ROUNDS = 5
MATRICES = ((512, 512, 512), (784, 1152, 128), (1024, 1024, 1024))
"""Sizes of products whose best rate is called the machine's peak."""

Run = Callable[[torch.Tensor], torch.Tensor]


def _vgg11_features() -> torch.nn.Module:
    features: torch.nn.Module = torchvision.models.vgg11(weights=None).features
    return features


def _resnet18_features() -> torch.nn.Module:
    """Return resnet18 up to its third stage, as a run that aims at an inner tensor cuts it."""
    whole = torchvision.models.resnet18(weights=None)
    return torch.nn.Sequential(*list(whole.children())[:-3])


NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "resnet18": torchvision.models.resnet18,
    "mobilenet_v2": torchvision.models.mobilenet_v2,
    "vit_b_16": torchvision.models.vit_b_16,
    "resnet18_cut": _resnet18_features,
    "vgg11_cut": _vgg11_features,
}


def export(name: str, folder: Path) -> tuple[torch.nn.Module, Path]:
    """Write a seeded network to ONNX, one of `NETWORKS` or another of torchvision's; return both."""
    torch.manual_seed(0)
    module = NETWORKS.get(name, getattr(torchvision.models, name, None))().eval()
    if hasattr(module, "heads"):  # torchvision's transformers begin with a last layer of zeros
        torch.nn.init.normal_(module.heads[-1].weight, std=0.02)
    path = folder / f"{name}.onnx"
    # Frozen only afterwards: of a frozen network the exporter meets attention kernels that it cannot write.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.randn(1, 3, 224, 224),),
            str(path),
            opset_version=17,
            dynamo=False,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "N"}, "output": {0: "N"}},
        )
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module, path


def now() -> float:
    """Return a clock: with one thread the processor's, which does not see what else the machine does, else the wall's."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def pictures(batch: int) -> torch.Tensor:
    """Return a batch that wants a gradient."""
    return torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(1)).requires_grad_()


def seconds(run: Run, batch: int) -> float:
    """Time one forward and backward pass."""
    x = pictures(batch)
    start = now()
    run(x).flatten(1)[:, 0].sum().backward()
    return now() - start


def rate_of_products() -> float:
    """Return the best rate of one product of each size, in floating-point operations per second."""
    rates = []
    for rows, inner, columns in MATRICES:
        left, right = torch.randn(rows, inner), torch.randn(inner, columns)
        torch.mm(left, right)
        start = now()
        torch.mm(left, right)
        rates.append(2 * rows * inner * columns / (now() - start))
    return max(rates)


def operations(module: torch.nn.Module, batch: int) -> int:
    """Count the floating-point operations of products and convolutions, forward and back to the input, which are as many again."""
    with FlopCounterMode(display=False) as counter:
        module(pictures(batch))
    return 2 * counter.get_total_flops()


def line(name: str, module: torch.nn.Module, ours: Run, batch: int) -> str:
    """Measure one network at one size."""
    count = operations(module, batch)
    seconds(ours, batch), seconds(module, batch)
    pairs, peak = [], 0.0
    end = time.monotonic() + SECONDS
    while len(pairs) < ROUNDS or time.monotonic() < end:
        # Whoever goes second finds the caches as the other left them, so that the order changes.
        if len(pairs) % 2:
            theirs, mine = seconds(module, batch), seconds(ours, batch)
        else:
            mine, theirs = seconds(ours, batch), seconds(module, batch)
        pairs.append((mine, theirs))
        peak = max(peak, rate_of_products())
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    mine, theirs = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
    share = count / min(pair[0] for pair in pairs) / peak
    return f"{name:<13} {batch:>5} {mine:>8.1f} {theirs:>8.1f} {ratio:>6.3f} {share:>6.2f} {peak / 1e9:>7.1f} {len(pairs):>6}"


def main(names: tuple[str, ...]) -> None:
    """Print the table."""
    keep_freed_memory()  # as the command line does; both sides take part in it
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(
        f"{'network':<13} {'batch':>5} {'ours ms':>8} {'torch ms':>8} {'ratio':>6} {'share':>6} {'GFLOP/s':>7} {'rounds':>6}"
    )
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            module, path = export(name, Path(folder))
            start = time.perf_counter()
            network = onnxviz.load(path).network(["output"])
            converted = time.perf_counter() - start

        def ours(x: torch.Tensor, network: onnxviz.model.engine.network.Network = network) -> torch.Tensor:
            return network({"input": x})["output"]

        with torch.no_grad():
            x = pictures(2)
            wanted = module(x)
            error = float((ours(x) - wanted).abs().max() / wanted.abs().max())
        for batch in BATCHES:
            print(line(name, module, ours, batch), flush=True)
        print(f"{name:<13} converted in {converted:.2f} s; outputs differ by {error:.0e} of their largest", flush=True)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or tuple(NETWORKS))
