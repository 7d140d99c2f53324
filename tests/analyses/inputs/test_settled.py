"""Values for all inputs with which a model runs, for every size that its file leaves open."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import parser

import onnxviz
from onnxviz.analyses.inputs.request import InputRequest
from onnxviz.analyses.inputs.settled import settle
from onnxviz.errors import UsageError

SOUND = """<ir_version: 8, opset_import: ["" : 17]>
agraph (float[N, T] sound, int64 rate) => (float[N, 4] y) <int64 known = {8000}, int64[2] shape = {-1, 512}, float[512, 4] w> {
    right = Equal(rate, known)
    y = If (right) <
        then_branch = held () => (float[N, 4] a) { rows = Reshape(sound, shape) a = ReduceMean<axes = [1], keepdims = 1>(rows) },
        else_branch = lost () => (float[N, 4] b) { b = ReduceMean<axes = [1], keepdims = 1>(sound) }
    >
}"""


@pytest.fixture
def sound() -> onnxviz.Model:
    return onnxviz.load(parser.parse_model(SOUND.replace(", float[512, 4] w", "")))


def test_a_rate_that_the_graph_compares_is_the_one_it_knows(sound) -> None:
    assert settle(sound, InputRequest(), running=True).feed()["rate"].item() == 8000


def test_a_length_that_only_the_graph_knows_is_found_and_told(sound) -> None:
    settled = settle(sound, InputRequest(), running=True)
    values = settled.feed()
    assert values["sound"].shape[1] % 512 == 0
    assert settled.shape("sound") == values["sound"].shape
    assert "`shapes` sets its sizes" in settled.notes[0]
    sound.session(["y"])(values)  # runs


def test_what_is_given_stays(sound) -> None:
    given = np.ones((1, 1024), np.float32)
    settled = settle(sound, InputRequest(held={"sound": given}, shapes={"sound": (1, 1024)}), running=True)
    assert settled.feed()["sound"] is given
    assert (settled.dims, settled.shapes, settled.notes) == ({}, {"sound": (1, 1024)}, ())


@pytest.mark.parametrize("number", [3, 3.0, np.float32(3), np.array(3), "3"])
def test_a_held_number_of_any_type_fills_the_whole_shape(sound, number: object) -> None:
    settled = settle(sound, InputRequest(held={"sound": number}, shapes={"sound": (1, 1024)}))
    assert settled.held["sound"].shape == (1, 1024)
    assert (settled.held["sound"] == 3).all()


def test_a_member_and_a_row_of_a_file_can_be_held(sound, tmp_path) -> None:
    rows = np.arange(6.0).reshape(3, 2)
    np.savez(tmp_path / "values.npz", x=rows, y=-rows)
    np.save(tmp_path / "rows.npy", rows)
    for text in ("values.npz[x]", "values.npz::x"):
        assert (settle(sound, InputRequest(held={"sound": tmp_path / text})).held["sound"] == rows).all()
    assert (settle(sound, InputRequest(held={"sound": tmp_path / "rows.npy#1"})).held["sound"] == rows[1:2]).all()


def test_unknown_names_and_sizes_are_refused_by_parameter(sound) -> None:
    for request, words in (
        (InputRequest(held={"none": 1}), "`held` none=1"),
        (InputRequest(dims={"none": 1}), "`dims` none=1"),
        (InputRequest(dims={"T": 0}), "`dims` T=0: write a whole number above 0"),
        (InputRequest(shapes={"none": (1,)}), "`shapes` none=1"),
        (InputRequest(held={"sound": "no number"}), "neither a number nor a file"),
    ):
        with pytest.raises(UsageError, match=words):
            settle(sound, request)
