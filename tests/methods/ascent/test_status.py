"""The words for the end of an ascent."""

from __future__ import annotations

import json
import pickle

import pytest

from onnxviz.methods.ascent.status import Status


@pytest.mark.parametrize("status", Status)
def test_a_status_is_its_word_wherever_it_is_written(status: Status) -> None:
    assert f"{status}" == str(status) == status.value == status
    assert json.loads(json.dumps(status)) == status.value
    assert pickle.loads(pickle.dumps(status)) is status
    assert status.sentence or status is Status.OK


def test_results_keep_to_four_words() -> None:
    assert {status.reported for status in Status} == {"ok", "not_finite", "no_progress", "interrupted"}
    assert Status.DEAD.reported == "no_progress"
    assert all(type(status.reported) is str for status in Status)
