"""Photographs: a color network that tells from a patch which of seven photographs it was cut from.

Its first layer starts as the independent components of the same photographs and is trained on with the rest, so that it
shows what the first layer of an ImageNet network shows: edges, gratings and opponent colors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from accuracy import accuracy, run
from graph import Graph, write
from kernels import independent_kernels
from photographs import CLASS_NAMES, blocks, patches, photographs
from samples import write_picture
from torch import nn
from training import fit, parameter_arrays

SIDE = 64
KERNEL_SIDE = 11
KERNELS = 64


def draw(size: int, count: int, rng: np.random.Generator, *, held_out: bool) -> tuple[np.ndarray, np.ndarray]:
    """Draw `count` patches of every photograph: (sample, 3, size, size) uint8 and the (sample,) labels."""
    drawn = [patches(blocks(picture, held_out=held_out), size, count, rng) for picture in photographs().values()]
    return np.concatenate(drawn), np.repeat(np.arange(len(CLASS_NAMES)), count)


def trained() -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """Return the network and the (1, 3, 1, 1) mean and standard deviation that its input is normalized with."""
    rng = np.random.default_rng(0)
    small, _ = draw(KERNEL_SIDE, 4000, rng, held_out=False)
    mean = np.rint(small.mean(axis=(0, 2, 3), keepdims=True)).astype(np.float32)
    deviation = np.rint(small.std(axis=(0, 2, 3), keepdims=True)).astype(np.float32)
    kernels = independent_kernels((small - mean.astype(np.float64)) / deviation, KERNELS, window=5)

    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, KERNELS, KERNEL_SIDE, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(KERNELS, 48, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(48, 64, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.4),
        nn.Linear(64, len(CLASS_NAMES)),
    )
    with torch.no_grad():
        network[0].weight.copy_(torch.from_numpy(kernels))
        network[0].bias.zero_()
    large, labels = draw(SIDE, 300, rng, held_out=False)
    fit(network, (large - mean) / deviation, labels, epochs=6, batch=32, rate=2e-3)
    return network, mean, deviation


def build(folder: Path) -> str:
    """Write photo_patches.onnx and held-out patches, four of every photograph; return the accuracy."""
    network, mean, deviation = trained()
    graph = Graph("photo_patches", "Tells which of seven photographs a patch of 64 x 64 pixels comes from.")
    graph.input(
        "image",
        ["batch", 3, SIDE, SIDE],
        "an RGB picture in sRGB, 0 is dark and 255 is bright",
        denotation="IMAGE",
        axes=["DATA_BATCH", "DATA_CHANNEL", "DATA_FEATURE", "DATA_FEATURE"],
    )
    graph.node("Sub", ["image", graph.weight("mean", mean)], "centered")
    graph.node("Div", ["centered", graph.weight("deviation", deviation)], "normalized")
    graph.convolution("normalized", "conv1", *parameter_arrays(network[0]), strides=[2, 2])
    graph.node("Relu", ["conv1"], "relu1")
    graph.node("MaxPool", ["relu1"], "pool1", kernel_shape=[3, 3], strides=[2, 2])
    graph.convolution("pool1", "conv2", *parameter_arrays(network[3]), pads=[1, 1, 1, 1])
    graph.node("Relu", ["conv2"], "relu2")
    graph.node("MaxPool", ["relu2"], "pool2", kernel_shape=[2, 2], strides=[2, 2])
    graph.convolution("pool2", "conv3", *parameter_arrays(network[6]), pads=[1, 1, 1, 1])
    graph.node("Relu", ["conv3"], "relu3")
    graph.node("GlobalAveragePool", ["relu3"], "average")
    graph.node("Flatten", ["average"], "features")
    graph.linear("features", "logits", *parameter_arrays(network[11]))
    graph.node("Softmax", ["logits"], "probabilities", axis=1)
    graph.output("logits", ["batch", len(CLASS_NAMES)])
    graph.output("probabilities", ["batch", len(CLASS_NAMES)])

    model = graph.model()
    test, labels = draw(SIDE, 100, np.random.default_rng(1), held_out=True)
    score = accuracy(model, test, labels)
    metadata = {
        "Image.BitmapPixelFormat": "Rgb8",
        "Image.ColorSpaceGamma": "SRGB",
        "Image.NominalPixelRange": "NominalRange_0_255",
        "input_range": [0, 255],
        "class_names": CLASS_NAMES,
        "training_data": "seven photographs of scikit-image, public domain or CC0",
        "test_accuracy": score,
        "license": "Apache-2.0",
    }
    write(model, folder, metadata)
    right = run(model, test, "logits").argmax(axis=1) == labels
    cat = np.flatnonzero(right & (labels == CLASS_NAMES.index("cat")))[0]
    write_picture(folder / "photo_patches_cat.png", test[cat].transpose(1, 2, 0))
    album = folder / "photo_patches_held_out"
    album.mkdir(exist_ok=True)
    for index, name in enumerate(CLASS_NAMES):
        for number, patch in enumerate(test[labels == index][:4]):
            write_picture(album / f"{name}_{number}.png", patch.transpose(1, 2, 0))
    return score
