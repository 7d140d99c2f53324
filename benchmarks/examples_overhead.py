"""One pass of `examples` beside bare forward passes of ONNX Runtime over the same pictures, as ratios of time.

Usage: python benchmarks/examples_overhead.py [--samples 256] [--files png|jpeg|npy] [--model MODEL.onnx --targets A,B,C]

The network is a ResNet-18 with random weights, written here; the targets are all units of three of its tensors. The bare
passes run the untouched file on batches that are in memory already; the pass of `examples` reads and decodes its pictures,
computes three more outputs, scores every unit, finds where each maximum lies and keeps all of it on disk. Wall time and
processor time (of all threads) are told; on a shared machine the latter is the steadier.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import onnxviz
from onnxviz.analyses.examples.scoring_pass import ExemplarPass
from onnxviz.analyses.inputs.feed import Tally, prepare_feed
from onnxviz.analyses.inputs.forward import Forward
from onnxviz.analyses.inputs.request import DataRequest, InputRequest
from onnxviz.analyses.listener import SILENT
from onnxviz.formats.score_store import ScoreStore

_ROUNDS = 3


def resnet18(path: Path) -> list[str]:
    """Write a ResNet-18 of random weights (He et al. 2016, batch norms folded); return three tensors of it."""
    random = np.random.default_rng(0)
    nodes, weights = [], []

    def conv(source: str, inner: int, outer: int, size: int, stride: int, name: str) -> str:
        kernel = random.standard_normal((outer, inner, size, size)) * np.sqrt(2 / (inner * size * size))
        weights.append(numpy_helper.from_array(kernel.astype(np.float32), f"{name}.w"))
        weights.append(numpy_helper.from_array(np.zeros(outer, np.float32), f"{name}.b"))
        pads = [size // 2] * 4
        nodes.append(
            helper.make_node("Conv", [source, f"{name}.w", f"{name}.b"], [name], strides=[stride] * 2, pads=pads)
        )
        return name

    def relu(source: str, name: str) -> str:
        nodes.append(helper.make_node("Relu", [source], [name]))
        return name

    held = relu(conv("image", 3, 64, 7, 2, "stem"), "relu1")
    nodes.append(helper.make_node("MaxPool", [held], ["pool"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4))
    held, inner = "pool", 64
    for stage, outer in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            stride = 2 if stage > 1 and block == 0 else 1
            name = f"layer{stage}.{block}"
            first = relu(conv(held, inner, outer, 3, stride, f"{name}.a"), f"{name}.r")
            second = conv(first, outer, outer, 3, 1, f"{name}.b")
            short = conv(held, inner, outer, 1, stride, f"{name}.s") if inner != outer else held
            nodes.append(helper.make_node("Add", [second, short], [f"{name}.add"]))
            held, inner = relu(f"{name}.add", name), outer
    nodes.append(helper.make_node("GlobalAveragePool", [held], ["average"]))
    nodes.append(helper.make_node("Flatten", ["average"], ["features"]))
    weights.append(numpy_helper.from_array(random.standard_normal((512, 1000)).astype(np.float32), "fc.w"))
    nodes.append(helper.make_node("MatMul", ["features", "fc.w"], ["logits"]))
    graph = helper.make_graph(
        nodes,
        "resnet18",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 224, 224])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1000])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return ["relu1", "layer2.1", "layer4.1"]


def pictures(folder: Path, count: int, kind: str) -> Path:
    """Write pictures of 224 px with the spectrum of photographs: PNG or JPEG files, or one array of bytes."""
    random = np.random.default_rng(1)
    frequency = np.hypot(np.fft.fftfreq(224)[:, None], np.fft.rfftfreq(224)[None])
    place = folder / "pictures"
    place.mkdir()
    rows = (
        np.lib.format.open_memmap(place / "pictures.npy", "w+", np.uint8, (count, 3, 224, 224))
        if kind == "npy"
        else None
    )
    for number in range(count):
        noise = random.standard_normal((2, 3, *frequency.shape)) / np.maximum(frequency, 1 / 224)
        plane = np.fft.irfft2(noise[0] + 1j * noise[1], s=(224, 224))
        unit = np.clip(0.5 + 0.2 * plane / plane.std(), 0, 1)
        image = (unit * 255).astype(np.uint8)
        if rows is not None:
            rows[number] = image
        else:
            Image.fromarray(np.moveaxis(image, 0, 2)).save(
                place / f"{number:06}.{kind}", **({"quality": 90} if kind == "jpeg" else {})
            )
    return place


def clock() -> tuple[float, float]:
    """Return wall time and processor time."""
    used = os.times()
    return time.perf_counter(), used.user + used.system


def main() -> None:
    """Print the ratios of some rounds, and their median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--files", choices=["png", "jpeg", "npy"], default="png")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--targets", default="")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    given = parser.parse_args()
    request = DataRequest(inputs=InputRequest(value_range=(0.0, 1.0)))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        path = given.model or folder / "resnet18.onnx"
        tensors = given.targets.split(",") if given.model else resnet18(path)
        data = pictures(folder, given.samples, given.files)
        model = onnxviz.load(path)
        feed = prepare_feed(SILENT, model, request, (str(data),))
        texts = [f"{name}[*]" for name in tensors]
        at_once = Forward(feed, tensors).at_once
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4
        bare = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        name = bare.get_inputs()[0].name
        rounds = []
        for number in range(given.rounds):
            spent = np.zeros(2)
            with closing(feed.batches(feed.open(data), at_once, Tally())) as batches:
                for batch in batches:
                    began = clock()
                    bare.run(None, {name: batch.arrays[name]})
                    spent += np.subtract(clock(), began)
            began = clock()
            work = ExemplarPass(SILENT, model, texts)
            with closing(ScoreStore(folder / f"{number}.sqlite")) as store:
                work.run(feed, feed.open(data), store)
                passed = np.subtract(clock(), began)
                rows = work.rows(store, 9)
            whole = np.subtract(clock(), began)
            rounds.append(np.concatenate([passed / spent, whole / spent]))
            print(
                f"{given.samples} {given.files} pictures, {len(rows)} units, batches of {at_once}: bare {spent[0]:.1f} s, "
                f"pass {passed[0]:.1f} s, with choosing {whole[0]:.1f} s; ratios: wall {rounds[-1][0]:.2f}, "
                f"processor {rounds[-1][1]:.2f}; with choosing {rounds[-1][2]:.2f}, {rounds[-1][3]:.2f}",
                flush=True,
            )
    middle = np.median(rounds, axis=0)
    print(f"median: wall {middle[0]:.2f}, processor {middle[1]:.2f}; with choosing {middle[2]:.2f}, {middle[3]:.2f}")


if __name__ == "__main__":
    main()
