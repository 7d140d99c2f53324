"""Point clouds: PLY files in text and binary, rows of text, and what is no cloud."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnxviz.errors import DataError
from onnxviz.formats.point_clouds import read_points, write_ply

POINTS = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
HEAD = (
    "ply\nformat {} 1.0\ncomment made by a test\nelement vertex 9\n{}element face 1\n"
    "property list uchar int vertex_indices\nend_header\n"
)


def header(layout: str, *properties: str) -> bytes:
    return HEAD.format(layout, "".join(f"property {one}\n" for one in properties)).encode()


def test_a_written_cloud_is_read_back(tmp_path: Path) -> None:
    write_ply(tmp_path / "a.ply", POINTS)
    found, names = read_points(tmp_path / "a.ply")
    assert np.array_equal(found.astype(np.float32), POINTS)
    assert names == ("x", "y", "z")


@pytest.mark.parametrize(("layout", "order"), [("binary_little_endian", "<"), ("binary_big_endian", ">")])
def test_a_binary_cloud_has_its_places_first(tmp_path: Path, layout: str, order: str) -> None:
    record = np.dtype(
        [("red", "u1"), ("x", order + "f4"), ("y", order + "f4"), ("z", order + "f8"), ("nx", order + "f4")]
    )
    rows = np.zeros(9, record)
    for place, name in enumerate("xyz"):
        rows[name] = POINTS[:, place]
    rows["red"] = np.arange(9)
    head = header(layout, "uchar red", "float x", "float y", "double z", "float nx")
    (tmp_path / "a.ply").write_bytes(head + rows.tobytes() + b"\x03" + bytes(12))
    found, names = read_points(tmp_path / "a.ply")
    assert names == ("x", "y", "z", "nx", "red")
    assert np.array_equal(found[:, :3].astype(np.float32), POINTS)
    assert found[:, 4].tolist() == list(range(9))


@pytest.mark.parametrize("text", ["{0} {1} {2}", "{0},{1},{2}", "{0}; {1}; {2} # remark"])
def test_rows_of_text_are_points(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.xyz").write_text("\n".join(text.format(*row) for row in POINTS.tolist()))
    assert np.allclose(read_points(tmp_path / "a.xyz")[0], POINTS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"plx", "is no PLY file"),
        (header("ascii", "float a"), "no x, y and z"),
        (header("ascii", "float x", "float y", "float z") + b"1 2 3\n", "it is cut off"),
        (header("binary_little_endian", "float x", "float y", "float z") + bytes(12), "is cut off: 1 of 9 points"),
        (header("morse", "float x", "float y", "float z"), "unknown format 'morse'"),
        (header("ascii", "list uchar int x"), "a property of its points is not read"),
        (b"ply\nformat ascii 1.0\nelement face 3\nelement vertex 2\nend_header\n", "its points follow face"),
        (b"ply\nformat ascii 1.0\nend_header\n", "has no points"),
    ],
)
def test_what_is_no_cloud_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.ply").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_points(tmp_path / "a.ply")


@pytest.mark.parametrize(
    ("text", "message"), [("1 2\n", "rows of 2 numbers"), ("a b c\n", "line 1 is no row"), ("", "no rows")]
)
def test_text_without_points_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.xyz").write_text(text)
    with pytest.raises(DataError, match=message):
        read_points(tmp_path / "a.xyz")
