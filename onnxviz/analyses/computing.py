"""The number of threads that compute an analysis: another number may round sums differently."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxviz.analyses.output import Output


@contextmanager
def computing(threads: int) -> Iterator[None]:
    """Let torch, and sessions of ONNX Runtime that are made inside the block, compute with a number of threads."""
    import torch

    from onnxviz.model.session import session_threads

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with session_threads(threads):
            yield
    finally:
        torch.set_num_threads(before)


def threads_for(place: Output) -> int:
    """Return the number of threads that results were begun with, where a folder is resumed; else the number that torch uses."""
    import torch

    recorded = place.recorded.get("threads")
    return recorded if isinstance(recorded, int) and recorded > 0 else torch.get_num_threads()
