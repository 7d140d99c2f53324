"""The look of charts; drawing them leaves no trace in matplotlib."""

from __future__ import annotations

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from PIL import ImageColor

from onnxviz.drawing.colors import BACKGROUND
from onnxviz.drawing.feature_vector import FeatureVector
from onnxviz.drawing.figures import house_style, new_figure, render, shorten
from onnxviz.drawing.heat_map import Plane, heat_map
from onnxviz.drawing.signal_chart import Signal, signal_chart
from onnxviz.drawing.vector_chart import vector_chart

CHARTS = {
    "vector": lambda: vector_chart(FeatureVector([1.0, -2.0], ["a", "b"], restarts=[[1.0, -1.0]]), "title", "subtitle"),
    "signal": lambda: signal_chart(Signal(np.sin(np.arange(50.0))), "title"),
    "heat": lambda: heat_map(Plane(np.eye(4)), "title"),
}


def run(code):
    """Run code in a fresh Python, where nothing is imported yet."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("room", ["drawing", "formats"])
def test_importing_this_floor_loads_no_matplotlib_and_nothing_above_it(room):
    code = f"""
import pkgutil, sys, importlib, onnxviz.{room}
for module in pkgutil.iter_modules(onnxviz.{room}.__path__):
    importlib.import_module("onnxviz.{room}." + module.name)
heavy = ("matplotlib", "onnx", "torch", "onnxruntime", "click", "onnxviz.model", "onnxviz.methods", "onnxviz.commands")
print([name for name in heavy if name in sys.modules])
"""
    assert run(code).strip() == "[]"


def test_charts_need_no_pyplot_and_leave_no_setting():
    code = """
import sys, matplotlib, numpy
matplotlib.rcParams["font.size"] = 31
before = matplotlib.rcParams.copy()
from onnxviz.drawing.heat_map import Plane, heat_map
from onnxviz.drawing.signal_chart import Signal, signal_chart
from onnxviz.drawing.feature_vector import FeatureVector
from onnxviz.drawing.vector_chart import vector_chart
heat_map(Plane(numpy.eye(3))); signal_chart(Signal([1.0, 2.0, 0.0])); vector_chart(FeatureVector([1.0]))
print("matplotlib.pyplot" in sys.modules, dict.__eq__(matplotlib.rcParams, before))
"""
    assert run(code).split() == ["False", "True"]


@pytest.mark.parametrize("chart", CHARTS)
def test_the_users_settings_do_not_change_a_chart(chart):
    expected = CHARTS[chart]()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "lines.linewidth": 9, "text.usetex": True}):
        np.testing.assert_array_equal(CHARTS[chart](), expected)


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_is_a_picture_with_a_free_margin(chart):
    picture = CHARTS[chart]()
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    background = ImageColor.getrgb(BACKGROUND)
    for border in (picture[:20], picture[-20:], picture[:, :20], picture[:, -20:]):
        assert (border == background).all()


def test_a_failing_chart_puts_the_settings_back():
    before = dict(matplotlib.rcParams)
    with pytest.raises(RuntimeError), house_style():
        raise RuntimeError
    assert dict(matplotlib.rcParams) == before


def test_a_picture_has_150_pixels_to_the_inch():
    with house_style():
        assert render(new_figure(2, 1, "", "")).shape == (150, 300, 3)


def test_texts_are_escaped_and_cut_to_their_width():
    with house_style():
        figure = new_figure(4, 1, "a\n$\\frac{1}{2}$", "y" * 1000)
    render(figure)
    title, subtitle = figure.texts
    assert title.get_text() == "a\\n$\\frac{1}{2}$"
    assert title.get_window_extent().width > 100  # drawn as it is written, and not as a formula
    for text in (title, subtitle):
        assert text.get_window_extent().x1 <= 4 * 150
    assert shorten("x" * 500, 9.0, 1.0).count("…") == 1
