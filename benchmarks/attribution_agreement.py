"""Attribution through an ONNX file beside captum on the same network written in torch: differences as shares of the largest value.

Usage: python benchmarks/attribution_agreement.py [NAME ...]; needs the `bench` extra with a torchvision that fits the installed torch.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from captum.attr import GuidedBackprop, InputXGradient, IntegratedGradients, LayerGradCam, Occlusion, Saliency
from network_speed import export

import onnxviz
from onnxviz.cli import run
from onnxviz.methods.attribution import gradients, guided
from onnxviz.methods.attribution.grad_cam import channel_map
from onnxviz.methods.attribution.occlusion import occlusion
from onnxviz.methods.attribution.places import Places
from onnxviz.methods.attribution.scores import Scores, through_arrays
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.target import Target

# The last tensor with places before the head, in torch's words and by its place among the convolutions' readers.
LAYERS = {"resnet18": "layer4", "mobilenet_v2": "features", "alexnet": "features"}


class RectifierToSix(torch.nn.ReLU):
    """ReLU6, as captum's guided backpropagation looks for it: a kind of ReLU."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Clip."""
        return values.clamp(0, 6)


def last_places(model: onnxviz.Model) -> str:
    """Return the last tensor that the pooling before the head reads."""
    pool = next(node for node in reversed(model.nodes) if "Pool" in node.op_type or node.op_type == "ReduceMean")
    return str(pool.input[0])


def compare(name: str, folder: Path) -> dict[str, float]:
    """Return for each method the largest difference over captum's largest value."""
    module, path = export(name, folder)
    _prepare(module)
    model = onnxviz.load(path)
    generator = torch.Generator().manual_seed(1)
    x, zero = torch.randn(1, 3, 224, 224, generator=generator), torch.zeros(1, 3, 224, 224)
    best = int(module(x).argmax())
    aim = Objective.of(Target("output", (best,)))
    network = model.network(["output"])
    score = Scores(network, aim, ["input"], [x], {}, at_once=16)
    leaf = x.clone().requires_grad_()
    layer = last_places(model)
    upper = model.network(["output"], [layer])
    activation = torch.as_tensor(model.session([layer])({"input": x.numpy()})[layer])
    measured = Scores(through_arrays(model.session(["output"])), aim, ["input"], [x], {}, at_once=16)
    places = Places((3, 224, 224), ("channel", "height", "width"))

    pairs = {
        "gradient": (gradients.gradient(score, [x]).values[0], Saliency(module).attribute(leaf, best, abs=False)),
        "input-x-gradient": (
            gradients.input_times_gradient(score, [x], [zero]).values[0],
            InputXGradient(module).attribute(leaf, best),
        ),
        "integrated-gradients, 32 steps": (
            gradients.integrated_gradients(score, [x], [zero], 1.0, 16, steps=32).values[0],
            IntegratedGradients(module).attribute(leaf, zero, best, n_steps=32, internal_batch_size=16),
        ),
        "guided-backprop": (
            guided.guided_backpropagation(score.running(network.replacing(guided.GUIDED)), [x]).values[0],
            GuidedBackprop(module).attribute(leaf, best),
        ),
        "grad-cam": (
            channel_map(Scores(upper, aim, [layer], [activation], {}), activation).numpy(),
            LayerGradCam(module, getattr(module, LAYERS[name])).attribute(x, best, relu_attributions=True)[0],
        ),
        "occlusion": (
            np.repeat(occlusion(measured, [x], [zero], [places], 16, 56).values[0], 3, axis=0),
            Occlusion(module).attribute(x, (3, 56, 56), (3, 28, 28), zero, best, perturbations_per_eval=16),
        ),
    }
    return {method: _difference(ours, theirs.detach().numpy()[0]) for method, (ours, theirs) in pairs.items()} | {
        "completeness gap of the default, by ONNX Runtime": _gap(path, x, best, folder)
    }


def _prepare(module: torch.nn.Module) -> None:
    """Make a network fit for captum's hooks: they miss ReLU6, and need the values that an in-place rectifier overwrites."""
    for part in list(module.modules()):
        for name, child in part.named_children():
            if isinstance(child, torch.nn.ReLU6):
                setattr(part, name, RectifierToSix())
        if hasattr(part, "inplace"):
            part.inplace = False


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def _gap(path: Path, x: torch.Tensor, best: int, folder: Path) -> float:
    np.save(folder / "x.npy", x.numpy())
    words = ["-q", "attribute", str(path), str(folder / "x.npy"), "-t", f"output[{best}]", "--baseline", "zero"]
    out = folder / path.stem
    with contextlib.redirect_stdout(io.StringIO()):
        if run([*words, "-o", str(out)]):
            raise SystemExit(1)
    row = json.loads((out / "result.json").read_text("utf-8"))["runs"][0]
    return float(row["methods"][0]["completeness"]["gap"])


def main(names: tuple[str, ...]) -> None:
    """Print a line for each network and method."""
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            for method, difference in compare(name, Path(folder)).items():
                print(f"{name}: {method}: {difference:.1e}", flush=True)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or tuple(LAYERS))
