"""A gray Laplacian as a model of one convolution: the smallest thing that onnxviz can look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from graph import Graph, write
from photographs import shrink
from samples import write_picture
from skimage import data

KERNEL = np.array([[[[0, 1, 0], [1, -4, 1], [0, 1, 0]]]])


def build(folder: Path) -> str:
    """Write edge_filter.onnx and a gray photograph; return a line about them."""
    graph = Graph("edge_filter", "The discrete Laplacian of a gray picture, one pixel smaller on every side.")
    graph.input(
        "image",
        ["batch", 1, "height", "width"],
        "a gray picture of any size, 0 is black and 1 is white",
        denotation="IMAGE",
        axes=["DATA_BATCH", "DATA_CHANNEL", "DATA_FEATURE", "DATA_FEATURE"],
    )
    # Without padding: a border of zeros would be an edge of its own, even around a constant picture.
    graph.convolution("image", "edges", KERNEL, [0])
    graph.output("edges", ["batch", 1, "edge_height", "edge_width"])
    metadata = {
        "Image.BitmapPixelFormat": "Gray8",
        "Image.ColorSpaceGamma": "SRGB",
        "Image.NominalPixelRange": "Normalized_0_1",
        "input_range": [0, 1],
        "license": "Apache-2.0",
    }
    write(graph.model(), folder, metadata)
    write_picture(folder / "edge_filter_camera.png", shrink(data.camera(), 2))
    return "nothing is learned"
