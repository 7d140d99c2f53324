"""Clips, point clouds and one-hot letters through the verbs, against ONNX Runtime and closed forms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

MOTIFS = ("TGACTCA", "CCGCGGT")
LETTERS = "ACGT"


def saved(
    path: Path,
    name: str,
    shape: list[int | str],
    nodes: list[onnx.NodeProto],
    out: list[int | str],
    **weights: np.ndarray,
) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(value, key) for key, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def motifs(tmp_path: Path) -> Path:
    """Return a network of two motif detectors: 1 for each letter of the motif, -0.5 for each other letter."""
    kernels = np.full((2, 4, 7), -0.5, np.float32)
    for unit, motif in enumerate(MOTIFS):
        kernels[unit, [LETTERS.index(letter) for letter in motif], np.arange(7)] = 1
    nodes = [
        helper.make_node("Conv", ["dna", "w"], ["h"]),
        helper.make_node("ReduceMax", ["h"], ["y"], axes=[2], keepdims=0),
    ]
    return saved(tmp_path / "motifs.onnx", "dna", ["N", 4, 30], nodes, ["N", 2], w=kernels)


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    """Return a network that pools a shared layer: unit 0 is the largest x, unit 1 the largest y + z."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("ReduceMax", ["h"], ["y"], axes=[1], keepdims=0),
    ]
    return saved(
        tmp_path / "cloud.onnx", "x", ["N", 64, 3], nodes, ["N", 2], w=np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    )


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    kernels = torch.randn(2, 3, 2, 3, 3).numpy()
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["h"]),
        helper.make_node("ReduceMean", ["h"], ["y"], axes=[2, 3, 4], keepdims=0),
    ]
    return saved(tmp_path / "clip.onnx", "x", ["N", 3, 4, 8, 8], nodes, ["N", 2], w=kernels)


def codes(text: str) -> np.ndarray:
    return np.eye(4, dtype=np.float32)[[LETTERS.index(letter) for letter in text]].T


def asked(path: Path, **fed: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(path).run(None, fed)[0]


def test_maximize_finds_the_motif(cli, motifs, tmp_path) -> None:
    found = cli("maximize", motifs, "-t", "y[0]", "-t", "y[1]", "-o", tmp_path / "o", "--json")
    assert found.code == 0, found.err
    for run, motif in zip(found.document["runs"], MOTIFS, strict=True):
        text = run["letters"]["text"]
        assert motif in text
        assert run["ort_score"] == pytest.approx(7)
        # What is saved is real letters, and the score is theirs.
        folder = Path(run["files"][0]).parent
        saved_input = np.load(folder / "arrays.npz")["input"]
        assert np.array_equal(saved_input[0], codes(text))
        assert asked(motifs, dna=saved_input)[0].max() == pytest.approx(7)
        assert (folder / "sequence.fasta").read_text().splitlines()[1] == text
        # In the closed form each letter of the motif loses 1.5; elsewhere nothing is lost.
        start = text.index(motif)
        if text.count(motif) == 1:
            assert run["letters"]["contributions"] == pytest.approx(
                [1.5 * (start <= place < start + 7) for place in range(30)]
            )


def test_filters_tell_the_motifs(cli, motifs, tmp_path) -> None:
    found = cli("filters", motifs, "-o", tmp_path / "o", "--json")
    assert [row["letters"] for row in found.document["filters"]] == list(MOTIFS)


def test_sequences_are_fed_as_one_hot_codes(cli, motifs, tmp_path) -> None:
    texts = ["ACGTTGACTCAGGGTTTACGTACGTACGTA", "CCGCGGTTTTTTTTTTTTTTTTTTTTTTTT"]
    (tmp_path / "a.fasta").write_text(f">a\n{texts[0].lower()}\n>b\n{texts[1]}\n")
    (tmp_path / "a.csv").write_text(f"id,sequence\n1,{texts[0]}\n2,{texts[1]}\n")
    wanted = asked(motifs, dna=np.stack([codes(text) for text in texts]))
    for source in (
        [tmp_path / "a.fasta"],
        [tmp_path / "a.csv", "--text-column", "sequence"],
        ["--text", texts[0], "--text", texts[1]],
    ):
        found = cli("activations", motifs, *source, "-t", "y", "-o", tmp_path / "o", "--overwrite", "--json")
        assert found.code == 0, found.err
        assert np.allclose(np.load(tmp_path / "o" / "arrays.npz")["y"], wanted)
    ranked = cli("examples", motifs, tmp_path / "a.fasta", "-t", "y[0]", "-o", tmp_path / "e", "--json")
    assert [one["id"] for one in ranked.document["runs"][0]["highest"]] == ["a.fasta#0", "a.fasta#1"]


def test_attribution_names_the_letters_of_the_motif(cli, motifs, tmp_path) -> None:
    text = "ACGTTGACTCAGGGTTTACGTACGTACGTA"
    found = cli("attribute", motifs, "--text", text, "-t", "y[0]", "-m", "occlusion", "-o", tmp_path / "o", "--json")
    assert found.code == 0, found.err
    arrays = np.load(next((tmp_path / "o").rglob("arrays.npz")))
    maps = next(array for array in arrays.values() if array.size == 30)
    assert set(np.argsort(-maps.reshape(-1))[:7]) == set(range(4, 11))


def test_a_search_starts_from_letters(cli, motifs) -> None:
    found = cli("maximize", motifs, "-t", "y[0]", "--start", "TGACTCAAAA", "--steps", "1", "--json")
    assert found.document["runs"][0]["initial_ort_score"] == pytest.approx(7)


def test_maximize_moves_points_within_their_balls(cli, cloud, tmp_path) -> None:
    found = cli("maximize", cloud, "-t", "y[*]", "-o", tmp_path / "o", "--json")
    first, second = found.document["runs"]
    # The largest x in the unit ball is 1, the largest y + z is the square root of 2.
    assert first["ort_score"] == pytest.approx(1, abs=1e-3)
    assert second["ort_score"] == pytest.approx(2**0.5, abs=1e-3)
    points = np.load(Path(first["files"][0]).parent / "arrays.npz")["input"]
    assert np.linalg.norm(points[0], axis=1).max() <= 1 + 1e-5
    assert any(file.endswith("points.ply") for file in first["files"])
    wide = cli("maximize", cloud, "-t", "y[0]", "--norm", "3", "--json").document["runs"][0]
    assert wide["ort_score"] == pytest.approx(3, abs=3e-3)


def test_every_file_of_a_cloud_is_the_same_cloud(cli, cloud, tmp_path) -> None:
    from onnxviz.formats.point_clouds import write_ply

    points = np.random.default_rng(0).uniform(-0.5, 0.5, (64, 3)).astype(np.float32)
    np.save(tmp_path / "a.npy", points)
    np.savetxt(tmp_path / "a.xyz", points)
    np.savetxt(tmp_path / "a.csv", points, delimiter=",", header="x,y,z", comments="")
    write_ply(tmp_path / "a.ply", points)
    np.save(tmp_path / "turned.npy", points.T)
    wanted = asked(cloud, x=points[None])[0]
    for name in ("a.npy", "a.xyz", "a.csv", "a.ply", "turned.npy"):
        found = cli("activations", cloud, tmp_path / name, "-t", "y", "-o", tmp_path / "o", "--overwrite", "--json")
        assert found.code == 0, found.err
        assert np.allclose(np.load(tmp_path / "o" / "arrays.npz")["y"], wanted, atol=1e-5)


def test_a_cloud_of_another_size_is_thinned_or_repeated_and_scaled(cli, cloud, tmp_path) -> None:
    points = np.random.default_rng(0).standard_normal((200, 3)) * 40 + 100
    np.savetxt(tmp_path / "a.xyz", points)
    found = cli("activations", cloud, tmp_path / "a.xyz", "-t", "y", "-o", tmp_path / "o")
    assert "64 points taken, evenly spaced" in found.err
    assert "scaled to the unit ball" in found.err
    fed = np.load(tmp_path / "o" / "arrays.npz")["x"]
    assert np.linalg.norm(fed[0], axis=1).max() == pytest.approx(1, abs=1e-5)


def test_an_attribution_of_a_cloud_has_a_value_for_each_point(cli, cloud, tmp_path) -> None:
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (64, 3)).astype(np.float32)
    np.save(tmp_path / "a.npy", points)
    found = cli(
        "attribute", cloud, tmp_path / "a.npy", "-t", "y[0]", "-m", "input-x-gradient", "-o", tmp_path / "o", "--json"
    )
    assert found.code == 0, found.err
    arrays = np.load(next((tmp_path / "o").rglob("arrays.npz")))
    # Only the point with the largest x counts.
    assert np.flatnonzero(arrays["input-x-gradient"].any(axis=1)).tolist() == [int(points[:, 0].argmax())]


def frames_of(tmp_path: Path) -> np.ndarray:
    colors = np.random.default_rng(0).integers(0, 4, (4, 3)) * 85
    frames = np.broadcast_to(colors[:, None, None], (4, 8, 8, 3)).astype(np.uint8)
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=50)
    (tmp_path / "walk").mkdir()
    for number, image in enumerate(images):
        image.save(tmp_path / "walk" / f"{number}.png")
    np.save(tmp_path / "a.npy", frames)
    return frames


def test_every_file_of_a_clip_is_the_same_clip(cli, clip, tmp_path) -> None:
    wanted = asked(clip, x=(frames_of(tmp_path).transpose(3, 0, 1, 2)[None] / 255).astype(np.float32))
    for name in ("a.gif", "walk", "a.npy"):
        found = cli(
            "activations", clip, tmp_path / name, "-t", "y", "--range", "0,1", "-o", tmp_path / "o", "--overwrite"
        )
        assert found.code == 0, found.err
        assert np.allclose(np.load(tmp_path / "o" / "arrays.npz")["y"], wanted, atol=1e-5)


def test_a_folder_of_clips_is_a_data_set(cli, clip, tmp_path) -> None:
    frames_of(tmp_path)
    (tmp_path / "a.npy").unlink()
    found = cli(
        "examples", clip, tmp_path, "-t", "y[0]", "--range", "0,1", "-o", tmp_path.parent / "examples", "--json"
    )
    assert sorted(one["id"] for one in found.document["runs"][0]["highest"]) == ["a.gif", "walk"]


def test_maximize_and_attribute_show_a_clip(cli, clip, tmp_path) -> None:
    found = cli("maximize", clip, "-t", "y[0]", "--range", "0,1", "--steps", "20", "-o", tmp_path / "o", "--json")
    (run,) = found.document["runs"]
    folder = Path(run["files"][0]).parent
    array = np.load(folder / "arrays.npz")["input"]
    assert asked(clip, x=array)[0, 0] == pytest.approx(run["ort_score"], rel=1e-5)
    with Image.open(folder / "clip.png") as image:
        assert image.n_frames == 4
    frames_of(tmp_path)
    told = cli(
        "attribute", clip, tmp_path / "a.gif", "-t", "y[0]", "-m", "input-x-gradient", "-o", tmp_path / "a", "--json"
    )
    assert told.code == 0, told.err


def test_a_still_picture_is_shown_in_all_frames(cli, clip, tmp_path) -> None:
    frames_of(tmp_path)
    found = cli("activations", clip, tmp_path / "walk" / "1.png", "-t", "y", "--range", "0,1", "-o", tmp_path / "o")
    assert "a still picture shown in all frames" in found.err
    fed = np.load(tmp_path / "o" / "arrays.npz")["x"][0]
    assert np.array_equal(fed, np.repeat(fed[:, :1], 4, axis=1))


def test_a_report_holds_every_kind(cli, motifs, tmp_path) -> None:
    (tmp_path / "a.fasta").write_text(">a\nACGTTGACTCAGGGTTTACGTACGTACGTA\n")
    found = cli(
        "report",
        motifs,
        tmp_path / "a.fasta",
        "--input",
        tmp_path / "a.fasta",
        "--units",
        "2",
        "--budget",
        "60s",
        "-o",
        tmp_path / "o",
    )
    assert found.code == 0, found.err
    page = (tmp_path / "o" / "index.html").read_text(encoding="utf-8")
    assert "TGACTCA" in page
    assert "one-hot letters" in page


def test_a_kind_told_by_hand_counts_in_every_verb(cli, motifs, tmp_path) -> None:
    signal = cli("maximize", motifs, "-t", "y[0]", "--kind", "signal", "--steps", "2", "--json")
    assert "letters" not in signal.document["runs"][0]
    turned = cli("filters", motifs, "--letters", "TGCA", "--json")
    swapped = str.maketrans("ACGT", "TGCA")
    assert [row["letters"] for row in turned.document["filters"]] == [motif.translate(swapped) for motif in MOTIFS]
    wrong = cli("activations", motifs, "--text", "ACGT", "--kind", "clip")
    assert wrong.code == 2
    assert "--kind clip: dna is Nx4x30" in wrong.err
    assert json.loads(cli("inspect", motifs, "--json").out)["inputs"][0]["kind"] == "letters"


def test_booleans_move_and_are_rounded(cli, tmp_path) -> None:
    weights = np.array([[1, -2], [-1, 3], [2, 0.5], [-0.5, -1]], np.float32)
    nodes = [
        helper.make_node("Cast", ["x"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["c", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.BOOL, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "b.onnx")
    found = cli("maximize", tmp_path / "b.onnx", "-t", "y[*]", "-o", tmp_path / "o", "--json")
    assert found.code == 0, found.err
    for unit, run in enumerate(found.document["runs"]):
        saved_input = np.load(Path(run["files"][0]).parent / "arrays.npz")["input"]
        assert saved_input.dtype == np.bool_
        assert np.array_equal(saved_input[0], weights[:, unit] > 0)
        assert run["ort_score"] == pytest.approx(weights[weights[:, unit] > 0, unit].sum())


@pytest.mark.parametrize("reader", ["Not", "And"])
def test_booleans_that_switch_do_not_move(cli, tmp_path, reader) -> None:
    inputs = ["x", "x"] if reader == "And" else ["x"]
    nodes = [helper.make_node(reader, inputs, ["c"]), helper.make_node("Cast", ["c"], ["y"], to=TensorProto.FLOAT)]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.BOOL, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "b.onnx")
    found = cli("maximize", tmp_path / "b.onnx", "-t", "y[0]")
    assert found.code == 2
    assert "has no input of numbers" in found.err


def test_letters_are_held_at_a_sequence(cli, tmp_path) -> None:
    rng = np.random.default_rng(0)
    kernels, matrix = rng.standard_normal((2, 4, 6)).astype(np.float32), rng.standard_normal((3, 2)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["dna", "w"], ["c"]),
        helper.make_node("ReduceMax", ["c"], ["m"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["age", "v"], ["a"]),
        helper.make_node("Add", ["m", "a"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info(*one)
            for one in (("age", TensorProto.FLOAT, ["N", 3]), ("dna", TensorProto.FLOAT, ["N", 4, 30]))
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(kernels, "w"), numpy_helper.from_array(matrix, "v")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "two.onnx"
    )
    text, row = "ACGTTGACTCAGGGTTTACGTACGTACGTA", rng.standard_normal((1, 3)).astype(np.float32)
    (tmp_path / "a.fasta").write_text(f">a\n{text}\n")
    np.save(tmp_path / "row.npy", row)
    wanted = asked(tmp_path / "two.onnx", age=row, dna=codes(text)[None])
    for value in (text, tmp_path / "a.fasta"):
        options = ("--input", "age", "--set", f"dna={value}", "-t", "y", "-o", tmp_path / "o", "--overwrite")
        found = cli("activations", tmp_path / "two.onnx", tmp_path / "row.npy", *options)
        assert found.code == 0, found.err
        assert np.allclose(np.load(tmp_path / "o" / "arrays.npz")["y"], wanted)
