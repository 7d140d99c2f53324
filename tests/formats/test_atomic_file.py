"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat

import pytest

from onnxviz.errors import DataError
from onnxviz.formats.atomic_file import atomic_file


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / "out.bin"
    with atomic_file(path) as file:
        file.write(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert os.listdir(tmp_path) == ["out.bin"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "out.bin"
    path.write_bytes(b"before")

    def fail():
        with atomic_file(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["out.bin"]


def test_a_missing_folder_is_told(tmp_path):
    path = tmp_path / "missing" / "out.bin"
    with pytest.raises(DataError, match=r"out\.bin: cannot be written: No such file"), atomic_file(path):
        pytest.fail("there is nothing to write to")


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_the_file_may_be_read_by_whom_the_mask_lets(tmp_path):
    path = tmp_path / "out.bin"
    with atomic_file(path) as file:
        file.write(b"")
    plain = tmp_path / "plain.bin"
    plain.write_bytes(b"")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
