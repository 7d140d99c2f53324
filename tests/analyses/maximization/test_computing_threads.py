"""The number of threads of a search: kept with its results, and used again where they are resumed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import onnxviz


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_resumed_results_are_computed_with_the_threads_that_they_were_begun_with(samples, tmp_path, threads) -> None:
    folder, targets = tmp_path / "out", ["conv1[0]", "conv1[1]"]
    threads(2)
    whole = onnxviz.maximize(samples / "digits.onnx", targets, output=folder, steps=4)
    assert whole.document()["threads"] == 2
    assert json.loads((folder / "settings.json").read_text())["settings"]["threads"] == 2
    kept = [Path(one.files[0]).with_name("arrays.npz").read_bytes() for one in whole]
    for file in Path(whole[1].files[0]).parent.iterdir():
        file.unlink()
    Path(whole[1].files[0]).parent.rmdir()
    threads(1)
    again = onnxviz.maximize(samples / "digits.onnx", targets, output=folder, resume=True, steps=4)
    assert again.document()["threads"] == 2
    assert torch.get_num_threads() == 1
    assert [Path(one.files[0]).with_name("arrays.npz").read_bytes() for one in again] == kept


def test_a_search_without_a_folder_computes_with_the_threads_of_torch(samples, threads) -> None:
    threads(2)
    one = onnxviz.maximize(samples / "digits.onnx", ["conv1[0]"], steps=4)
    threads(1)
    other = onnxviz.maximize(samples / "digits.onnx", ["conv1[0]"], steps=4)
    assert [one.document()["threads"], other.document()["threads"]] == [2, 1]
    np.testing.assert_allclose(one[0].input, other[0].input, atol=1e-3)
