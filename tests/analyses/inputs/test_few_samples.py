"""Samples from tables, arrays and folders: all of them once, in order, in the model's units."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from onnxviz.analyses.inputs.features import read_rows
from onnxviz.analyses.inputs.few_samples import SampleBatches
from onnxviz.contract import InputContract
from onnxviz.errors import DataError, UsageError
from onnxviz.formats.audio_files import write_wav

VECTOR = InputContract("x", ("N", 3), "vector", ("feature",))
SIGNAL = InputContract("x", ("N", 1, 4), "signal", ("channel", "time"))
PICTURE = InputContract("x", ("N", 1, 4, 4), "image", ("channel", "height", "width"), "gray", (0.0,), (2.0,))
ROWS = np.arange(30, dtype=np.float32).reshape(10, 3)


def collected(samples: SampleBatches, size: int) -> np.ndarray:
    batches = list(samples.batches(size))
    assert max(map(len, batches)) <= size
    assert sum(map(len, batches)) == len(samples)
    return np.concatenate(batches)


@pytest.mark.parametrize("name", ["rows.npy", "rows.csv"])
def test_every_row_comes_once_in_order(tmp_path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, ROWS)
    else:
        np.savetxt(path, ROWS, delimiter=",")
    np.testing.assert_array_equal(collected(SampleBatches(path, VECTOR, (1, 3)), 4), ROWS)


def test_columns_are_found_by_their_names(tmp_path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("c,label,a,b\n3,0,1,2\n6,1,4,5\n", encoding="utf-8")
    rows, names, notes = read_rows(path, ("a", "b", "c"), 3)
    assert names == ("a", "b", "c")
    assert "matched by name" in notes[-1]
    found = collected(SampleBatches(path, VECTOR, (1, 3), rows), 2)
    np.testing.assert_array_equal(found, [[1, 2, 3], [4, 5, 6]])


def test_of_more_samples_than_wanted_some_are_taken_evenly(tmp_path) -> None:
    np.save(tmp_path / "many.npy", np.arange(400.0).reshape(100, 1, 4))
    found = collected(SampleBatches(tmp_path / "many.npy", SIGNAL, (1, 1, 4), most=5), 2)
    assert len(found) == 5
    assert (found[0, 0, 0], found[-1, 0, 0]) == (0, 396)
    assert np.ptp(np.diff(found[:, 0, 0])) <= 4


@pytest.mark.parametrize("shape", [(6, 1, 4), (6, 4), (1, 4), (6, 4, 1)])
def test_an_array_may_leave_out_axes_that_are_clear(tmp_path, shape) -> None:
    array = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    np.save(tmp_path / "a.npy", array)
    found = collected(SampleBatches(tmp_path / "a.npy", SIGNAL, (1, 1, 4)), 4)
    np.testing.assert_array_equal(found, array.reshape(-1, 1, 4))


def test_the_pictures_of_a_folder_come_in_the_models_units(tmp_path) -> None:
    (tmp_path / "one").mkdir()
    for place, gray in enumerate((0, 255, 51)):
        Image.new("L", (4, 4), gray).save(tmp_path / ("one" if place else "") / f"{place}.png")
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    found = collected(SampleBatches(tmp_path, PICTURE, (1, 1, 4, 4)), 2)
    assert found.shape == (3, 1, 4, 4)
    np.testing.assert_allclose(sorted(found[:, 0, 0, 0]), [0, 0.4, 2], atol=1e-6)


def test_what_is_missing_or_does_not_fit_is_told(tmp_path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        SampleBatches(tmp_path / "absent.npy", SIGNAL, (1, 1, 4))
    with pytest.raises(DataError, match="no pictures"):
        SampleBatches(tmp_path, SIGNAL, (1, 1, 4))
    np.save(tmp_path / "other.npy", np.zeros((6, 5)))
    with pytest.raises(DataError, match="6x5"):
        SampleBatches(tmp_path / "other.npy", SIGNAL, (1, 1, 4))
    np.save(tmp_path / "holes.npy", np.array([[1.0, 2, 3, np.nan]] * 3))
    with pytest.raises(DataError, match="finite"):
        list(SampleBatches(tmp_path / "holes.npy", SIGNAL, (1, 1, 4)).batches(2))
    np.save(tmp_path / "text.npy", np.array([["a", "b", "c", "d"]]))
    with pytest.raises(DataError, match="real numbers"):
        SampleBatches(tmp_path / "text.npy", SIGNAL, (1, 1, 4))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "holes.npy").read_bytes()[:-8])
    with pytest.raises(DataError, match="cut off"):
        SampleBatches(tmp_path / "cut.npy", SIGNAL, (1, 1, 4))


def test_how_far_each_picture_was_enlarged_is_known(tmp_path) -> None:
    for name, size in {"a": (4, 4), "b": (2, 2), "c": (8, 2), "d": (16, 16)}.items():
        Image.new("L", size, 80).save(tmp_path / f"{name}.png")
    np.save(tmp_path / "e.npy", np.zeros((1, 1, 4, 4), np.float32))
    found = [factor for _, factors in SampleBatches(tmp_path, PICTURE, (1, 1, 4, 4)).enlarged(3) for factor in factors]
    assert found == [1, 2, 2, 1, 1]


def test_pictures_of_all_sizes_come_at_the_one_that_an_open_input_has_settled(tmp_path) -> None:
    for size in (3, 8):
        Image.new("L", (size, size), 80).save(tmp_path / f"{size}.png")
    anysize = InputContract("x", ("N", 1, "H", "W"), "image", PICTURE.axes, "gray", (0.0,), (2.0,))
    assert collected(SampleBatches(tmp_path, anysize, (1, 1, 4, 4)), 2).shape == (2, 1, 4, 4)


def test_sound_is_brought_to_the_models_rate(tmp_path) -> None:
    wave = np.sin(2 * np.pi * 50 * np.arange(800) / 800).astype(np.float32)
    write_wav(tmp_path / "a.wav", wave, 800)
    taken = InputContract("x", ("N", 1600), "signal", ("time",))
    (found, factors), *_ = SampleBatches(tmp_path, taken, (1, 1600), rate=1600).enlarged(1)
    expected = np.sin(2 * np.pi * 50 * np.arange(1600) / 1600)
    np.testing.assert_allclose(found[0, 100:-100], expected[100:-100], atol=0.02)
    assert factors == [2]
