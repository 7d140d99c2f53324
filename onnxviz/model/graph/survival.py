"""Forked work: onnx's C++ on an untrusted graph. The program survives crashes, endless loops and too much memory.

A check cannot find everything that crashes C++: a size of -5, an axis of 2**63 - 1, or a list as long as a declared
size ended the process in onnx's shape inference. On Linux a forked copy of the process does the work and returns bytes.
A fork takes 3 ms when `inspect` begins, 20 ms once torch is loaded. On other systems forks are missing or not safe: the
work is done in place.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from onnxviz.errors import ModelError

_MEMORY = 2 << 30
"""Bytes that the work may take in addition to those of the process."""

_STILL = 5.0
"""Seconds between two checks of a silent copy. A copy that sleeps all this time is stuck."""

_DONE, _REFUSED = b"+", b"-"


def survive(work: Callable[[], bytes], what: str, seconds: float = 20) -> bytes:
    """Return the bytes that some work returns; refuse the model if the work crashes.

    Parameters
    ----------
    work : callable
        Returns bytes. It runs in a copy of the process: all its other changes are lost.
    what : str
        Name of the work for messages: "onnx's shape inference".
    seconds : float
        Processor time that the work may take.

    Raises
    ------
    ModelError
        If the work crashes, takes too long or too much memory, or raises a ModelError itself.
    """
    if not sys.platform.startswith("linux"):
        return work()
    reading, writing = os.pipe()
    collecting = gc.isenabled()
    try:
        # If the copy collected a session of ONNX Runtime, it would wait for threads that the copy does not have.
        gc.disable()
        with warnings.catch_warnings():
            # Python warns of forks beside threads; the copy uses nothing that another thread could have locked.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if not process:
            _work_and_leave(work, writing, seconds)
    except OSError:  # no process or no memory is left for a copy
        os.close(reading)
        os.close(writing)
        return work()
    finally:
        if collecting:
            gc.enable()
    os.close(writing)
    answer, status, stuck = b"", -1, False
    try:
        answer, stuck = _read(reading, process)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)  # the copy has answered, or never will
        with contextlib.suppress(ChildProcessError):  # other code has waited for it
            status = os.waitpid(process, 0)[1]
    if answer[:1] == _DONE:
        return answer[1:]
    if answer[:1] == _REFUSED:
        raise ModelError(answer[1:].decode("utf-8", "replace"))
    if stuck:
        return work()  # the work waits for a thread that the copy does not have
    raise ModelError(f"{what} {_end(status, seconds)} on it; the file is damaged or malicious")


def _work_and_leave(work: Callable[[], bytes], writing: int, seconds: float) -> None:
    """Do the work in the copy, then exit at once, without Python's cleanup."""
    import resource  # missing on some systems

    try:
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        limit = round(seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        held = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        wanted = held + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))
        try:
            answer = _DONE + work()
        except ModelError as error:
            answer = _REFUSED + str(error).encode("utf-8", "replace")
        except MemoryError:
            os._exit(_HUNGRY)
        rest = memoryview(answer)
        while rest:
            rest = rest[os.write(writing, rest) :]
    finally:
        os._exit(0)


_HUNGRY = 77
"""Exit code of a copy that ran out of memory."""


def _read(reading: int, process: int) -> tuple[bytes, bool]:
    """Return the bytes that a copy writes until it ends, and whether it sleeps forever; the CPU limit ends loops."""
    parts: list[bytes] = []
    before = ""
    while True:
        if select.select([reading], [], [], _STILL)[0]:
            part = os.read(reading, 1 << 20)
            if not part:
                return b"".join(parts), False
            parts.append(part)
            continue
        state, spent = _activity(process)
        if state == "S" and spent == before:
            return b"", True
        before = spent if state == "S" else ""


def _activity(process: int) -> tuple[str, str]:
    """Return whether a process runs or sleeps (Linux's letter), and the processor time that it has taken."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:  # the process has ended, which the pipe shows at once
        return "", ""
    return fields[0], " ".join(fields[11:13])


def _end(status: int, seconds: float) -> str:
    """Return how a copy ended, for a message."""
    if status >= 0 and os.WIFEXITED(status) and os.WEXITSTATUS(status) == _HUNGRY:
        return f"takes more than {_MEMORY >> 30} GiB of memory"
    if status >= 0 and os.WIFSIGNALED(status) and os.WTERMSIG(status) not in (signal.SIGXCPU, signal.SIGKILL):
        return f"crashes ({signal.Signals(os.WTERMSIG(status)).name})"
    return f"takes more than {seconds:.0f} s"
