"""Which device the work is done on, and how exactly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from onnxviz.errors import UsageError


def choose_device(name: str) -> torch.device:
    """Return the device that a name means; from then on a GPU computes in float32 throughout.

    Torch rounds what a convolution reads to TF32, ten bits of mantissa, unless told otherwise: numbers that are held
    against ONNX Runtime's must not be.

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
    """Let a GPU's convolutions and products round what they read to TF32 while an ascent looks for its way.

    Values are stored and summed in float32 as ever. What was found is scored again without.
    """
    with _rounding(device.type == "cuda"):
        yield


@contextmanager
def full_precision() -> Iterator[None]:
    """Have a GPU compute in float32 throughout, so that equal samples give equal numbers in any batch, but for the last bits."""
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
