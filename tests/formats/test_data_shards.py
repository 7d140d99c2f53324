"""Shards: together the data set in its order, on every machine. A pickled shard holds its rows, and needs a picture's file."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from onnxviz.errors import ClusterError
from onnxviz.formats.column_matching import Slot
from onnxviz.formats.data_blocks import Piece, ProblemReader, TableReader
from onnxviz.formats.data_set import DataSet
from onnxviz.formats.data_shards import shards

VECTOR = Slot("x", (3,), "vector")
PICTURE = Slot("image", (3, 8, 8), "image")
ROWS = np.arange(60, dtype=np.float32).reshape(20, 3)


def never(identity: str, stamp: str) -> bool:
    return False


def read(pieces):
    blocks = [piece.read(never) for piece in pieces]
    names = [name for block in blocks for name in block.identities]
    stamps = [stamp for block in blocks for stamp in block.stamps]
    labels = [label for block in blocks for label in block.labels]
    problems = [problem for block in blocks for problem in block.problems]
    parts = [part.array for block in blocks for part in block.parts.values() if block.identities]
    return names, stamps, labels, problems, np.concatenate([part.reshape(-1) for part in parts])


def same(one, other) -> None:
    assert one[:4] == other[:4]
    np.testing.assert_array_equal(one[4], other[4])


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 12))
def test_a_shard_ends_where_its_samples_are_so_many(lengths: list[int], size: int) -> None:
    pieces, first = [], 0
    for number, length in enumerate(lengths):
        names = tuple(f"s{place}" for place in range(first, first + length))
        problems = ((f"p{number}", "torn"),)
        values = {"x": np.arange(first, first + length, dtype=np.float64)[:, None]}
        pieces.append(Piece(names, TableReader(names, names, values, problems, "t")))
        first += length
    found = list(shards(iter(pieces), size))
    assert [shard.number for shard in found] == list(range(len(found)))
    assert [len(shard.identities) for shard in found[:-1]] == [size] * (len(found) - 1)
    assert not found or len(found[-1].identities) <= size
    assert [name for shard in found for name in shard.identities] == [f"s{place}" for place in range(first)]
    blocks = [piece.read(never) for shard in found for piece in shard.pieces()]
    assert [name for block in blocks for name in block.identities] == [f"s{place}" for place in range(first)]
    # A problem of no single sample is reported once, in its order.
    assert [name for block in blocks for name, _ in block.problems] == [f"p{number}" for number in range(len(lengths))]
    for block in blocks:
        if block.identities:
            np.testing.assert_array_equal(block.parts["x"].array[:, 0], [int(name[1:]) for name in block.identities])


@pytest.mark.parametrize("size", [1, 7, 20, 64])
@pytest.mark.parametrize("form", ["npy", "big", "fortran", "npz", "csv"])
def test_rows_travel_with_their_shard(tmp_path, form: str, size: int) -> None:
    path = tmp_path / f"rows.{'npz' if form == 'npz' else 'csv' if form == 'csv' else 'npy'}"
    if form == "npz":
        np.savez(path, x=ROWS, who=np.asarray([f"w{number}" for number in range(20)]))
    elif form == "csv":
        rows = [",".join(map(str, row)) + f",w{number}" for number, row in enumerate(ROWS.tolist())]
        path.write_text("\n".join(["a,b,c,who", *rows, "1,?,3,w20"]) + "\n")
    else:
        np.save(path, {"big": ROWS.astype(">f4"), "fortran": np.asfortranarray(ROWS)}.get(form, ROWS))
    label = "who" if form in ("npz", "csv") else None
    whole = read(DataSet(path, (VECTOR,), label).pieces())
    sent = [pickle.dumps(shard) for shard in shards(DataSet(path, (VECTOR,), label).pieces(), size)]
    assert len(sent) == -(-20 // size)
    # A shard holds its own rows, and not those of its neighbors.
    assert max(map(len, sent)) < 2500 + min(size, 20) * 120
    path.unlink()
    same(read(piece for one in sent for piece in pickle.loads(one).pieces()), whole)


def folder_of(tmp_path, count: int = 5):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(count):
        Image.fromarray(np.full((8, 8, 3), 10 * number, np.uint8)).save(folder / f"{number}.png")
    (folder / "torn.png").write_bytes(b"no picture")
    return folder


def test_pictures_are_read_where_the_folder_is_the_same(tmp_path) -> None:
    folder = folder_of(tmp_path)
    whole = read(DataSet(folder, (PICTURE,)).pieces())
    sent = pickle.dumps(list(shards(DataSet(folder, (PICTURE,)).pieces(), 2)))
    assert len(sent) < 2000
    # After several machines, the shard still refers to the first file.
    same(read(piece for shard in pickle.loads(pickle.dumps(pickle.loads(sent))) for piece in shard.pieces()), whole)
    assert [name for name, _ in whole[3]] == ["torn.png"]


def test_a_folder_is_found_from_any_working_directory_and_named_as_it_was(tmp_path, monkeypatch) -> None:
    folder = folder_of(tmp_path)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "gray.png")
    monkeypatch.chdir(tmp_path)
    found = list(shards(DataSet("photos", (PICTURE,)).pieces(), 3))
    here = read(piece for shard in found for piece in shard.pieces())
    sent = pickle.dumps(found)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    there = read(piece for shard in pickle.loads(sent) for piece in shard.pieces())
    same(there, here)
    assert str(tmp_path) not in str(there[3])
    (block,) = (piece.read(never) for piece in pickle.loads(sent)[0].pieces({"0.png"}))
    assert block.parts["image"].source == "photos/0.png"


@pytest.mark.parametrize("change", ["gone", "later", "other"])
def test_another_folder_at_the_same_path_is_refused(tmp_path, change: str) -> None:
    folder = folder_of(tmp_path)
    (shard,) = pickle.loads(pickle.dumps(list(shards(DataSet(folder, (PICTURE,)).pieces(), 9))))
    file = folder / "3.png"
    if change == "gone":
        file.unlink()
    elif change == "later":
        os.utime(file, ns=(1, 1))
    else:
        state = file.stat()
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(file)
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(ClusterError, match=r"3\.png: is (missing|another).*same path"):
        read(shard.pieces())


def test_a_file_that_was_not_there_either_is_a_problem_and_no_difference(tmp_path) -> None:
    folder = folder_of(tmp_path)
    found = list(shards(DataSet(folder, (PICTURE,)).pieces(), 9))
    (folder / "3.png").unlink()
    here = read(found[0].pieces())
    same(read(pickle.loads(pickle.dumps(found))[0].pieces()), here)
    assert [name for name, _ in here[3]] == ["3.png", "torn.png"]


def test_one_that_cannot_be_opened_is_a_sample_of_its_shard() -> None:
    pieces = [Piece((name,), ProblemReader(name, "torn")) for name in "abc"]
    found = list(shards(pieces, 2))
    assert [shard.identities for shard in found] == [("a", "b"), ("c",)]
    assert [piece.identities for piece in found[0].pieces({"b"})] == [("b",)]
