"""Processes that run at once: copies of a process that has imported the program and computed nothing.

Starting Python and importing the program takes seconds of processor time; a copy takes milliseconds. In all else a copy
is a process like any other: it has its own group, its own signals, and ends with its own exit code.
"""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import signal
import subprocess
import sys
from pathlib import Path

import onnxviz


def _run(program: str, words: list[str], out: Path, err: Path) -> None:
    """Run a program inside the copy; its exit code is that of the process."""
    os.setsid()
    for number, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    # Where a shell has put the tests into the background, it had SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["onnxviz", *words]
    exec(compile(program, "program", "exec"), {"__name__": "__main__"})


class CopiedProcess:
    """A running program with the methods of `subprocess.Popen` that the tests use."""

    def __init__(self, program: str, words: list[str], folder: Path) -> None:
        self._out, self._err = folder / "stdout", folder / "stderr"
        context = multiprocessing.get_context("forkserver")
        found = pkgutil.walk_packages(onnxviz.__path__, "onnxviz.")
        context.set_forkserver_preload([module.name for module in found if not module.name.endswith("__main__")])
        self._process = context.Process(target=_run, args=(program, words, self._out, self._err), daemon=True)
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end, and return what was written to stdout and stderr."""
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired("onnxviz", timeout or 0)
        return self._out.read_text("utf-8"), self._err.read_text("utf-8")
