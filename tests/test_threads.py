"""The waiting of threads: set before torch is loaded, unless the user's environment says how they wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
SHOW = f"import json, os, onnxviz; print(json.dumps({{name: os.environ.get(name) for name in {NAMES}}}))"


def _seen(**given: str) -> dict[str, str | None]:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES} | given
    done = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_threads_sleep_while_they_wait() -> None:
    assert _seen() == {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


@pytest.mark.parametrize("name", NAMES)
def test_what_the_user_says_of_their_waiting_stays(name: str) -> None:
    assert _seen(**{name: "1"}) == {other: "1" if other == name else None for other in NAMES}


def test_openmp_hears_of_it_before_torch_is_loaded() -> None:
    script = "import onnxviz, sys; assert 'torch' not in sys.modules; import torch"
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    environment["OMP_DISPLAY_ENV"] = "true"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    if "OMP_WAIT_POLICY" not in done.stderr:
        pytest.skip("this OpenMP does not show its settings")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr
