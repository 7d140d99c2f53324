"""NumPy's files: headers are checked, and equal arrays give equal bytes."""

from __future__ import annotations

import io
import zipfile

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onnxviz.errors import DataError
from onnxviz.formats import array_files
from onnxviz.formats.array_files import copy_rows, map_npy, member_names, read_npy, read_npz, write_npz

arrays = hnp.arrays(
    st.sampled_from(["<f4", ">f4", "<f8", "<f2", "<i8", ">u2", "|u1", "|b1", "<c8", "<U3"]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.dictionaries(st.text("abcxyz_0[]", min_size=1, max_size=8), arrays, max_size=4))
def test_what_is_written_is_read_back(tmp_path, content):
    path = tmp_path / "arrays.npz"
    write_npz(path, content)
    back = read_npz(path)
    assert set(back) == set(content) == set(member_names(path))
    with np.load(path) as oracle:
        for name, array in content.items():
            np.testing.assert_array_equal(back[name], array)
            np.testing.assert_array_equal(oracle[name], array)
            assert back[name].shape == array.shape
            assert back[name].dtype == array.dtype.newbyteorder("=")


def test_equal_arrays_give_equal_bytes(tmp_path):
    array = np.arange(24.0).reshape(2, 3, 4)
    write_npz(tmp_path / "a.npz", {"x": array, "y": np.float32(3)})
    write_npz(tmp_path / "b.npz", {"y": np.float32(3), "x": np.asfortranarray(array).astype(">f8")})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_different_arrays_give_different_bytes(tmp_path):
    for name, value in (("a", 1.0), ("b", 2.0)):
        write_npz(tmp_path / f"{name}.npz", {"x": np.float64(value)})
    assert (tmp_path / "a.npz").read_bytes() != (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    "array", [np.zeros((3, 4), ">f4"), np.zeros((0, 3)), np.asfortranarray(np.eye(3)), np.float64(2)]
)
def test_npy_as_numpy_reads_it(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    back = read_npy(tmp_path / "a.npy")
    np.testing.assert_array_equal(back, array)
    assert back.dtype.isnative


def test_python_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"a\.npy: holds Python objects, .*numpy\.save"):
        read_npy(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", x=np.array([None]))
    with pytest.raises(DataError, match=r"a\.npz\[x\]: holds Python objects"):
        read_npz(tmp_path / "a.npz")


def test_a_cut_off_array_is_told(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(100))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    with pytest.raises(DataError, match=r"is cut off: its shape \(100,\) takes 800 bytes, and 799 are there"):
        read_npy(tmp_path / "a.npy")


def test_a_huge_declared_shape_takes_no_memory(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)})
    (tmp_path / "a.npy").write_bytes(header.getvalue())
    with pytest.raises(DataError, match="is cut off"):
        read_npy(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(DataError, match=r"a\.npz\[x\]: is cut off"):
        read_npz(tmp_path / "a.npz")


def test_a_negative_shape_is_told(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (-1, 0)})
    (tmp_path / "a.npy").write_bytes(header.getvalue())
    with pytest.raises(DataError, match="is cut off"):
        read_npy(tmp_path / "a.npy")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(1000))
    monkeypatch.setattr(array_files, "LARGEST_MEMBER", 1000)
    with pytest.raises(
        DataError, match=r"a\.npz\[x\]: unpacks to 8,128 bytes, and 1,000 are allowed; save it as \.npy"
    ):
        read_npz(tmp_path / "a.npz")


def test_a_missing_member_is_told(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(2))
    with pytest.raises(DataError, match=r"a\.npz: holds no array 'y'"):
        read_npz(tmp_path / "a.npz", ("y",))


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04junk"])
def test_what_is_no_archive_is_told(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    for read in (read_npz, member_names):
        with pytest.raises(DataError, match=r"a\.npz: cannot be read as a \.npz archive"):
            read(tmp_path / "a.npz")


def test_a_damaged_member_is_told(tmp_path):
    write_npz(tmp_path / "a.npz", {"x": np.zeros(100)})
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[400] ^= 1
    (tmp_path / "a.npz").write_bytes(bytes(content))
    with pytest.raises(DataError, match="Bad CRC"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"junk that is no array", b"\x93NUMPY\x01\x00\x05\x00{'a'}"])
def test_what_is_no_array_is_told(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npy: is no \.npy array"):
        read_npy(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "array", [np.zeros(2, dtype=[("a", "f4")]), np.array(["2020-01-01"], dtype="M8[D]"), np.zeros(2, "V2")]
)
def test_records_and_dates_are_refused(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match="holds values of the type"):
        read_npy(tmp_path / "a.npy")


def test_records_with_names_beyond_ascii_are_refused(tmp_path):
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array(file, np.zeros(2, dtype=[("é€", "f4")]), version=(3, 0))
    with pytest.raises(DataError, match=r"version 3\.0 holds records"):
        read_npy(tmp_path / "a.npy")


@pytest.mark.parametrize("array", [np.array([None]), np.array(["2020-01-01"], dtype="M8[D]")])
def test_what_cannot_be_stored_is_refused_before_anything_is_written(tmp_path, array):
    with pytest.raises(DataError, match=r"a\.npz\[x\]: cannot store values of the type"):
        write_npz(tmp_path / "a.npz", {"x": array})
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_npy(tmp_path / "a.npy")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f4", ">i2"])
def test_rows_of_a_mapped_array_are_copied_and_leave_the_mapping_alone(tmp_path, order, kind):
    array = np.asarray(np.random.default_rng(0).integers(0, 99, (40, 3, 5)), dtype=kind, order=order)
    np.save(tmp_path / "a.npy", array)
    mapped = map_npy(tmp_path / "a.npy")
    for first, last in ((0, 40), (7, 8), (11, 30)):
        rows = copy_rows(mapped, first, last)
        assert not isinstance(rows, np.memmap)
        np.testing.assert_array_equal(rows, array[first:last])
    np.testing.assert_array_equal(copy_rows(array, 3, 9), array[3:9])
