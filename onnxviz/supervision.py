"""A death that no exception tells of, turned into a sentence: the command's work is done by a child, and this process waits for it.

A model is untrusted, and the C++ of onnx, ONNX Runtime and torch that reads it can be killed by it, in ways that no check foresees. On
Linux the command forks before it has imported anything large, which takes about a millisecond. Elsewhere it does its work itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable

_PASSED_ON = frozenset(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTSTP", "SIGCONT")
    if hasattr(signal, name)
)
"""Signals that are meant for the work."""

_FAULTS = {
    getattr(signal, name): words
    for name, words in (
        ("SIGSEGV", "it read memory that is not there"),
        ("SIGBUS", "it read memory that is not there"),
        ("SIGFPE", "it divided by zero"),
        ("SIGABRT", "it gave up"),
        ("SIGILL", "it met an instruction that this processor does not know"),
    )
    if hasattr(signal, name)
}

_DIES_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of <sys/prctl.h>."""


def supervised(work: Callable[[], int], tell: Callable[[str], int]) -> int:
    """Do some work in a child process, and return its exit code.

    Parameters
    ----------
    work : callable
        The command's work; returns an exit code.
    tell : callable
        Says a sentence about a death by a fault, and returns the exit code for it.

    Returns
    -------
    int
        What `work` or `tell` returned.

    Notes
    -----
    What is sent to this process is passed on to the child, but for what the terminal sends to both. A child that ends by a signal that
    is no fault ends this process by the same one.
    """
    if not sys.platform.startswith("linux"):
        return work()
    watched = _PASSED_ON | {signal.SIGCHLD}
    # Held from before the fork: a signal that comes at once is not lost.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        parent = os.getpid()
        child = os.fork()
    except OSError:  # no process is left for a child
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return work()
    if not child:
        _end_with(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return work()
    status = _wait(child, watched)
    signal.pthread_sigmask(signal.SIG_SETMASK, held)
    if os.WIFEXITED(status):
        return os.WEXITSTATUS(status)
    ended = os.WTERMSIG(status)
    if ended in _FAULTS:
        return tell(
            f"the work died of {signal.Signals(ended).name}: {_FAULTS[ended]}; the file is damaged or made to do harm, "
            "or a library has a fault ('onnxviz -v …' shows where)"
        )
    if ended == signal.SIGKILL:
        return tell(
            "the work was killed, as the system does when memory runs out: aim at fewer tensors or a smaller input"
        )
    signal.signal(ended, signal.SIG_DFL)
    os.kill(parent, ended)
    return 128 + ended


def _wait(child: int, watched: frozenset[signal.Signals]) -> int:
    """Return a child's status once it has ended, having passed on what came meanwhile."""
    while True:
        came = signal.sigwaitinfo(watched)
        if came.si_signo != signal.SIGCHLD:
            if came.si_code <= 0:  # sent by a process: the terminal has sent its own to the child as well
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, came.si_signo)
            elif came.si_signo == signal.SIGTSTP:
                os.kill(os.getpid(), signal.SIGSTOP)  # as the child does, until both go on
            continue
        process, status = os.waitpid(child, os.WNOHANG)
        if process:
            return status


def _end_with(parent: int) -> None:
    """Let this process end when its parent does: a killed command leaves no work behind."""
    import ctypes

    ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already
        os.kill(os.getpid(), signal.SIGKILL)
