"""`inspect` tells the facts of the file."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import pytest

import onnxviz

MODELS = ["digits", "digits_int8", "wine", "tones", "photo_patches", "forest", "edge_filter"]


@pytest.mark.parametrize("name", MODELS)
def test_the_document_tells_what_the_file_says(cli, samples, name: str) -> None:
    path = samples / f"{name}.onnx"
    outcome = cli("inspect", path, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    document, model = outcome.document, onnx.load(path)
    assert set(document) >= {"model", "inputs", "outputs", "operators", "parameters", "tensors"}
    facts = document["model"]
    assert set(facts) >= {"path", "sha256", "bytes", "ir_version", "opsets", "producer", "functions"}
    assert facts["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts["bytes"] == path.stat().st_size
    assert facts["ir_version"] == model.ir_version
    assert facts["opsets"] == {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    for entry in document["inputs"]:
        assert set(entry) >= {"name", "dtype", "shape", "kind", "range", "layout", "evidence"}
        assert entry["evidence"]
    assert [entry["name"] for entry in document["inputs"]] == [value.name for value in model.graph.input]
    assert [entry["name"] for entry in document["outputs"]] == [value.name for value in model.graph.output]
    counted = {(row["domain"], row["operator"]): row["count"] for row in document["operators"]}
    assert sum(counted.values()) == len(model.graph.node)
    for node in model.graph.node:
        assert (node.domain, node.op_type) in counted
    names = [row["name"] for row in document["tensors"]]
    assert len(names) == len(set(names))
    assert {output for node in model.graph.node for output in node.output if output} <= set(names)
    for row in document["tensors"]:
        assert set(row) >= {"name", "operator", "dtype", "shape", "units", "differentiable", "reason"}
        assert row["differentiable"] or row["reason"]


def test_parameters_are_the_elements_of_the_weights(cli, samples) -> None:
    path = samples / "wine.onnx"
    wanted = sum(onnx.numpy_helper.to_array(tensor).size for tensor in onnx.load(path).graph.initializer)
    assert cli("inspect", path, "--json").document["parameters"] == wanted


def test_a_pattern_chooses_tensors(cli, samples) -> None:
    path = samples / "digits.onnx"
    rows = cli("inspect", path, "conv?", "--json").document["tensors"]
    assert [row["name"] for row in rows] == ["conv1", "conv2", "conv3"]
    table = cli("inspect", path, "conv?").out
    assert [name for name in ("conv1", "conv2", "conv3", "logits") if name in table] == ["conv1", "conv2", "conv3"]


def test_a_forest_passes_no_gradient_and_says_so(cli, samples) -> None:
    document = cli("inspect", samples / "forest.onnx", "--json").document
    (row,) = document["operators"]
    assert not row["differentiable"]
    assert "TreeEnsemble" in row["reason"]
    assert "TreeEnsemble" in cli("inspect", samples / "forest.onnx").out


def test_the_input_of_a_picture_is_read_from_the_metadata(cli, samples) -> None:
    (entry,) = cli("inspect", samples / "photo_patches.onnx", "--json").document["inputs"]
    assert (entry["kind"], entry["layout"].lower(), entry["range"]) == ("image", "nchw", [[0], [255]])


# The target of a Reshape, computed from the shape of its input. A converter gives unknown sizes names such as "unk__7".
COMPUTED = """agraph (float[{0}, 4, 6] x) => (float[{0}, 24] y)
<int64 zero = {{0}}, int64[1] first = {{0}}, int64[1] from = {{1}}, int64[1] to = {{2}}, int64[1] six = {{6}}>
{{ h = Mul(x, w) s = Shape(h) n = Gather(s, zero) u = Unsqueeze(n, first) c = Slice(s, from, to) k = Mul(c, six)
   t = Concat <axis = 0> (u, k) y = Reshape(h, t) }}"""


@pytest.mark.parametrize(("batch", "told"), [("batch", "batch"), ("unk__7", None), ("3", 3)])
def test_what_the_sizes_settle_is_not_listed_and_no_size_has_a_name_that_a_tool_made_up(
    cli, written, batch: str, told: str | int | None
) -> None:
    path = written(COMPUTED.format(batch), w=np.ones((4, 6), np.float32))
    document = cli("inspect", path, "--json").document
    assert (document["nodes"], document["file_nodes"]) == (2, 8)
    assert {row["operator"]: row["count"] for row in document["operators"]} == {"Mul": 1, "Reshape": 1}
    rows = {row["name"]: row for row in document["tensors"]}
    assert not {"s", "n", "u", "c", "k"} & set(rows)
    assert rows["y"]["shape"] == [told, 24]
    assert rows["h"]["units"] == 6  # the input is read as steps by features
    assert document["inputs"][0]["shape"] == [told, 4, 6]
    assert document["outputs"][0]["shape"] == [told, 24]
    assert document["parameters"] == 24
    for words in (("inspect", path), ("inspect", path, "*")):
        assert "unk__" not in cli(*words).out
    assert "2 nodes; the file has 8" in cli("inspect", path).out


def test_a_tensor_that_the_sizes_settle_is_found_by_its_name(cli, written) -> None:
    path = written(COMPUTED.format("batch"), w=np.ones((4, 6), np.float32))
    (row,) = cli("inspect", path, "k", "--json").document["tensors"]
    assert (row["name"], row["operator"], row["shape"]) == ("k", "Mul", [1])
    refused = cli("inspect", path, "nothing*")
    assert refused.code == 2


def test_nothing_runs_for_that(cli, written, monkeypatch) -> None:
    path = written(COMPUTED.format("batch"), w=np.ones((4, 6), np.float32))
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: pytest.fail("a model was run"))
    assert cli("inspect", path, "*").code == 0


def test_the_inputs_are_read_with_the_settings_of_every_verb(cli, samples) -> None:
    path = samples / "digits.onnx"
    told = cli("inspect", path, "--kind", "array", "--json").document["inputs"][0]
    assert told["kind"] == "array"
    assert "kind given: array" in told["evidence"]
    told = cli("inspect", path, "--range", "0,255", "--json").document["inputs"][0]
    assert told["range"] == [[0.0], [255.0]]
    sized = cli("inspect", path, "conv1", "--dim", "batch=3", "--json").document["tensors"]
    assert [row["shape"] for row in sized if row["name"] == "conv1"] == [[3, 16, 8, 8]]
    refused = cli("inspect", path, "--input", "images")
    assert refused.code == 2
    assert "digits.onnx has no such input; its inputs are image" in refused.err
    assert cli("inspect", path, "--kind", "letters").code == 2


def test_tensors_behind_an_embedding_are_targets(written) -> None:
    graph = "tokens (int64[N, T] ids) => (float[N, T, 2] y) { e = Gather(table, ids)\n y = MatMul(e, w) }"
    path = written(graph, table=np.ones((9, 3), np.float32), w=np.ones((3, 2), np.float32))
    rows = {row["name"]: row for row in onnxviz.inspect(path)["tensors"]}
    assert rows["y"]["differentiable"]
    assert rows["e"]["differentiable"]
    assert (rows["ids"]["differentiable"], rows["ids"]["reason"]) == (False, "it is not moved")
