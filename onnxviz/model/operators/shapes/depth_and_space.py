"""DepthToSpace and SpaceToDepth: channels become blocks of pixels, and blocks of pixels become channels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import operator


def _check(mode: str, name: str) -> None:
    if mode not in ("DCR", "CRD"):
        raise EvaluationError(f"{name} has mode {mode!r}; DCR and CRD are known")


@operator("DepthToSpace")
def depth_to_space(input: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """Return the input with channels moved into blocks of pixels (ONNX DepthToSpace 1, 11, 13 and 28).

    Parameters
    ----------
    input : (batch, channel, height, width)
    blocksize : int
        The side of a block. Its square divides the number of channels.
    mode : {"DCR", "CRD"}
        The order of the channels of the deeper tensor: "DCR" counts the channel fastest, "CRD" the position in the block.

    Returns
    -------
    (batch, channel / blocksize², height * blocksize, width * blocksize)

    Raises
    ------
    EvaluationError
        If the mode has another name.
    """
    _check(mode, "DepthToSpace")
    if mode == "CRD":
        return F.pixel_shuffle(input, blocksize)
    batch, channels, height, width = input.shape
    depth = channels // blocksize**2
    blocks = input.reshape(batch, blocksize, blocksize, depth, height, width).permute(0, 3, 4, 1, 5, 2)
    return blocks.reshape(batch, depth, height * blocksize, width * blocksize)


@operator("SpaceToDepth")
def space_to_depth(input: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """Return the input with blocks of pixels moved into channels (ONNX SpaceToDepth 1, 13 and 28).

    Parameters
    ----------
    input : (batch, channel, height, width)
    blocksize : int
        The side of a block. It divides height and width.
    mode : {"DCR", "CRD"}
        The order of the channels of the deeper tensor: "DCR" counts the channel fastest, "CRD" the position in the block.

    Returns
    -------
    (batch, channel * blocksize², height / blocksize, width / blocksize)

    Raises
    ------
    EvaluationError
        If the mode has another name.
    """
    _check(mode, "SpaceToDepth")
    if mode == "CRD":
        return F.pixel_unshuffle(input, blocksize)
    batch, channels, height, width = input.shape
    rows, columns = height // blocksize, width // blocksize
    blocks = input.reshape(batch, channels, rows, blocksize, columns, blocksize).permute(0, 3, 5, 1, 2, 4)
    return blocks.reshape(batch, channels * blocksize**2, rows, columns)
