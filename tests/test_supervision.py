"""Deaths of the process without an exception end in a sentence; signals reach the worker, and its exit code is the command's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there the command does its work itself")

PROGRAM = """
import os, signal, sys, time
from onnxviz.supervision import supervised
def work():
    print("begun", os.getpid(), flush=True)
    {work}
    return 3
def tell(sentence):
    print(sentence, flush=True)
    return 1
sys.exit(supervised(work, tell))
"""


def program(work: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM.format(work=work)], stdout=subprocess.PIPE, text=True)


def begun(process: subprocess.Popen[str]) -> int:
    """Wait until the work has begun, and return its process."""
    assert process.stdout is not None
    return int(process.stdout.readline().split()[1])


def alive(process: int) -> bool:
    """Whether a process runs: one that has ended is listed until its parent asks for it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("work", ["pass", "sys.exit(3)", "raise SystemExit(3)"])
def test_the_exit_code_is_the_work_s(work: str) -> None:
    process = program(work)
    process.communicate(timeout=30)
    assert process.returncode == 3


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGFPE", "SIGABRT", "SIGBUS", "SIGILL"])
def test_a_fault_is_told_of_in_a_sentence(name: str) -> None:
    process = program(f"os.kill(os.getpid(), signal.{name})")
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"the work died of {name}: it " in said.splitlines()[1]


def test_work_that_the_system_kills_is_told_of() -> None:
    process = program("os.kill(os.getpid(), signal.SIGKILL)")
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "memory runs out" in said


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_sent_to_the_command_reaches_the_work(name: str) -> None:
    number = getattr(signal, name)
    process = program(
        f"signal.signal(signal.{name}, lambda *_: sys.exit(130)); print('ready', flush=True); time.sleep(30)"
    )
    begun(process)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 130


def test_a_signal_that_ends_the_work_ends_the_command_alike() -> None:
    process = program("time.sleep(30)")
    begun(process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM


def test_the_work_ends_with_a_command_that_is_killed() -> None:
    process = program("time.sleep(30)")
    child = begun(process)
    assert child != process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    ends = time.monotonic() + 10
    while alive(child) and time.monotonic() < ends:
        time.sleep(0.01)
    assert not alive(child)


def test_the_command_line_is_supervised() -> None:
    code = "import os, onnxviz.cli as cli; cli.run = lambda words: os.kill(os.getpid(), 11); cli.main(['inspect', 'x'])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith("onnxviz: the work died of SIGSEGV")
    assert len(ended.stderr.splitlines()) == 1
