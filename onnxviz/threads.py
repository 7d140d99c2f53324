"""The threads that compute: how they wait for each other."""

from __future__ import annotations

import os

_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
"""What the libraries of OpenMP (GNU's, LLVM's and Intel's) read once, when they are loaded."""


def wait_without_spinning() -> None:
    """Let the threads of OpenMP sleep while they wait for each other, unless the user's environment says how they wait.

    A thread that spins takes a core from the thread that it waits for, if another process wants the cores as well. The
    variables have no effect once torch is loaded.
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ.update(_WAITING)
