"""The textbook's edge filter: silent where a picture is one color, loud where two colors meet."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from PIL import Image

KERNEL = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)


@pytest.fixture
def answers(cli, samples, tmp_path):
    """What the filter answers on a picture of gray values from 0 to 255."""

    def ask(pixels: np.ndarray) -> np.ndarray:
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "picture.png")
        words = ["--apply", tmp_path / "picture.png", "-o", tmp_path / "out", "--overwrite"]
        assert cli("filters", samples / "edge_filter.onnx", *words).code == 0
        with np.load(tmp_path / "out" / "arrays.npz") as arrays:
            np.testing.assert_array_equal(arrays["kernels"], KERNEL[None, None])
            return arrays["answers"][0]

    return ask


def test_the_file_holds_the_textbook_kernel(samples) -> None:
    (kernel,) = (
        onnx.numpy_helper.to_array(one)
        for one in onnx.load(samples / "edge_filter.onnx").graph.initializer
        if len(one.dims) == 4
    )
    np.testing.assert_array_equal(kernel, KERNEL[None, None])


@pytest.mark.parametrize("color", [0, 77, 255])
def test_one_color_is_silence(answers, color: int) -> None:
    answer = answers(np.full((12, 16), color))
    assert answer.shape == (10, 14)
    np.testing.assert_allclose(answer, 0, atol=1e-6)


@pytest.mark.parametrize("left", [0, 100, 255])
def test_two_colors_are_loud_where_they_meet_and_nowhere_else(answers, left: int) -> None:
    right = 50
    picture = np.full((12, 16), right)
    picture[:, :8] = left
    answer = answers(picture)
    step = (right - left) / 255
    # Without padding the answer's column c looks at the picture's column c + 1.
    np.testing.assert_allclose(answer[:, 6], step, atol=1e-5)
    np.testing.assert_allclose(answer[:, 7], -step, atol=1e-5)
    np.testing.assert_allclose(np.delete(answer, [6, 7], axis=1), 0, atol=1e-5)


def test_the_answer_turns_with_the_picture(answers) -> None:
    picture = np.full((12, 16), 200)
    picture[:5] = 10
    answer = answers(picture)
    loud = np.abs(answer) > 1e-4
    assert set(np.nonzero(loud.any(axis=1))[0]) == {3, 4}
    assert loud[3:5].all()
    np.testing.assert_allclose(answers(picture.T), answer.T, atol=1e-6)


def test_a_single_point_answers_with_the_kernel_itself(answers) -> None:
    picture = np.zeros((7, 7))
    picture[3, 3] = 255
    answer = answers(picture)
    # The kernel is symmetric, so that the correlation leaves it as it is.
    np.testing.assert_allclose(answer[1:4, 1:4], KERNEL, atol=1e-5)
    assert np.abs(answer).sum() == pytest.approx(np.abs(KERNEL).sum(), abs=1e-4)
