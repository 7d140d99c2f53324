"""SIGTERM in the process of the tests: the exception, how often it is raised, and the handler afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from onnxviz.commands import termination
from onnxviz.commands.termination import Termination

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing sends SIGTERM there")


@pytest.fixture
def handler():
    """A handler of whoever calls the command line."""

    def theirs(number, frame):
        raise AssertionError("is not to be called")

    before = signal.signal(signal.SIGTERM, theirs)
    yield theirs
    signal.signal(signal.SIGTERM, before)


def test_the_handler_of_the_caller_is_back_afterwards(handler) -> None:
    with Termination() as ended:
        assert signal.getsignal(signal.SIGTERM) != handler
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert ended.came
    assert signal.getsignal(signal.SIGTERM) is handler


def test_without_a_signal_nothing_has_come(handler) -> None:
    with Termination() as ended:
        pass
    assert not ended.came
    assert signal.getsignal(signal.SIGTERM) is handler


def test_one_more_soon_after_breaks_nothing_off_and_a_late_one_does(handler, monkeypatch) -> None:
    with Termination():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        now = time.monotonic()
        monkeypatch.setattr(termination.time, "monotonic", lambda: now + 31)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)


def test_in_another_thread_nothing_is_changed(handler, cli, samples) -> None:
    codes = []

    def call() -> None:
        with Termination() as ended:
            assert signal.getsignal(signal.SIGTERM) is handler
        assert not ended.came
        codes.append(cli("inspect", samples / "wine.onnx").code)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert codes == [0]
    assert signal.getsignal(signal.SIGTERM) is handler


def test_where_sigterm_is_ignored_it_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Termination() as ended:
            signal.raise_signal(signal.SIGTERM)
        assert not ended.came
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_library_touches_no_handler() -> None:
    program = (
        "import signal; before = {one: signal.getsignal(one) for one in signal.valid_signals()}\n"
        "import onnxviz, onnxviz.cli, onnxviz.methods.ascent.search; onnxviz.load\n"
        "assert before == {one: signal.getsignal(one) for one in signal.valid_signals()}"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
