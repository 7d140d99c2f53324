"""`maximize` beside torch-lucent: the time to reach the peer's own clean score, and what a step costs, in one run.

Usage: python benchmarks/maximization_speed.py MODEL [--units 3,17,...] [--picture FILE]

MODEL is a SqueezeNet 1.1 in ONNX that takes BGR pixels in 0 to 255 and has a tensor `pool5_1`. The peer renders each unit
with its own defaults (512 steps, one unit per call) from a torch module with the file's weights; its picture is scored by
ONNX Runtime. Ours climbs with the defaults of `maximize`; the clock stops at the first step whose input ONNX Runtime scores
as high as the peer's. Needs torch-lucent 0.1.8 with kornia 0.4.1, which want a torchvision that fits the installed torch.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from maximization_peer import Front, render

import onnxviz
from onnxviz.cli import keep_freed_memory
from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.search import search
from onnxviz.methods.ascent.settings import Settings
from onnxviz.methods.ascent.space import Space
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.target import Target

TENSOR, INPUT, SIZE = "pool5_1", "data_0", 224
SETTINGS = Settings(steps=96, rate=0.4)
SPACE = Space(
    INPUT,
    (3, SIZE, SIZE),
    ("channel", "height", "width"),
    "image",
    "bgr",
    np.zeros(()),
    np.full((), 255.0),
)


def climb(network: Any, units: Sequence[int], frame_every: int | None) -> tuple[list[Any], list[float]]:
    """Climb the units in one batch; return what was found, and the seconds after each step."""
    objectives = [Objective.of(Target(TENSOR, (unit,))) for unit in units]
    settings = Settings(steps=SETTINGS.steps, rate=SETTINGS.rate, frame_every=frame_every)
    times: list[float] = []
    began = time.perf_counter()
    found = [
        one
        for group in search(
            network,
            SPACE,
            objectives,
            {},
            settings,
            device=torch.device("cpu"),
            batch_size=len(units),
            progress=lambda *_: times.append(time.perf_counter() - began),
        )
        for one in group
    ]
    return found, times


def crossing(found: Any, unit: int, wanted: float, score: Callable[[np.ndarray, int], float]) -> int | None:
    """Return the first step whose input scores as wanted."""
    for step, array in sorted(found.ascent.frames.items()):
        if score(array, unit) >= wanted:
            return int(step)
    return None


def step_cost(network: Any, units: Sequence[int], rounds: int = 5) -> tuple[float, float]:
    """Return the seconds of a step of the whole search, and of a bare forward and backward pass of the same network.

    A search and as many bare passes take turns; the median of all is told. Half of the steps see a moved input, half a still one.
    """
    runs = [Run(f"unit {place}") for place in range(len(units))]
    with torch.no_grad():
        still = SPACE.start(runs, torch.device("cpu")).realize()

    def bare() -> float:
        leaf = still.clone().requires_grad_()
        began = time.perf_counter()
        torch.autograd.grad(network({INPUT: leaf})[TENSOR].mean(), leaf)
        return time.perf_counter() - began

    climb(network, units, None), bare()
    steps: list[float] = []
    passes: list[float] = []
    for _ in range(rounds):
        times = climb(network, units, None)[1]
        steps += np.diff(times).tolist()
        passes += [bare() for _ in range(len(times))]
    return statistics.median(steps), statistics.median(passes)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--units", default="3,17,40,61,90,128,170,200")
    parser.add_argument("--picture", type=Path, help="write the peer's pictures above ours")
    options = parser.parse_args()
    units = [int(unit) for unit in options.units.split(",")]
    keep_freed_memory()  # as the command line does; both sides take part in it
    model = onnxviz.load(options.model)
    network, session = model.network([TENSOR]), model.session([TENSOR])

    def score(array: np.ndarray, unit: int) -> float:
        return float(session({INPUT: array[None]})[TENSOR][0, unit].mean())

    front = Front.read(options.model)
    probe = np.random.default_rng(0).uniform(0, 1, (1, 3, SIZE, SIZE)).astype(np.float32)
    theirs, ours = front(torch.tensor(probe)).numpy(), session({INPUT: probe[:, ::-1] * 255})[TENSOR]
    if np.abs(theirs - ours).max() > 2e-3 * np.abs(ours).max():
        raise SystemExit(f"{options.model}: is no SqueezeNet 1.1 as the peer's module is")

    together, together_times = climb(network, units, 1)[0], climb(network, units, None)[1]
    print(
        f"{'unit':>5} {'peer s':>8} {'score':>7} | {'alone: step':>11} {'s':>6} {'x':>6} | {'batch: step':>11} {'s':>6} {'x':>6} | end"
    )
    ratios: list[tuple[float, float]] = []
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    for unit, found in zip(units, together, strict=True):
        picture, seconds = render(front, unit, size=SIZE)
        wanted = score(picture[::-1] * 255, unit)
        times = climb(network, [unit], None)[1]
        step = crossing(found, unit, wanted, score)
        ended = score(found.ascent.array, unit)
        rows.append((picture, found.ascent.array[::-1] / 255))
        if step is None:
            print(f"{unit:>5} {seconds:8.1f} {wanted:7.0f} | not reached; ended at {ended:.0f}")
            continue
        alone, shared = times[step - 1], together_times[step - 1] / len(units)
        ratios.append((seconds / alone, seconds / shared))
        print(
            f"{unit:>5} {seconds:8.1f} {wanted:7.0f} | {step:>11} {alone:6.2f} {ratios[-1][0]:6.1f} |"
            f" {step:>11} {shared:6.2f} {ratios[-1][1]:6.1f} | {ended:.0f}"
        )
    if ratios:
        single, batched = (statistics.geometric_mean(column) for column in zip(*ratios, strict=True))
        print(f"geometric means over {len(ratios)} of {len(units)} units: {single:.1f} alone, {batched:.1f} in a batch")
    for some in (units[:1], units):
        cost, bare = step_cost(network, some)
        print(
            f"batch {len(some)}: a step {cost * 1e3:.1f} ms, a bare pass {bare * 1e3:.1f} ms, ratio {cost / bare:.2f}"
        )
    if options.picture:
        from PIL import Image

        wall = np.concatenate([np.concatenate(row, 2) for row in zip(*rows, strict=True)], 1)
        Image.fromarray((np.moveaxis(wall, 0, -1) * 255).clip(0, 255).astype(np.uint8)).save(options.picture)


if __name__ == "__main__":
    main()
