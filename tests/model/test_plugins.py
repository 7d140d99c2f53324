"""Custom operators in a module or a library that the user named: loading, refusals, values, gradients, and who is served."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import onnxviz
from onnxviz.errors import UnsupportedOperators, UsageError
from onnxviz.model.staged_session import StagedSession

SNAKE = """
import torch
from onnxviz.model.operators.declaration import operator


@operator("Snake", domain="my.ops")
def snake(x: torch.Tensor, *, alpha: float = 1.0) -> torch.Tensor:
    return x + torch.sin(alpha * x) ** 2 / alpha


@operator("Halves", domain="my.ops", until=1)
def halves(x: torch.Tensor):
    return x * 0.25, x * 0.75


@operator("Halves", domain="my.ops", since=2)
def halves_2(x: torch.Tensor):
    largest = x.argmax(-1, keepdim=True)
    return x / 2, x - x / 2, largest
"""
W = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "my_ops.py"
    path.write_text(SNAKE)
    return path


def custom(nodes: list[Any], outputs: dict[str, int], version: int = 1, **weights: np.ndarray) -> onnx.ModelProto:
    """Return a model of nodes over x, (N, 6), in a domain that only a plugin knows."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])
    made = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()]
    stored = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", [x], made, stored)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my.ops", version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def snake_model() -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Snake", ["a"], ["s"], domain="my.ops", alpha=0.5),
        helper.make_node("Snake", ["s"], ["t"], domain="my.ops"),
        helper.make_node("Add", ["t", "a"], ["y"]),  # behind two plugins' nodes and beside them
    ]
    return custom(nodes, {"y": TensorProto.FLOAT}, w=W)


def snake(x: np.ndarray, alpha: float) -> np.ndarray:
    return x + np.sin(alpha * x) ** 2 / alpha


X = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)


def test_a_declared_operator_gives_values_and_gradients(plugin: Path) -> None:
    model = onnxviz.load(snake_model(), plugins=plugin)
    a = X @ W
    wanted = snake(snake(a, 0.5), 1.0) + a
    np.testing.assert_allclose(model.network()({"x": X})["y"].numpy(), wanted, rtol=1e-5)
    np.testing.assert_allclose(model.session()({"x": X})["y"], wanted, rtol=1e-5)
    given = torch.tensor(a, requires_grad=True)
    (slope,) = torch.autograd.grad(model.network(["s"], ["a"])({"a": given})["s"].sum(), given)
    np.testing.assert_allclose(slope.numpy(), 1 + 2 * np.sin(0.5 * a) * np.cos(0.5 * a), rtol=1e-4)


def test_the_runtime_computes_all_but_what_it_does_not_know(plugin: Path) -> None:
    model = onnxviz.load(snake_model(), plugins=plugin)
    session = model.session(["y"])
    assert isinstance(session, StagedSession)
    assert list(session.inputs) == ["x"]
    np.testing.assert_array_equal(session({"x": X})["y"], session({"x": X})["y"])
    # Between two stages the values are the runtime's own.
    behind = model.session(["y"], ["t"])({"x": X, "t": np.zeros((3, 5), np.float32)})["y"]
    np.testing.assert_allclose(behind, X @ W, rtol=1e-5)
    assert not isinstance(model.session(["a"]), StagedSession)
    assert [(one.domain, one.operator, one.count) for one in model.unconfirmed] == [("my.ops", "Snake", 2)]
    assert model.provenance["unconfirmed"] == ["my.ops.Snake"]


@pytest.mark.parametrize("version", [1, 2, 7])
def test_versions_and_several_outputs(plugin: Path, version: int) -> None:
    outputs = {"small": TensorProto.FLOAT, "y": TensorProto.FLOAT}
    names = ["small", "large"] if version == 1 else ["small", "large", "place"]
    nodes = [
        helper.make_node("Halves", ["x"], names, domain="my.ops"),
        helper.make_node("Mul", ["large", "three"], ["y"]),
    ]
    if version > 1:
        nodes.append(helper.make_node("Add", ["place", "one"], ["next"]))
        outputs["next"] = TensorProto.INT64
    stored = {"three": np.array(3, np.float32), "one": np.array(1, np.int64)}
    model = onnxviz.load(custom(nodes, outputs, version, **stored), plugins=plugin)
    for found in (model.session()({"x": X}), {key: one.numpy() for key, one in model.network()({"x": X}).items()}):
        np.testing.assert_allclose(found["small"], X * (0.25 if version == 1 else 0.5), rtol=1e-6)
        np.testing.assert_allclose(found["y"], X * (2.25 if version == 1 else 1.5), rtol=1e-6)
        if version > 1:
            assert found["next"].dtype == np.int64
            np.testing.assert_array_equal(found["next"], X.argmax(-1, keepdims=True) + 1)


def test_a_plugin_serves_the_models_alone_that_name_it(plugin: Path) -> None:
    assert onnxviz.load(snake_model(), plugins=plugin).network() is not None
    alone = onnxviz.load(snake_model())
    with pytest.raises(UnsupportedOperators, match=r"my\.ops\.Snake"):
        alone.network()
    assert not alone.extensions.names
    assert alone.provenance == {"path": None, "sha256": alone.digest}


def test_nothing_is_loaded_that_a_model_names(tmp_path: Path, plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither metadata, domains, nor files beside a model make its code run."""
    monkeypatch.chdir(tmp_path)
    mark = tmp_path / "ran"
    for name in ("my_ops.py", "my.py", "ops.py", "plugin.py", "onnxviz_plugin.py", "sitecustomize.py"):
        (tmp_path / name).write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()")
    proto = snake_model()
    for key in ("plugin", "plugins", "custom_ops", "onnxviz.plugin"):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, str(plugin)
    onnx.save(proto, tmp_path / "model.onnx")
    monkeypatch.setenv("ONNXVIZ_PLUGIN", str(plugin))
    model = onnxviz.load(tmp_path / "model.onnx")
    onnxviz.inspect(model)
    onnxviz.verify(model)
    with pytest.raises(UnsupportedOperators):
        model.network()
    assert not mark.exists()


def test_a_changed_file_is_loaded_anew(plugin: Path) -> None:
    before = onnxviz.load(snake_model(), plugins=plugin)
    plugin.write_text(SNAKE.replace("x + torch.sin", "x - torch.sin"))
    after = onnxviz.load(snake_model(), plugins=plugin)
    a = X @ W
    found = [model.network(["s"], ["a"])({"a": a})["s"].numpy() for model in (before, after)]
    np.testing.assert_allclose(found[0] + found[1], 2 * a, rtol=1e-5)
    assert before.identity["extensions"] != after.identity["extensions"]
    assert set(before.identity) == {"model", "extensions"}
    assert set(onnxviz.load(snake_model()).identity) == {"model"}


def test_a_module_by_its_dotted_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "snake_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "operators.py").write_text(SNAKE)
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):  # the second time it is imported already
        model = onnxviz.load(snake_model(), plugins=["snake_package.operators"])
        assert model.network() is not None
    assert len(next(iter(model.extensions.digests.values()))) == 64
    monkeypatch.delitem(sys.modules, "snake_package.operators")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "registers no operator"),
        ("import no_such_thing", "no_such_thing"),
        ("def f(:", "line 1: SyntaxError"),
        ("\nraise SystemExit(3)", "line 2: SystemExit: 3"),
        (SNAKE + "\n\noperator('Relu')(lambda x: x)", "Relu is declared twice"),
    ],
)
def test_a_plugin_that_cannot_serve_is_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / f"ops_{abs(hash(text))}.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        onnxviz.load(snake_model(), plugins=path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.py", "no such file"),
        ("no_such_package.ops", "no module of that name is installed; for a file in this folder write ops.py"),
        ("a b", "neither a module's dotted name nor a .py file"),
    ],
)
def test_a_plugin_that_is_not_there_is_a_sentence(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        onnxviz.load(snake_model(), plugins=[name])


def test_a_library_goes_to_every_session_and_a_wrong_one_is_a_sentence(
    tmp_path: Path, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libops.so"
    with pytest.raises(UsageError, match="no such file"):
        onnxviz.load(snake_model(), custom_ops=library)
    library.write_bytes(b"no library")
    with pytest.raises(UsageError, match="no library of custom operators that ONNX Runtime can load"):
        onnxviz.load(snake_model(), custom_ops=library)
    given: list[str] = []
    monkeypatch.setattr(
        onnxruntime.SessionOptions, "register_custom_ops_library", lambda self, path: given.append(path), raising=True
    )
    model = onnxviz.load(snake_model(), plugins=plugin, custom_ops=[library])
    given.clear()
    model.session(["a"])({"x": X})
    assert given[-1] == str(library.resolve())
    assert model.provenance["custom_ops"] == [str(library.resolve())]


def test_the_names_travel_as_text_alone(plugin: Path) -> None:
    from onnxviz.pages.work import Companions

    model = onnxviz.load(snake_model(), plugins=plugin)
    sent = pickle.dumps(Companions.of(model))
    assert b"my_ops" in sent
    assert b"onnxviz_plugin" not in sent  # the module itself
    assert b"torch" not in sent


def test_a_worker_with_another_plugin_is_told(tmp_path: Path, plugin: Path) -> None:
    from onnxviz.errors import ClusterError
    from onnxviz.pages.work import Companions

    path = tmp_path / "model.onnx"
    onnx.save(snake_model(), path)
    sent = Companions.of(onnxviz.load(path, plugins=plugin))
    assert sent.opened(path).network() is not None
    plugin.write_text(SNAKE + "\n# another\n")
    with pytest.raises(ClusterError, match=r"my_ops\.py is another file on this machine"):
        sent.opened(path)


def test_bodies_keep_their_operators(plugin: Path) -> None:
    """A plugin's node inside a branch runs in torch; ONNX Runtime cannot stand aside there and says so."""
    x = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    then = helper.make_graph([helper.make_node("Snake", ["x"], ["o"], domain="my.ops")], "t", [], [x])
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["o"])], "e", [], [x])
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        helper.make_node("Greater", ["total", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], then_branch=then, else_branch=other),
    ]
    model = onnxviz.load(custom(nodes, {"y": TensorProto.FLOAT}, zero=np.array(0, np.float32)), plugins=plugin)
    found = model.network()({"x": np.abs(X)})["y"].numpy()
    np.testing.assert_allclose(found, snake(np.abs(X), 1.0), rtol=1e-5)
    with pytest.raises(onnxviz.OnnxvizError, match="`custom_ops`"):
        model.session()({"x": X})
