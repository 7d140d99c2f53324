"""`examples` ranks a data set as a loop over ONNX Runtime would, continues an interrupted pass, and shows the samples."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from onnxviz.formats.score_store import ScoreStore


def is_blank(path) -> bool:
    with Image.open(path) as picture:
        return len(picture.convert("RGB").getcolors(1 << 24)) < 3


@pytest.fixture(scope="module")
def digits(samples):
    """The held-out digits, and what ONNX Runtime makes of each, one at a time."""
    rows = np.load(samples / "digits_held_out.npy")
    session = onnxruntime.InferenceSession(str(samples / "digits.onnx"), providers=["CPUExecutionProvider"])
    return rows, np.concatenate([session.run(["logits"], {"image": row[None]})[0] for row in rows])


def by_target(document):
    return {row["target"]: row for row in document["runs"]}


def test_the_lists_are_those_of_a_loop_over_onnx_runtime(cli, samples, digits) -> None:
    _, logits = digits
    outcome = cli(
        "examples", samples / "digits.onnx", samples / "digits_held_out.npy", "-t", "logits[*]", "-k", 4, "--json"
    )
    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert (document["samples"], document["read"], document["known"]) == (360, 360, 0)
    runs = by_target(document)
    assert list(runs) == [f"logits[{unit}]" for unit in range(10)]
    for unit, row in enumerate(runs.values()):
        order = np.argsort(-logits[:, unit], kind="stable")
        assert [one["id"] for one in row["highest"]] == [f"digits_held_out.npy#{place}" for place in order[:4]]
        assert [one["id"] for one in row["lowest"]] == [f"digits_held_out.npy#{place}" for place in order[::-1][:4]]
        for one in (*row["highest"], *row["spread"], *row["lowest"]):
            assert one["score"] == pytest.approx(logits[int(one["id"].partition("#")[2]), unit], rel=1e-4, abs=1e-4)
        known = row["statistics"]
        assert known["mean"] == pytest.approx(logits[:, unit].mean(), rel=1e-4)
        assert known["percentiles"]["75"] == pytest.approx(np.percentile(logits[:, unit], 75), rel=1e-3)
        assert sum(known["histogram"]) == known["count"] == 360


@pytest.mark.parametrize("at", ["mean", "max"])
def test_a_spatial_unit_is_ranked_by_its_value_and_shown_where_it_is_highest(cli, samples, at) -> None:
    path, folder = samples / "photo_patches.onnx", samples / "photo_patches_held_out"
    outcome = cli("examples", path, folder, "-t", "relu1[*]", "-k", 2, "--at", at, "--json")
    model = onnx.load(path)
    model.graph.output.append(onnx.ValueInfoProto(name="relu1"))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = sorted(one.name for one in folder.iterdir())
    pixels = [np.asarray(Image.open(folder / name).convert("RGB"), np.float32) for name in names]
    maps = np.concatenate([session.run(["relu1"], {"image": np.moveaxis(one, 2, 0)[None]})[0] for one in pixels])
    scores = maps.mean(axis=(2, 3)) if at == "mean" else maps.max(axis=(2, 3))
    for unit, row in enumerate(outcome.document["runs"]):
        assert row["highest"][0]["score"] == pytest.approx(scores[:, unit].max(), rel=1e-3, abs=1e-5)
        one = row["highest"][0]
        own = maps[names.index(one["id"]), unit]
        channel, *position = one["position"]
        assert channel == unit
        assert own[tuple(position)] == pytest.approx(own.max(), rel=1e-4)
        # The receptive field of an 11 by 11 kernel with a stride of two.
        assert one["window"] == [[2 * place, 2 * place + 11] for place in position]


def test_a_sum_is_ranked_and_a_probability_named(cli, samples, digits) -> None:
    logits = digits[1]
    words = ["-t", "logits[3] - 0.5*logits[5]", "-t", "probabilities[7]"]
    runs = by_target(
        cli("examples", samples / "digits.onnx", samples / "digits_held_out.npy", *words, "--json").document
    )
    wanted = logits[:, 3] - 0.5 * logits[:, 5]
    first = runs["logits[3] - 0.5*logits[5]"]["highest"][0]
    assert first["id"] == f"digits_held_out.npy#{wanted.argmax()}"
    assert first["score"] == pytest.approx(wanted.max(), rel=1e-4)
    assert runs["probabilities[7]"]["highest"][0]["score"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "data", "target"),
    [
        ("photo_patches", "photo_patches_held_out", "relu2[3]"),
        ("tones", "tones_held_out.npy", "relu1[5]"),
        ("wine", "wine.csv", "logits[1]"),
        ("forest", "forest_benign.csv", "probabilities[0]"),
    ],
)
def test_sheets_and_tables_are_written(cli, samples, tmp_path, name, data, target) -> None:
    folder = tmp_path / "out"
    outcome = cli("examples", samples / f"{name}.onnx", samples / data, "-t", target, "-k", 3, "-o", folder, "--json")
    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert json.loads((folder / "result.json").read_text("utf-8"))["runs"] == document["runs"]
    (row,) = document["runs"]
    if document["samples"] > 1:
        assert not is_blank(row["files"][0])
    with (folder / "examples.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["id"] for line in lines if line["list"] == "highest"] == [one["id"] for one in row["highest"]]
    assert [float(line["score"]) for line in lines if line["list"] == "lowest"] == [
        one["score"] for one in row["lowest"]
    ]
    with (folder / "statistics.csv").open(encoding="utf-8") as file:
        (line,) = csv.DictReader(file)
    assert int(line["count"]) == document["samples"]
    assert float(line["p50"]) == row["statistics"]["percentiles"]["50"]


def test_a_grown_folder_pays_for_what_is_new_alone(cli, samples, tmp_path) -> None:
    data, folder = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    names = sorted(one.name for one in (samples / "photo_patches_held_out").iterdir())
    for name in names[:20]:
        shutil.copy(samples / "photo_patches_held_out" / name, data / name)
    words = ["examples", samples / "photo_patches.onnx", data, "-t", "relu2[*]", "-k", 2, "--json"]
    assert cli(*words, "-o", folder, "--sheets", 0).document["read"] == 20
    for name in names[20:]:
        shutil.copy(samples / "photo_patches_held_out" / name, data / name)
    (data / names[0]).unlink()
    grown = cli(*words, "-o", folder, "--sheets", 0, "--resume").document
    assert (grown["read"], grown["known"], grown["samples"]) == (8, 19, 27)
    fresh = cli(*words).document
    for old, new in zip(grown["runs"], fresh["runs"], strict=True):
        for name in ("highest", "spread", "lowest"):
            assert [one["score"] for one in old[name]] == pytest.approx([one["score"] for one in new[name]], abs=1e-4)
        assert old["statistics"]["mean"] == pytest.approx(new["statistics"]["mean"], abs=1e-5)
    idle = cli(*words, "-o", folder, "--sheets", 0, "--resume").document
    assert (idle["read"], idle["known"]) == (0, 27)
    assert idle["runs"] == grown["runs"]
    other = cli(*words[:3], "-t", "relu1[*]", "-o", folder, "--resume")
    assert other.code == 2
    assert "other settings" in other.err


def test_an_interrupted_pass_keeps_what_is_done_and_goes_on(cli, samples, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "out"
    words = [
        "examples",
        samples / "digits.onnx",
        samples / "digits_held_out.npy",
        "-t",
        "logits[*]",
        "--json",
        "-o",
        folder,
    ]
    added: list[int] = []
    add = ScoreStore.add

    def interrupted(store, identities, *scores):
        if sum(added) >= 100:
            raise KeyboardInterrupt
        add(store, identities, *scores)
        added.append(len(identities))

    with monkeypatch.context() as patched:
        patched.setattr("onnxviz.analyses.inputs.forward._MOST_AT_ONCE", 50)
        patched.setattr(ScoreStore, "add", interrupted)
        outcome = cli(*words)
    assert outcome.code == 130
    assert "--resume" in outcome.err
    assert not folder.exists()
    resumed = cli(*words, "--resume").document
    assert 100 <= sum(added) < 360
    assert (resumed["read"], resumed["known"]) == (360 - sum(added), sum(added))
    whole = cli(*words[:-2]).document
    assert [[one["id"] for one in row["highest"]] for row in resumed["runs"]] == [
        [one["id"] for one in row["highest"]] for row in whole["runs"]
    ]


def test_the_synthetic_picture_stands_beside_its_examples(cli, samples, tmp_path) -> None:
    model, target = samples / "digits.onnx", "logits[7]"
    assert cli("maximize", model, "-t", target, "--steps", 2, "-o", tmp_path / "made").code == 0
    words = ["examples", model, samples / "digits_held_out.npy", "-t", target, "-k", 2]
    assert cli(*words, "-o", tmp_path / "plain").code == 0
    assert cli(*words, "-o", tmp_path / "both", "--with", tmp_path / "made").code == 0
    plain, both = (np.asarray(Image.open(tmp_path / name / f"{target}.png")) for name in ("plain", "both"))
    assert plain.shape != both.shape or (plain != both).any()
    refused = cli(*words, "--with", tmp_path / "plain")
    assert refused.code == 2
    assert "maximize" in refused.err


def test_a_dead_unit_is_called_one(cli, samples) -> None:
    words = ["examples", samples / "photo_patches.onnx", samples / "photo_patches_held_out", "-t", "relu2[9]", "--json"]
    (row,) = cli(*words).document["runs"]
    assert row["status"] == "constant"
    assert "all samples have the same score, 0" in row["message"]


@pytest.mark.parametrize(
    "words", [["-t", "nothing"], ["-t", "logits[99]"], [], ["-t", "logits", "--resume"], ["-t", "logits", "-k", "0"]]
)
def test_wrong_words_are_refused(cli, samples, words) -> None:
    assert cli("examples", samples / "digits.onnx", samples / "digits_held_out.npy", *words).code == 2


@pytest.mark.parametrize("count", [1, 2, 3])
def test_batches_side_by_side_give_what_one_after_another_gives(cli, digits, samples, monkeypatch, count: int) -> None:
    monkeypatch.setattr("onnxviz.formats.prefetch.cores", lambda: count)
    words = ["-t", "conv1[*]", "-t", "logits[*]", "--at", "max", "-k", 3, "--json"]
    outcome = cli("examples", samples / "digits.onnx", samples / "digits_held_out.npy", *words)
    assert outcome.code == 0, outcome.err
    held_out = np.load(samples / "digits_held_out.npy").astype(np.float32)
    session = onnxruntime.InferenceSession(samples / "digits.onnx", providers=["CPUExecutionProvider"])
    logits = np.concatenate([session.run(["logits"], {"image": row[None]})[0] for row in held_out])
    rows = {row["target"]: row for row in outcome.document["runs"]}
    for place in range(10):
        shown = [one["score"] for one in rows[f"logits[{place}]"]["highest"]]
        np.testing.assert_allclose(shown, np.sort(logits[:, place])[::-1][:3], rtol=1e-4)


def test_maps_are_ranked_by_the_tensor_before_them_with_their_labels(cli, zipped, tmp_path) -> None:
    rows = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", rows)
    outcome = cli("examples", zipped, tmp_path / "x.npy", "-t", "y[*]", "-k", 1, "--json")
    assert outcome.code == 0, outcome.err
    assert [(row["target"], row["label"]) for row in outcome.document["runs"]] == [("p[0]", "small"), ("p[1]", "large")]
    differences = rows @ np.array([1, -3, 4])
    assert outcome.document["runs"][0]["highest"][0]["id"] == f"x.npy#{differences.argmax()}"


def test_a_folder_of_sounds_feeds_the_signal_of_several_inputs(cli, written, samples, tmp_path) -> None:
    mean = "ReduceMean <axes = [1], keepdims = 1>"
    inputs = "float[1, length] wave, float[1, 4] state"
    graph = f"g ({inputs}) => (float[1, 1] y) {{ a = {mean}(wave) b = {mean}(state) y = Add(a, b) }}"
    (tmp_path / "sounds").mkdir()
    for name in "ab":
        shutil.copy(samples / "tones_rising_chirp.wav", tmp_path / "sounds" / f"{name}.wav")
    outcome = cli("examples", written(graph), tmp_path / "sounds", "-t", "y[0]", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.document["samples"] == 2


def test_a_tensor_that_is_no_number_for_any_sample_is_named_without_a_fuss(cli, written, tmp_path) -> None:
    path = written(
        """agree (float[N, 3] x) => (float[N, 3] y) {
          a = Abs(x)
          b = Neg(a)
          y = Log(b)
        }"""
    )
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32))
    outcome = cli("examples", path, tmp_path / "rows.npy", "-t", "y[*]", "--json")
    assert outcome.code == 0, outcome.err
    assert [row["status"] for row in outcome.document["runs"]] == ["not_finite"] * 3
