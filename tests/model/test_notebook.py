"""A model shows itself in a notebook, and text from its file never becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import onnx
import pytest

import onnxviz

HOSTILE = "<script>alert(1)</script><img src=x onerror='alert(2)'>\"&amp;"


class Words(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        assert attrs == []
        self.tags.append(tag)

    def handle_data(self, data) -> None:
        self.words.append(data)


@pytest.mark.parametrize("name", ["digits", "wine", "forest", "tones", "digits_int8"])
def test_a_model_shows_facts_inputs_outputs_and_operators(samples, name: str) -> None:
    model = onnxviz.load(samples / f"{name}.onnx")
    words = " ".join(Words(model._repr_html_()).words)
    for told in (f"{name}.onnx", model.digest[:16], *model.inputs, *model.outputs):
        assert told in words
    assert {node.op_type for node in model.nodes} <= set(words.split())


def test_what_an_input_expects_is_told_with_its_evidence(samples) -> None:
    words = Words(onnxviz.load(samples / "digits.onnx")._repr_html_()).words
    assert "image NCHW gray 0 to 16" in words
    assert "metadata input_range = [0, 16]" in words


def test_names_that_hold_html_are_words() -> None:
    graph = onnx.parser.parse_graph("agree (float[N, 3] x) => (float[N, 4] y) { y = MatMul(x, w) }")
    graph.node[0].output[0] = graph.output[0].name = HOSTILE + "y"
    graph.input[0].name = graph.node[0].input[0] = HOSTILE + "x"
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = HOSTILE + "N"
    graph.node.append(onnx.helper.make_node(HOSTILE + "op", [HOSTILE + "y"], ["z"], domain=HOSTILE + "domain"))
    graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((3, 4), np.float32), "w"))
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid(HOSTILE + "domain", 1)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name=HOSTILE + "maker")
    shown = Words(onnxviz.load(model)._repr_html_())
    assert set(shown.tags) <= {"div", "b", "br", "table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
    words = "\n".join(shown.words)
    for end in ("y", "x", "N", "op", "domain", "maker"):
        assert HOSTILE + end in words


def test_thousands_of_outputs_are_counted_not_listed() -> None:
    nodes = [onnx.helper.make_node("Identity", ["x"], [f"y{number}"]) for number in range(2000)]
    kinds = {name: onnx.helper.make_tensor_value_info(name, 1, [1]) for name in ("x", *(f"y{n}" for n in range(2000)))}
    graph = onnx.helper.make_graph(nodes, "many", [kinds.pop("x")], list(kinds.values()))
    model = onnxviz.load(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8))
    text = model._repr_html_()
    assert len(text) < 20_000
    assert "and 1,976 more outputs" in text
