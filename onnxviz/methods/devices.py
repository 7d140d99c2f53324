"""The device that computes, and the precision that it computes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from onnxviz.errors import UsageError


def choose_device(name: str) -> torch.device:
    """Return the device of a name, and make a GPU compute in full float32.

    By default torch rounds the inputs of convolutions to TF32, which has ten bits of mantissa. That is too coarse for numbers that
    are compared with ONNX Runtime's.

    Parameters
    ----------
    name : str
        "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:1".

    Raises
    ------
    UsageError
        If the machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UsageError(f"`device` {name}: no device of that name; take auto, cpu, cuda or cuda:1")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise UsageError(f"`device` {name}: this machine has {count} CUDA devices; take `device` cpu")
        torch.backends.cudnn.allow_tf32 = False
    return device


@contextmanager
def tensor_cores(device: torch.device) -> Iterator[None]:
    """Let a GPU's convolutions and matrix products round their inputs to TF32, within the block.

    An ascent runs so, since it is faster. Values are still stored and summed in float32, and the input that was found is scored again
    in full precision.
    """
    with _rounding(device.type == "cuda"):
        yield


@contextmanager
def full_precision() -> Iterator[None]:
    """Make a GPU compute in full float32 within the block, so that a sample gives nearly the same numbers in any batch."""
    with _rounding(False):
        yield


@contextmanager
def _rounding(allowed: bool) -> Iterator[None]:
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    held = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = allowed
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = held
