"""Trains and writes the sample models and the inputs beside them.

On the same machine and with the same versions every file comes out the same, bit for bit.

    python sample_models/build.py [--output DIR] [NAME...]

Needs the `samples` extra; downloads nothing.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import platform
import sys
import time
from pathlib import Path

NAMES = ("edge_filter", "digits", "digits_int8", "photo_patches", "wine", "tones", "forest")
LIBRARIES = ("numpy", "scikit-learn", "scikit-image", "torch", "onnx", "onnxruntime", "pillow")


def main() -> None:
    """Build the models named on the command line, all by default, and print how each one fares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="the folder to write to")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in NAMES]:
        parser.error(f"{unknown[0]}: no sample model of that name. There are {', '.join(NAMES)}")
    arguments.output.mkdir(parents=True, exist_ok=True)

    use_one_core()
    versions = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    print(f"Python {platform.python_version()}, {versions}; {platform.machine()}", file=sys.stderr)
    for name in arguments.names or NAMES:
        start = time.perf_counter()
        report = importlib.import_module(name).build(arguments.output)
        print(f"{name}: {report}", flush=True)
        print(f"  in {time.perf_counter() - start:.0f} s", file=sys.stderr)


def version(library: str) -> str:
    """Return an installed library's version; not every model needs all of them."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def use_one_core() -> None:
    """Make numpy and torch compute in one fixed order; must come before either is imported."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


if __name__ == "__main__":
    main()
