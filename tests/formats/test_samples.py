"""Input data that a user gives."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onnxviz.errors import DataError, UsageError
from onnxviz.formats.samples import read_sample


def write_wav(path, channels=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(b"\x00\x40" * channels * 3)


@pytest.fixture
def folder(tmp_path):
    """One file of every kind."""
    Image.fromarray(np.full((2, 3, 3), 7, np.uint8)).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", np.arange(6.0).reshape(2, 3))
    np.savez(tmp_path / "one.npz", x=np.arange(3))
    np.savez(tmp_path / "two.npz", x=np.arange(3), y=np.ones(2))
    (tmp_path / "a.csv").write_text("age,dose\n1,2\n3,4\n")
    (tmp_path / "a.tsv").write_text("1\t2\n")
    (tmp_path / "a.json").write_text(json.dumps({"age": 1, "dose": 2}))
    (tmp_path / "b.json").write_text("[[1, 2]]")
    write_wav(tmp_path / "a.wav")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind", "shape", "names", "rate"),
    [
        ("a.png", "image", (2, 3, 3), ("red", "green", "blue"), None),
        ("a.npy", "array", (2, 3), (), None),
        ("one.npz", "array", (3,), (), None),
        ("two.npz[y]", "array", (2,), (), None),
        ("a.csv", "table", (2, 2), ("age", "dose"), None),
        ("a.tsv", "table", (1, 2), (), None),
        ("a.json", "table", (1, 2), ("age", "dose"), None),
        ("b.json", "array", (1, 2), (), None),
        ("a.wav", "audio", (2, 3), ("left", "right"), 16000),
    ],
)
def test_each_kind_is_read(folder, name, kind, shape, names, rate):
    sample = read_sample(folder / name)
    assert (sample.kind, sample.array.shape, sample.names, sample.rate, sample.note) == (kind, shape, names, rate, "")
    assert Path(sample.source).name == ("one.npz[x]" if name == "one.npz" else name)


def test_extensions_may_be_in_capitals(folder):
    (folder / "a.csv").rename(folder / "A.CSV")
    assert read_sample(folder / "A.CSV").kind == "table"


def test_a_file_that_is_called_like_a_member_is_read(folder):
    (folder / "two.npz[y]").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        read_sample(folder / "two.npz[y]")


@pytest.mark.parametrize(("channels", "names"), [(1, ("mono",)), (3, ("channel 1", "channel 2", "channel 3"))])
def test_channels_of_sound_are_named(tmp_path, channels, names):
    write_wav(tmp_path / "a.wav", channels)
    assert read_sample(tmp_path / "a.wav").names == names


def test_the_index_that_pandas_writes_is_told(tmp_path):
    (tmp_path / "a.csv").write_text(",age\n0,61\n1,58\n")
    assert read_sample(tmp_path / "a.csv").note == "the first column looks like a row number"
    (tmp_path / "a.csv").write_text(",age\n5,61\n1,58\n")
    assert read_sample(tmp_path / "a.csv").note == ""


def test_a_picture_under_another_pictures_name_is_read(folder):
    (folder / "a.png").rename(folder / "a.jpg")
    assert read_sample(folder / "a.jpg").kind == "image"


def test_yes_and_no_are_numbers(tmp_path):
    np.save(tmp_path / "a.npy", np.array([True, False]))
    assert read_sample(tmp_path / "a.npy").array.dtype == np.uint8


def test_extended_precision_is_cut_to_double(tmp_path):
    np.save(tmp_path / "a.npy", np.array([1.5], np.longdouble))
    assert read_sample(tmp_path / "a.npy").array.dtype == np.float64


def test_several_arrays_must_be_told_apart(folder):
    path = folder / "two.npz"
    with pytest.raises(DataError) as caught:
        read_sample(path)
    assert str(caught.value) == f"{path}: holds 2 arrays; name one as {path}[x]. There are: x, y"


def test_a_missing_member_is_told(folder):
    with pytest.raises(DataError, match=r"holds no array 'z'"):
        read_sample(folder / "two.npz[z]")


def test_a_missing_file_is_a_wrong_use(tmp_path):
    with pytest.raises(UsageError, match=r"a\.npy: no such file") as caught:
        read_sample(tmp_path / "a.npy")
    assert caught.value.exit_code == 2


def content(kind):
    return {
        "png": b"\x89PNG\r\n\x1a\n....",
        "zip": b"PK\x03\x04....",
        "npy": b"\x93NUMPY\x01\x00",
        "pickle": b"\x80\x04\x95....",
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "page": b"<!doctype HTML>\n<title>404</title>",
        "wav": b"RIFF\0\0\0\0WAVEfmt ",
        "empty": b"",
        "text": b"1,2\n",
    }[kind]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("a.csv", "empty", "is empty"),
        ("a.png", "empty", "is empty"),
        ("a.csv", "png", r"is named \.csv but is a PNG picture; rename it to \.png"),
        ("a.npy", "zip", r"is named \.npy but is a ZIP archive; rename it to \.npz"),
        ("a.npz", "npy", r"is named \.npz but is a NumPy array; rename it to \.npy"),
        ("a.npy", "pickle", r"is named \.npy but is a pickle, which is never opened"),
        ("a.npy", "lfs", r"is a Git LFS pointer; fetch the file itself with git lfs pull"),
        ("a.jpg", "page", r"is named \.jpg but is a web page, not the file it shows"),
        ("a.png", "wav", r"is named \.png but is WAVE sound; rename it to \.wav"),
        ("a.pkl", "pickle", r"pickles are never opened, since they can run code; save the numbers as \.npy"),
        ("a.pth", "zip", "pickles are never opened"),
        ("a.abc", "text", r"no reader for '\.abc'; known are \.bmp \.csv"),
        ("a", "text", r"has no extension to tell what it is; known are \.bmp \.csv"),
    ],
)
def test_what_a_file_is_not_is_told(tmp_path, name, kind, message):
    (tmp_path / name).write_bytes(content(kind))
    with pytest.raises(DataError, match=rf"{name}: .*{message}|{name}: {message}"):
        read_sample(tmp_path / name)


def test_an_empty_archive_is_told(tmp_path):
    np.savez(tmp_path / "a.npz")
    with pytest.raises(DataError, match="holds no arrays"):
        read_sample(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([1.0, np.nan, np.inf]), r"2 of 3 values are not finite, the first is nan at \[1\]; fill them in"),
        (np.zeros((0, 3)), r"holds no values, its shape is \(0, 3\)"),
        (np.array([1j]), "holds complex numbers; real numbers are needed"),
        (np.array(["a"]), "holds text; real numbers are needed"),
        (np.array([b"a"]), "holds text; real numbers are needed"),
        (np.array([None]), "holds Python objects"),
    ],
)
def test_what_is_no_finite_number_is_told(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=array)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match=message):
            read_sample(tmp_path / name)


def test_a_folder_is_no_sample(tmp_path):
    with pytest.raises(DataError, match="is a folder; give one file"):
        read_sample(tmp_path)
