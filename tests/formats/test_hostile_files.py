"""Malicious and damaged files: every reader returns data or raises an error of this package."""

from __future__ import annotations

import io
import json
import wave

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from onnxviz.errors import DataError
from onnxviz.formats.array_files import member_names, read_npz
from onnxviz.formats.samples import Sample, read_sample


def whole(suffix):
    """Write a valid file of a kind, as bytes."""
    file = io.BytesIO()
    if suffix == ".npy":
        np.save(file, np.arange(6.0).reshape(2, 3))
    elif suffix == ".npz":
        np.savez_compressed(file, x=np.arange(40.0))
    elif suffix == ".wav":
        with wave.open(file, "wb") as sound:
            sound.setparams((2, 2, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(range(40)))
    elif suffix == ".csv":
        file.write(b'a,"b"\n1,2\n3.5,-4e2\n')
    elif suffix == ".json":
        file.write(json.dumps([{"a": 1, "b": 2}]).encode())
    else:
        Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(
            file, format=suffix[1:].replace("tif", "tiff")
        )
    return file.getvalue()


KINDS = {
    suffix: whole(suffix)
    for suffix in (".npy", ".npz", ".wav", ".csv", ".json", ".png", ".bmp", ".gif", ".tif", ".webp", ".jpeg")
}


@st.composite
def damaged(draw, content):
    """Change some bytes, cut some out, or repeat some."""
    content = bytearray(content)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 6))
        content[place : place + length] = draw(st.binary(max_size=6))
    return bytes(content)


@pytest.mark.parametrize("suffix", KINDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_a_damaged_file_gives_data_or_a_sentence(tmp_path, suffix, data):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data.draw(damaged(KINDS[suffix])))
    try:
        told: Sample | str = read_sample(path)
    except DataError as error:
        told = str(error)
    if isinstance(told, Sample):
        assert np.isfinite(told.array).all()
    else:
        assert str(path) in told


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.binary(max_size=60) | st.text("{}()[]'\"descr: ,forta_\\#\n<f8L0123", max_size=80).map(str.encode))
def test_a_header_of_an_array_is_not_trusted(tmp_path, header):
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
    with pytest.raises(DataError, match=r"a\.npy"):
        read_sample(path)


@pytest.mark.parametrize("nested", ["(" * 5000, "[" * 5000, "-" * 9000 + "1", "{'descr':" * 900])
def test_a_deeply_nested_header_is_told(tmp_path, nested):
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(nested).to_bytes(2, "little") + nested.encode())
    with pytest.raises(DataError, match=r"a\.npy: is no \.npy array"):
        read_sample(path)


def test_an_array_written_by_python_2_is_read_in_silence(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2L,), }"
    header += b" " * (117 - len(header)) + b"\n"
    (tmp_path / "a.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + np.ones(2).tobytes()
    )
    np.testing.assert_array_equal(read_sample(tmp_path / "a.npy").array, [1, 1])


def test_an_encrypted_archive_is_told(tmp_path):
    content = bytearray(KINDS[".npz"])
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.npz").write_bytes(bytes(content))
    assert member_names(tmp_path / "a.npz") == ("x",)
    with pytest.raises(DataError, match="password required"):
        read_npz(tmp_path / "a.npz")
