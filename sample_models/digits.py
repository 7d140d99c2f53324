"""Handwritten digits: a convolutional classifier for 8 x 8 pictures with values from 0 to 16."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from accuracy import accuracy, run
from graph import Graph, write
from samples import write_picture
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from training import fit, parameter_arrays

METADATA: dict[str, Any] = {
    "Image.BitmapPixelFormat": "Gray8",
    "input_range": [0, 16],
    "class_names": [str(digit) for digit in range(10)],
    "training_data": "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI, CC BY 4.0",
    "license": "Apache-2.0",
}


def split() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return training pictures, held-out pictures, (sample, 1, 8, 8) float32 in 0..16, and the labels of both."""
    pictures, labels = load_digits(return_X_y=True)
    pictures = pictures.reshape(-1, 1, 8, 8).astype(np.float32)
    return tuple(train_test_split(pictures, labels, test_size=0.2, stratify=labels, random_state=0))


def shifted(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Move each picture by up to one pixel either way; what leaves on one side is lost, the other side fills with 0."""
    padded = nn.functional.pad(pictures, (1, 1, 1, 1))
    y, x = torch.randint(0, 3, (2, len(pictures)), generator=generator)
    return torch.stack([p[:, i : i + 8, j : j + 8] for p, i, j in zip(padded, y.tolist(), x.tolist(), strict=True)])


@functools.cache
def model() -> onnx.ModelProto:
    """Train the classifier and return it as a model; the second call returns the first one's."""
    pictures, _, labels, _ = split()
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 10),
    )
    fit(network, pictures / 16, labels, epochs=30, batch=32, rate=3e-3, decay=1e-2, augment=shifted)

    graph = Graph("digits", "Tells handwritten digits of 8 x 8 pixels apart.")
    graph.input(
        "image",
        ["batch", 1, 8, 8],
        "a gray picture, 0 is paper and 16 is ink",
        denotation="IMAGE",
        axes=["DATA_BATCH", "DATA_CHANNEL", "DATA_FEATURE", "DATA_FEATURE"],
    )
    graph.node("Div", ["image", graph.weight("ink", np.float32(16))], "scaled")
    graph.convolution("scaled", "conv1", *parameter_arrays(network[0]), pads=[2, 2, 2, 2])
    graph.node("Relu", ["conv1"], "relu1")
    graph.convolution("relu1", "conv2", *parameter_arrays(network[2]), pads=[1, 1, 1, 1])
    graph.node("Relu", ["conv2"], "relu2")
    graph.node("MaxPool", ["relu2"], "pool2", kernel_shape=[2, 2], strides=[2, 2])
    graph.convolution("pool2", "conv3", *parameter_arrays(network[5]), pads=[1, 1, 1, 1])
    graph.node("Relu", ["conv3"], "relu3")
    graph.node("Flatten", ["relu3"], "features")
    graph.linear("features", "logits", *parameter_arrays(network[8]))
    graph.node("Softmax", ["logits"], "probabilities", axis=1)
    graph.output("logits", ["batch", 10])
    graph.output("probabilities", ["batch", 10])
    return graph.model()


def build(folder: Path) -> str:
    """Write digits.onnx, one seven and all held-out digits; return the accuracy."""
    _, pictures, _, labels = split()
    score = accuracy(model(), pictures, labels)
    write(model(), folder, {**METADATA, "test_accuracy": score})
    right = run(model(), pictures, "logits").argmax(axis=1) == labels
    seven = pictures[np.flatnonzero(right & (labels == 7))[0]]
    np.save(folder / "digits_seven.npy", seven[None])
    write_picture(folder / "digits_seven.png", np.rint(seven[0] * 255 / 16).astype(np.uint8))
    np.save(folder / "digits_held_out.npy", pictures)
    return score
