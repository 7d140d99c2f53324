"""What a GPU brings: passes and whole ascents on the CPU and on a CUDA device, in float32, TF32 and bfloat16, recorded and not.

Usage: python benchmarks/device_speed.py MODEL.onnx TENSOR [--batches 1,8,64] [--steps 64] [--no-cpu]

A pass is a forward and a backward pass of the cut network to its only float input, median of several. An ascent is
`search` with the defaults of `maximize` for pictures, from start to end, scored by ONNX Runtime; ratios are to the CPU's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

import onnxviz
from onnxviz.methods.ascent.batching import Batched
from onnxviz.methods.ascent.captured import Captured
from onnxviz.methods.ascent.search import search
from onnxviz.methods.ascent.settings import Settings
from onnxviz.methods.ascent.space import Space
from onnxviz.methods.devices import choose_device
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.target import Target

WAYS = ("float32", "tf32", "bfloat16")


@contextmanager
def precision(way: str) -> Iterator[None]:
    """Set what products and convolutions are computed in."""
    held = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = way != "float32"
    with ExitStack() as stack:
        if way == "bfloat16":
            stack.enter_context(torch.autocast("cuda", torch.bfloat16, cache_enabled=False))
        try:
            yield
        finally:
            torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = held


def median(run: Callable[[], object], wait: Callable[[], None], rounds: int) -> float:
    """Return the median seconds of something that may run on a device."""
    for _ in range(3):
        run()
    times = []
    for _ in range(rounds):
        wait()
        began = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def passes(network: Any, name: str, sample: torch.Tensor, tensor: str) -> Callable[[], torch.Tensor]:
    """Return a forward and a backward pass."""
    leaf = sample.clone().requires_grad_()

    def run() -> torch.Tensor:
        return torch.autograd.grad(network({name: leaf})[tensor].float().mean(), leaf)[0]

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("tensor")
    parser.add_argument("--batches", default="1,8,64")
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--no-cpu", action="store_true")
    options = parser.parse_args()
    model = onnxviz.load(options.model)
    name = next(iter(model.inputs))
    shape = tuple(size for size in (model.tensors[name].shape or ())[1:] if isinstance(size, int))
    session = model.session([options.tensor])
    choose_device("cuda")  # as the verbs do
    networks = {place: model.network([options.tensor], device=place) for place in ("cpu", "cuda")}
    top = 255.0
    draw = np.random.default_rng(0).uniform(0, top, (max(map(int, options.batches.split(","))), *shape))
    whole = torch.tensor(draw.astype(np.float32))
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; {options.model.name}, {options.tensor}")
    print(f"{'batch':>5} {'way':>20} {'ms a pass':>10} {'x cpu':>7} {'gradient off by':>16} {'first s':>8}")
    for batch in map(int, options.batches.split(",")):
        sample = whole[:batch]
        run = passes(networks["cpu"], name, sample, options.tensor)
        right = run()
        base = 0.0 if options.no_cpu else median(run, lambda: None, 5)
        print(f"{batch:>5} {'cpu':>20} {base * 1e3:10.2f} {'1':>7}")
        for way in WAYS:
            for recorded in (False, True):
                batched = Batched(networks["cuda"], name, {}, sample[:1].cuda())
                with precision(way):
                    network: Any = Captured(batched) if recorded else batched
                    run = passes(network, name, sample.cuda(), options.tensor)
                    began = time.perf_counter()
                    gap = float((run().cpu() - right).norm() / right.norm())
                    first = time.perf_counter() - began
                    cost = median(run, torch.cuda.synchronize, 20)
                failed = recorded and not network.recorded
                words = way + (" recorded" if recorded else "") + (" (not)" if failed else "")
                print(
                    f"{batch:>5} {words:>20} {cost * 1e3:10.2f} {base / cost:7.1f} {gap:16.2g} {first:8.2f}", flush=True
                )
    units = [3, 17, 40, 61, 90, 128, 170, 200][: max(1, min(8, (model.tensors[options.tensor].shape or (1, 8))[1]))]
    space = Space(name, shape, ("channel", "height", "width"), "image", "bgr", np.zeros(()), np.full((), top))
    settings = Settings(steps=options.steps, rate=0.4)
    print(f"{'ascents of 8 units':>20} {'seconds':>8} {'again':>8}  scores by ONNX Runtime")
    for place in ("cuda",) if options.no_cpu else ("cpu", "cuda"):
        for way in ("as it is",) if place == "cpu" else ("as it is", "bfloat16"):
            with precision(way) if way != "as it is" else nullcontext():
                seconds, found = [], []
                for _ in range(1 if place == "cpu" else 2):
                    began = time.perf_counter()
                    objectives = [Objective.of(Target(options.tensor, (unit,))) for unit in units]
                    groups = search(
                        networks[place], space, objectives, {}, settings, device=torch.device(place), batch_size=8
                    )
                    found = [one.ascent.array for group in groups for one in group]
                    seconds.append(time.perf_counter() - began)
            scores = [
                float(session({name: array[None]})[options.tensor][0, unit].mean())
                for unit, array in zip(units, found, strict=True)
            ]
            line = ", ".join(f"{score:.0f}" for score in scores)
            print(f"{place + ' ' + way:>20} {seconds[0]:8.2f} {seconds[-1]:8.2f}  {line}", flush=True)


if __name__ == "__main__":
    main()
