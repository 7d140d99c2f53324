"""Which device the work is done on."""

from __future__ import annotations

import torch

from onnxviz.errors import UsageError


def choose_device(name: str) -> torch.device:
    """Return the device that a name means.

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
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {name}: no device of that name; take auto, cpu, cuda or cuda:1")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise UsageError(f"--device {name}: this machine has {count} CUDA devices; take --device cpu")
    return device
