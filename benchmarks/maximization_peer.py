"""The peer's side of `maximization_speed.py`: torch-lucent on the same weights, written in plain torch.

The peer wants a live torch module. The one here is the front of a SqueezeNet 1.1, filled with the weights of the ONNX
file; `maximization_speed.py` holds it against ONNX Runtime before it trusts it.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn


class Fire(nn.Module):
    """Squeeze, then expand in two ways side by side (Iandola et al. 2016)."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run it."""
        x = torch.relu(self.squeeze1x1(x))
        return torch.cat([torch.relu(self.expand1x1(x)), torch.relu(self.expand3x3(x))], 1)


class Front(nn.Module):
    """SqueezeNet 1.1 up to its third pool, from RGB pixels in 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2)
        self.pool1 = nn.MaxPool2d(3, 2)
        self.fire2, self.fire3 = Fire(64, 16, 64), Fire(128, 16, 64)
        self.pool3 = nn.MaxPool2d(3, 2)
        self.fire4, self.fire5 = Fire(128, 32, 128), Fire(256, 32, 128)
        self.pool5 = nn.MaxPool2d(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run it; the file wants BGR in 0 to 255."""
        x = self.pool1(torch.relu(self.conv1(x.flip(1) * 255)))
        x = self.pool3(self.fire3(self.fire2(x)))
        return self.pool5(self.fire5(self.fire4(x)))

    @classmethod
    def read(cls, path: Path) -> Front:
        """Fill one with the weights of an ONNX file."""
        front = cls().eval()
        weights = {item.name: numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer}
        with torch.no_grad():
            for name, parameter in front.named_parameters():
                *module, kind = name.split(".")
                parameter.copy_(torch.tensor(weights["/".join(module) + f"_{kind[0]}_0"].astype(np.float32)))
                parameter.requires_grad_(False)
        return front


def render(front: Front, unit: int, steps: int = 512, size: int = 224) -> tuple[np.ndarray, float]:
    """Let the peer render one unit with its own defaults; return (3, height, width) RGB in 0 to 1, and the seconds."""
    from lucent.optvis import param, transform
    from lucent.optvis.render import render_vis

    np.random.seed(unit)  # noqa: NPY002 # the peer draws from numpy's global generator
    torch.manual_seed(unit)
    began = time.perf_counter()
    pictures = render_vis(
        front,
        f"pool5:{unit}",
        param_f=lambda: param.image(size),
        transforms=transform.standard_transforms,
        thresholds=(steps,),
        preprocess=False,
        progress=False,
        show_image=False,
    )
    seconds = time.perf_counter() - began
    return np.moveaxis(pictures[0][0], -1, 0), seconds
