"""`verify` passes models that agree, and exits with 3 for models that do not."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnxviz.analyses import verification as agreement
from onnxviz.methods import verification


@pytest.mark.parametrize("name", ["digits", "digits_int8", "wine", "tones", "photo_patches", "forest", "edge_filter"])
def test_every_sample_model_is_its_differentiable_copy(cli, samples, name: str) -> None:
    outcome = cli("verify", samples / f"{name}.onnx", "--json")
    assert outcome.code == 0
    document = outcome.document
    assert set(document) >= {"model", "ok", "tensors", "unsupported", "first_divergence"}
    assert document["ok"] is True
    assert document["first_divergence"] is None
    assert document["unsupported"] == []
    made = {output for node in onnx.load(samples / f"{name}.onnx").graph.node for output in node.output}
    assert {row["name"] for row in document["tensors"]} <= made
    assert document["tensors"]
    for row in document["tensors"]:
        assert set(row) >= {"name", "operator", "shape", "dtype", "max_abs_error", "max_rel_error", "ok"}
        assert row["ok"]
        assert row["max_rel_error"] <= document["tolerance"]


def test_a_mismatch_exits_with_3_and_names_the_first_divergence(cli, samples) -> None:
    outcome = cli("verify", samples / "digits.onnx", "--tolerance", "0", "--json")
    assert outcome.code == 3
    document = outcome.document
    assert document["ok"] is False
    wrong = [row["name"] for row in document["tensors"] if not row["ok"]]
    assert document["first_divergence"] == wrong[0]
    shown = cli("verify", samples / "digits.onnx", "--tolerance", "0")
    assert shown.code == 3
    assert f"The first divergence: {wrong[0]}" in shown.out


def test_one_tensor_can_be_asked_for(cli, samples) -> None:
    document = cli("verify", samples / "digits.onnx", "-t", "conv2", "-t", "logits[3]", "--json").document
    assert [row["name"] for row in document["tensors"]] == ["conv2", "logits"]


def test_a_tensor_that_is_not_float_is_wrong_usage(cli, samples) -> None:
    outcome = cli("verify", samples / "forest.onnx", "-t", "label")
    assert outcome.code == 2
    assert "int64" in outcome.err


def test_an_operator_that_cannot_be_converted_fails_the_check(cli, tmp_path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Strange", ["r"], ["y"], domain="nowhere")]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("nowhere", 1)]
    path = tmp_path / "strange.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    outcome = cli("verify", path, "--json")
    # ONNX Runtime does not have the operator either: it is refused in a sentence, or listed as not converted.
    assert outcome.code in (1, 3)
    assert "Strange" in outcome.out + outcome.err
    assert "Traceback" not in outcome.err


def test_held_inputs_and_sizes_reach_both_sides(cli, written) -> None:
    path = written("agraph (float[N, T] x, float[1] gain) => (float[N, T] y) { y = Mul(x, gain) }")
    options = ["--dim", "N=2", "--dim", "T=7", "--set", "gain=0.5", "--json"]
    (row,) = cli("verify", path, *options).document["tensors"]
    assert row["shape"] == [2, 7]
    (row,) = cli("verify", path, "--shape", "x=3x4", "--json").document["tensors"]
    assert row["shape"] == [3, 4]


def test_a_size_may_be_zero_as_that_of_an_empty_cache_is(cli, written) -> None:
    path = written("agraph (float[P, 3] past, float[1, 3] x) => (float[T, 3] y) { y = Concat <axis = 0> (past, x) }")
    (row,) = cli("verify", path, "--shape", "past=0x3", "--json").document["tensors"]
    assert (row["shape"], row["ok"]) == ([1, 3], True)


def test_a_network_that_is_off_by_a_tenth_is_found(cli, written, monkeypatch) -> None:
    path = written("agraph (float[1, 3] x) => (float[1, 3] y) { a = Add(x, w)\ny = Neg(a) }", w=np.ones(3, np.float32))
    assert cli("verify", path).code == 0
    whole = verification.verify

    def damaged(network, session, inputs, names, tolerance):
        return whole(
            lambda fed: {name: value * 1.1 for name, value in network(fed).items()}, session, inputs, names, tolerance
        )

    monkeypatch.setattr(verification, "verify", damaged)
    outcome = cli("verify", path, "--json")
    assert outcome.code == 3
    assert outcome.document["first_divergence"] == "a"


CANCELLING = """agraph (float[1, 4] x) => (float[1, 4] y)
{ a = Add(x, one)\nk = Cast <to = 7> (a)\nd = Sub(a, one)\ny = Mul(d, large) }"""


def test_rounding_that_is_amplified_is_told_but_no_divergence(cli, written, monkeypatch) -> None:
    constants = {"one": np.ones(1, np.float32), "large": np.full(1, 1e5, np.float32)}
    path = written(CANCELLING, **constants)
    np.save(path.with_suffix(".npy"), np.array([[1e-5, 2e-5, -1e-5, 3e-5]], np.float32))
    options = ["--set", f"x={path.with_suffix('.npy')}"]
    assert all(row["ok"] for row in cli("verify", path, *options, "--json").document["tensors"])
    whole = verification.verify

    def rounded_otherwise(network, session, inputs, names, tolerance):
        nudged = {**inputs, "x": inputs["x"] + np.float32(2e-7)}
        return whole(lambda _: network(nudged), session, inputs, names, tolerance)

    monkeypatch.setattr(verification, "verify", rounded_otherwise)
    outcome = cli("verify", path, *options, "--json")
    assert outcome.code == 0
    document = outcome.document
    assert document["ok"] is True
    assert document["first_divergence"] is None
    rows = {row["name"]: row for row in document["tensors"]}
    assert {name: (row["ok"], row["amplified"]) for name, row in rows.items()} == {
        "a": (True, False),
        "d": (False, True),
        "y": (False, True),
    }
    assert rows["y"]["max_rel_error"] > document["tolerance"]
    shown = cli("verify", path, *options)
    assert "Tensors with amplified rounding errors: 2" in shown.out
    assert "1 of 3 float tensors agree" in shown.out
    # A single requested tensor is also judged by the tensors before it.
    (row,) = cli("verify", path, *options, "-t", "y", "--json").document["tensors"]
    assert (row["name"], row["amplified"]) == ("y", True)


def test_tensors_compared_in_portions_are_those_compared_at_once(cli, samples, monkeypatch) -> None:
    whole = cli("verify", samples / "digits.onnx", "--json").document
    sizes = []
    real = verification.verify

    def counting(network, session, inputs, names, tolerance):
        sizes.append(len(names))
        return real(network, session, inputs, names, tolerance)

    monkeypatch.setattr(verification, "verify", counting)
    monkeypatch.setattr(agreement, "_AT_ONCE", 8000)
    parts = cli("verify", samples / "digits.onnx", "--json").document
    assert len(sizes) > 2
    assert max(sizes) < len(whole["tensors"])
    assert [row["name"] for row in parts["tensors"]] == [row["name"] for row in whole["tensors"]]
    assert parts["ok"]


def test_what_a_random_operator_makes_is_named_and_no_divergence(cli, written) -> None:
    path = written(
        """g (float[N, 3] x) => (float[N, 3] y, float[N, 3] z) {
            h = Exp(x)
            r = RandomNormalLike(h)
            y = Add(h, r)
            z = Neg(h)
        }"""
    )
    outcome = cli("verify", path, "--json")
    assert outcome.code == 0
    document = outcome.document
    assert [row["name"] for row in document["random"]] == ["r", "y"]
    assert [row["name"] for row in document["tensors"]] == ["h", "z"]
    shown = cli("verify", path)
    assert "r, y (RandomNormalLike at r)" in shown.out
    assert "All other 2 float tensors agree" in shown.out
    only = cli("verify", path, "-t", "y")
    assert only.code == 0
    assert "No tensor was compared" in only.out
