"""Inputs and outputs in unusual layouts, the same in every verb: steps first, no batch, axes of size 1, flattened pictures."""

from __future__ import annotations

import numpy as np
import onnx.parser
import onnxruntime
import pytest
from onnx import numpy_helper

import onnxviz
from onnxviz.errors import UsageError
from onnxviz.pages.plan import is_state

LAYOUTS = {
    "steps": (
        "(float[6, 1, 5] x) => (float[6, 1, 3] y)",
        "a, h, c = LSTM<hidden_size = 2>(x, w, r) one = Constant<value_ints = [1]>() s = Squeeze(a, one) y = MatMul(s, m)",
        {"w": (1, 8, 5), "r": (1, 8, 2), "m": (2, 3)},
    ),
    "policy": (
        "(float[7] x) => (float[3] y)",
        "h = MatMul(x, w) t = Tanh(h) y = MatMul(t, m)",
        {"w": (7, 4), "m": (4, 3)},
    ),
    "vector": (
        "(float[1, 1, 1, 5] x) => (float[1, 3] y)",
        "s = Sub(x, b) f = Flatten(s) y = MatMul(f, w)",
        {"b": (1, 1, 1, 5), "w": (5, 3)},
    ),
    "picture": ("(float[N, 8, 9] x) => (float[N, 3] y)", "f = Flatten(x) y = MatMul(f, w)", {"w": (72, 3)}),
}


@pytest.fixture(scope="module")
def models():
    random, found = np.random.default_rng(0), {}
    for name, (face, nodes, weights) in LAYOUTS.items():
        proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> g {face} {{ {nodes} }}')
        for weight, shape in weights.items():
            array = random.normal(size=shape).astype(np.float32)
            proto.graph.initializer.append(numpy_helper.from_array(array, weight))
        found[name] = proto
    return found


def answer(proto: onnx.ModelProto, array: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return session.run(["y"], {"x": array.astype(np.float32)})[0]


def values(name: str) -> np.ndarray:
    shape = {"steps": (6, 1, 5), "policy": (7,), "vector": (1, 1, 1, 5), "picture": (1, 8, 9)}[name]
    return np.random.default_rng(1).uniform(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "kind", "layout"),
    [("steps", "sequence", "TNF"), ("policy", "vector", "F"), ("vector", "vector", "NF"), ("picture", "image", "NHW")],
)
def test_inspect_tells_kind_and_units(models, name: str, kind: str, layout: str) -> None:
    told = onnxviz.inspect(models[name], "y")
    assert (told["inputs"][0]["kind"], told["inputs"][0]["layout"]) == (kind, layout)
    assert told["tensors"][0]["units"] == 3


@pytest.mark.parametrize(
    ("name", "target"), [("steps", "y[0, 1]"), ("policy", "y[1]"), ("vector", "y[1]"), ("picture", "y[1]")]
)
def test_every_verb_scores_alike(models, name: str, target: str) -> None:
    proto, array = models[name], values(name)
    wanted = float(answer(proto, array)[..., 1].mean())
    seen = onnxviz.activations(proto, array, [target])
    assert float(np.mean(seen.answers[0].values)) == pytest.approx(wanted, rel=1e-4)
    explained = onnxviz.attribute(proto, array, target, methods=["gradient"], baseline="zero")
    assert explained.row()["ort_score"] == pytest.approx(wanted, rel=1e-4)
    ranked = onnxviz.examples(proto, array if name in ("vector", "picture") else array[None], [target])
    assert ranked[0].highest[0]["score"] == pytest.approx(wanted, rel=1e-4)
    found = onnxviz.maximize(proto, target, steps=2, restarts=1, device="cpu")
    assert found.score == pytest.approx(float(answer(proto, found.arrays["input"])[..., 1].mean()), rel=1e-4)


@pytest.mark.parametrize(("name", "count"), [("steps", 3), ("policy", 3)])
def test_a_star_is_every_unit(models, name: str, count: int) -> None:
    assert len(onnxviz.maximize(models[name], ["y[*]"], steps=1, restarts=1, device="cpu")) == count


def test_samples_without_a_batch_run_one_by_one(models) -> None:
    rows = np.random.default_rng(2).normal(size=(4, 7)).astype(np.float32)
    (ranked,) = onnxviz.examples(models["policy"], rows, ["y[2]"], k=4)
    scores = sorted((float(answer(models["policy"], row)[2]) for row in rows), reverse=True)
    assert [one["score"] for one in ranked.highest] == pytest.approx(scores, rel=1e-4)


def test_a_layout_makes_a_picture_of_three_axes(models) -> None:
    found = onnxviz.activations(models["picture"], values("picture"), ["y"], layout="hw")
    assert found.drawing.is_picture


def stepped() -> onnx.ModelProto:
    """A GRU with the steps first, the batch behind them, and a state as input and output."""
    rng = np.random.default_rng(5)
    proto = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
        g (float[T, B, 3] x, float[1, B, 4] h) => (float[B, 2] s, float[1, B, 4] last) {
            every, last = GRU <hidden_size = 4> (x, w, r, , , h)
            end = Squeeze(last, zero)
            s = MatMul(end, v)
        }""")
    weights = {"w": (1, 12, 3), "r": (1, 12, 4), "v": (4, 2)}
    for name, shape in weights.items():
        proto.graph.initializer.append(numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name))
    proto.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.int64), "zero"))
    return proto


def scores(proto: onnx.ModelProto, one: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    fed = {"x": one[:, None].astype(np.float32), "h": np.zeros((1, 1, 4), np.float32)}
    return session.run(["s"], fed)[0][0]


def test_a_batch_behind_the_steps_is_no_axis_of_a_sample(tmp_path) -> None:
    proto, rows = stepped(), np.random.default_rng(6).normal(size=(5, 7, 3)).astype(np.float32)
    wanted = [float(scores(proto, row)[1]) for row in rows]
    told = onnxviz.inspect(proto)["inputs"][0]
    assert (told["kind"], told["layout"], told["shape"]) == ("sequence", "TNF", ["T", "B", 3])
    ranked = onnxviz.examples(proto, rows, "s[1]", k=5)
    found = {one["id"]: one["score"] for one in ranked.highest}
    assert [found[f"array#{place}"] for place in range(5)] == pytest.approx(wanted, rel=1e-4)
    # One sample may be steps by features, or have the batch of the file: in an array, a file or an archive.
    np.save(tmp_path / "plain.npy", rows[2])
    np.save(tmp_path / "own.npy", rows[2][:, None])
    np.savez(tmp_path / "both.npz", x=rows[2][:, None], h=np.zeros((1, 1, 4), np.float32))
    for sample in (rows[2], rows[2][:, None], *(str(tmp_path / name) for name in ("plain.npy", "own.npy", "both.npz"))):
        seen = onnxviz.activations(proto, sample, ["s[1]"])
        assert float(seen.answers[0].values) == pytest.approx(wanted[2], rel=1e-4)
        if not str(sample).endswith("npz"):
            explained = onnxviz.attribute(proto, sample, "s[1]", methods=["gradient"], baseline="zero")
            assert explained.row()["ort_score"] == pytest.approx(wanted[2], rel=1e-4)
            assert explained.maps["gradient"][0].shape == (7, 3)
    best = onnxviz.maximize(proto, "s[1]", steps=3, restarts=1, shapes={"x": (7, 1, 3)})
    assert best.arrays["input"].shape == (7, 1, 3)
    assert best.ort_score == pytest.approx(float(scores(proto, best.arrays["input"][:, 0])[1]), rel=1e-4)


def test_the_open_steps_of_a_sequence_have_a_usual_length() -> None:
    found = onnxviz.maximize(stepped(), "s[1]", steps=1, restarts=1, dims={"B": 4})
    assert found.arrays["input"].shape == (16, 1, 3)  # samples run one by one, whatever the size of the batch
    rows = np.random.default_rng(7).normal(size=(6, 9, 3)).astype(np.float32)
    assert onnxviz.maximize(stepped(), "s[1]", steps=1, restarts=1, data=rows).arrays["input"].shape == (9, 1, 3)


def test_a_sequence_without_steps_is_refused() -> None:
    with pytest.raises(UsageError, match="the axis of the steps is 0"):
        onnxviz.verify(stepped(), shapes={"x": (0, 1, 3)})


def test_a_report_searches_the_answers_before_the_next_states() -> None:
    model = onnxviz.load(stepped())
    assert [is_state(model, name, ["x"]) for name in ("s", "last")] == [False, True]
