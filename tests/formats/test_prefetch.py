"""Work done ahead: in order, bounded, and stopped when the reader stops."""

from __future__ import annotations

import threading
import time

import pytest

from onnxviz.formats.prefetch import prefetch


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("ahead", [1, 2, 50])
def test_results_come_in_the_order_of_the_items(threads, ahead) -> None:
    def slow(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    assert list(prefetch(slow, range(20), threads, ahead)) == [item * item for item in range(20)]


def test_no_more_is_taken_than_is_allowed_to_wait() -> None:
    taken = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    results = prefetch(abs, items(), 2, 4)
    for used in range(10):
        next(results)
        assert len(taken) <= used + 4
    results.close()
    assert len(taken) <= 14


def test_an_error_is_raised_where_its_result_would_be() -> None:
    results = prefetch(lambda item: 1 // item, [1, 1, 0, 1], 2, 4)
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_no_thread_is_left_behind() -> None:
    results = prefetch(abs, range(1000), 3, 6)
    next(results)
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]
