"""The chart of tokens."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from onnxviz.drawing.token_chart import TokenSequence, token_chart, token_figure
from onnxviz.errors import DataError


def cells(figure):
    return [patch for patch in figure.axes[0].patches if patch.get_width() < 1]


def test_every_position_has_a_cell_with_its_name_and_id():
    figure = token_figure(TokenSequence(["the", "cat", "sat"], [5, 7, 9], [0.5, -0.5, 0.0]))
    assert [text.get_text() for text in figure.axes[0].texts] == ["the", "5", "cat", "7", "sat", "9"]
    assert len(cells(figure)) == 3


def test_colors_tell_gain_from_loss_and_leave_the_unmeasured_white():
    up, down, none, missing = (
        to_rgb(patch.get_facecolor())
        for patch in cells(token_figure(TokenSequence(list("abcd"), (), [2, -2, 0, np.nan])))
    )
    assert up[0] > up[2]
    assert down[2] > down[0]
    assert none == missing == (1, 1, 1)


def test_long_sequences_are_cut_and_told():
    figure = token_figure(TokenSequence([str(place) for place in range(5000)]), subtitle="many")
    shown = len(cells(figure))
    assert shown < 5000
    assert any(f"the first {shown} of 5000 shown" in text.get_text() for text in figure.texts)


def test_kept_positions_have_a_dashed_edge():
    figure = token_figure(TokenSequence(["a", "b"], kept=[1]))
    assert [patch.get_linestyle() == "--" for patch in cells(figure)] == [False, True]


def test_names_of_attackers_are_escaped_and_cut():
    figure = token_figure(TokenSequence(["a\n\u202e", "x" * 500]))
    first, second = (text.get_text() for text in figure.axes[0].texts)
    assert first == "a\\n\\u202e"
    assert "…" in second
    assert token_chart(TokenSequence(["$x_{y}$"])).shape[2] == 3


@pytest.mark.parametrize("given", [([],), (["a"], [1, 2]), (["a"], (), [1.0, 2.0])])
def test_what_does_not_fit_is_refused(given):
    with pytest.raises(DataError, match="do not fit"):
        TokenSequence(*given)
