"""Results by address: they come back unchanged, and only a digest is an address."""

from __future__ import annotations

import pytest

from onnxviz.errors import DataError
from onnxviz.formats.result_store import ResultStore

KEY = "0f" * 32


def test_what_is_put_is_what_is_got(tmp_path) -> None:
    store = ResultStore(tmp_path / "results")
    assert store.get(KEY) is None
    assert not store.has(KEY)
    store.put(KEY, {"rows": [1.5, None, "x"]})
    assert store.has(KEY)
    assert ResultStore(tmp_path / "results").get(KEY) == {"rows": [1.5, None, "x"]}
    assert [file.name for file in (tmp_path / "results").iterdir()] == [f"{KEY}.json"]


@pytest.mark.parametrize("key", ["", "../x", "0F" * 32, "0f" * 31, "0f" * 32 + "/"])
def test_an_address_is_a_digest(tmp_path, key: str) -> None:
    with pytest.raises(DataError, match="address"):
        ResultStore(tmp_path).put(key, {})
