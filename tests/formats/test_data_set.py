"""Data sets as streams: identities, stamps, labels, skipped samples; every form of a data set gives the same samples."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from onnxviz.errors import DataError, UsageError
from onnxviz.formats import data_set
from onnxviz.formats.column_matching import Slot
from onnxviz.formats.data_set import DataSet, has_rows

VECTOR = Slot("x", (3,), "vector")
PICTURE = Slot("image", (3, 8, 8), "image")
ROWS = np.arange(30, dtype=np.float32).reshape(10, 3)


def never(identity: str, stamp: str) -> bool:
    return False


def read(source, *slots, label=None, known=never, wanted=None):
    blocks = [piece.read(known) for piece in DataSet(source, slots or (VECTOR,), label).pieces(wanted)]
    names = [name for block in blocks for name in block.identities]
    problems = [problem for block in blocks for problem in block.problems]
    return blocks, names, problems


def values(blocks, name="x"):
    return np.concatenate([block.parts[name].array for block in blocks if block.identities])


def stamps(blocks):
    return [stamp for block in blocks for stamp in block.stamps]


def save_csv(path, rows=ROWS, names=("a", "b", "c")):
    lines = [",".join(names), *(",".join(map(str, row)) for row in rows.tolist())]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def forms(tmp_path):
    """The same rows in every form that holds rows."""
    np.save(tmp_path / "rows.npy", ROWS)
    np.savez_compressed(tmp_path / "rows.npz", x=ROWS)
    np.savez(tmp_path / "fortran.npz", x=np.asfortranarray(ROWS))
    np.save(tmp_path / "big.npy", ROWS.astype(">f4"))
    save_csv(tmp_path / "rows.csv")
    return [tmp_path / name for name in ("rows.npy", "rows.npz", "fortran.npz", "big.npy", "rows.csv")]


@pytest.mark.parametrize("chunk", [1, 24, 40, 1 << 20])
def test_every_form_gives_the_same_rows_whatever_is_read_together(forms, monkeypatch, chunk) -> None:
    monkeypatch.setattr(data_set, "_CHUNK", chunk)
    for path in forms:
        blocks, names, problems = read(path)
        np.testing.assert_array_equal(values(blocks), ROWS)
        assert names == [f"{path.name}#{row}" for row in range(10)]
        assert problems == []
        assert len(set(stamps(blocks))) == 10


def test_a_small_chunk_is_many_pieces(forms, monkeypatch) -> None:
    monkeypatch.setattr(data_set, "_CHUNK", 24)
    assert all(len(list(DataSet(path, [VECTOR]).pieces())) > 3 for path in forms if path.name != "fortran.npz")


def test_rows_are_picked_by_number(forms) -> None:
    for path in forms:
        blocks, names, _ = read(f"{path}#2:5")
        np.testing.assert_array_equal(values(blocks), ROWS[2:5])
        assert names == [f"{path.name}#{row}" for row in (2, 3, 4)]
        blocks, names, _ = read(f"{path}#7")
        np.testing.assert_array_equal(values(blocks), ROWS[7:8])


def test_some_samples_are_read_again(forms) -> None:
    for path in forms:
        blocks, names, _ = read(path, wanted={f"{path.name}#8", f"{path.name}#1"})
        assert names == [f"{path.name}#1", f"{path.name}#8"]
        np.testing.assert_array_equal(values(blocks), ROWS[[1, 8]])


def test_known_samples_are_not_read_and_changed_ones_are(forms) -> None:
    path = forms[0]
    first, names, _ = read(path)
    known = dict(zip(names, stamps(first), strict=True))
    again, names, _ = read(path, known=lambda name, stamp: known.get(name) == stamp)
    assert names == []
    assert sum(block.unchanged for block in again) == 10
    changed = ROWS.copy()
    changed[4] += 1
    np.save(path, np.concatenate([changed, ROWS[:1]]))
    _, names, _ = read(path, known=lambda name, stamp: known.get(name) == stamp)
    assert names == [f"{path.name}#4", f"{path.name}#10"]


def test_a_row_that_is_not_finite_is_passed_over(tmp_path) -> None:
    rows = ROWS.copy()
    rows[3, 1] = np.nan
    np.save(tmp_path / "rows.npy", rows)
    save_csv(tmp_path / "rows.csv", rows)
    (tmp_path / "short.csv").write_text("a,b,c\n1,2,3\n1,2\n4,5,6\n")
    for name, bad in (("rows.npy", 3), ("rows.csv", 3), ("short.csv", 1)):
        blocks, names, problems = read(tmp_path / name)
        assert [problem[0] for problem in problems] == [f"{name}#{bad}"]
        assert f"{name}#{bad}" not in names
        assert len(values(blocks)) == len(names) > 1


def test_a_folder_is_searched_in_natural_order_and_its_subfolders_are_labels(tmp_path) -> None:
    for name in ("cats/10.png", "cats/2.png", "dogs/1.jpg", "top.png", ".hidden/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "results" / "inner").mkdir(parents=True)
    for name in ("settings.json", "result.json"):
        (tmp_path / "results" / name).write_text("{}")
    for name in ("results/sheet.png", "results/inner/sheet.png"):
        Image.new("RGB", (8, 8), "red").save(tmp_path / name)
    (tmp_path / "cats/broken.png").write_bytes(b"\x89PNG\r\nnothing")
    data = DataSet(tmp_path, [PICTURE])
    blocks = [piece.read(never) for piece in data.pieces()]
    assert [name for block in blocks for name in block.identities] == [
        "cats/2.png",
        "cats/10.png",
        "dogs/1.jpg",
        "top.png",
    ]
    assert [label for block in blocks for label in block.labels] == ["cats", "cats", "dogs", ""]
    assert [problem[0] for block in blocks for problem in block.problems] == ["cats/broken.png"]
    assert any("1 files of other kinds" in note for note in data.notes)


def test_a_broken_array_in_a_folder_is_passed_over_and_alone_is_an_error(tmp_path) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    (tmp_path / "b.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-8])
    _, names, problems = read(tmp_path)
    assert len(names) == 10
    assert problems[0][0] == "b.npy"
    with pytest.raises(DataError, match="cut off"):
        read(tmp_path / "b.npy")


@pytest.mark.parametrize(
    ("shape", "slot", "rows"),
    [
        ((8, 8), PICTURE, False),
        ((5, 8, 8), PICTURE, True),
        ((5, 20, 20), PICTURE, True),
        ((20, 20, 4), PICTURE, False),
        ((3,), VECTOR, False),
        ((10, 3), VECTOR, True),
        ((1024,), Slot("w", (1, 1024), "signal"), False),
        ((6, 1024), Slot("w", (1, 1024), "signal"), True),
        ((7, 5), Slot("s", (None, 5), "sequence"), False),
        ((2, 7, 5), Slot("s", (None, 5), "sequence"), True),
    ],
)
def test_rows_are_told_from_one_sample(shape, slot, rows) -> None:
    assert has_rows(shape, slot) is rows


def test_several_inputs_come_from_an_archive_by_name_or_order(tmp_path) -> None:
    slots = (Slot("left", (2,)), Slot("right", (3,)))
    left, right = np.ones((4, 2)), np.arange(12.0).reshape(4, 3)
    np.savez(tmp_path / "named.npz", right=right, left=left)
    np.savez(tmp_path / "ordered.npz", a=left, b=right)
    for name in ("named", "ordered"):
        blocks, names, _ = read(tmp_path / f"{name}.npz", *slots)
        assert len(names) == 4
        np.testing.assert_array_equal(values(blocks, "right"), right)
        np.testing.assert_array_equal(values(blocks, "left"), left)
    np.savez(tmp_path / "unequal.npz", left=left[:3], right=right)
    with pytest.raises(DataError, match="different numbers of rows"):
        read(tmp_path / "unequal.npz", *slots)
    np.savez(tmp_path / "three.npz", a=left, b=right, c=left)
    with pytest.raises(DataError, match="pick one"):
        read(tmp_path / "three.npz", *slots)


def test_an_archive_may_name_classes(tmp_path) -> None:
    np.savez(tmp_path / "d.npz", x=ROWS, y=np.arange(10) % 3)
    blocks, _, _ = read(tmp_path / "d.npz", label="y")
    assert [label for block in blocks for label in block.labels] == [str(row % 3) for row in range(10)]
    blocks, _, _ = read(f"{tmp_path / 'd.npz'}[x]")
    np.testing.assert_array_equal(values(blocks), ROWS)


def test_what_cannot_be_read_as_samples_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        DataSet(tmp_path / "none.npy", [VECTOR])
    with pytest.raises(DataError, match="holds no file"):
        DataSet(tmp_path, [VECTOR])
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    with pytest.raises(DataError, match="real numbers"):
        read(tmp_path / "words.npy")
    np.save(tmp_path / "rows.npy", ROWS)
    with pytest.raises(UsageError, match="10 rows"):
        read(f"{tmp_path / 'rows.npy'}#10")
    with pytest.raises(DataError, match="feeds several"):
        read(tmp_path / "rows.npy", VECTOR, VECTOR)
