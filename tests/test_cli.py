"""The command line: exit codes, streams, and control characters of a file that never reach the terminal."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import onnxviz
from onnxviz import cli as door
from onnxviz.analyses import opening

VERBS = ("inspect", "verify", "filters", "maximize", "activations", "examples", "embed", "attribute", "report")


@pytest.fixture(scope="module")
def cases(samples, tmp_path_factory):
    """One working call of every verb."""
    return {
        "inspect": ["inspect", samples / "digits.onnx"],
        "verify": ["verify", samples / "wine.onnx"],
        "filters": ["filters", samples / "edge_filter.onnx"],
        "maximize": ["maximize", samples / "wine.onnx", "-t", "logits[0]", "--steps", "2", "--restarts", "1"],
        "activations": ["activations", samples / "wine.onnx", samples / "wine_class_1.csv"],
        "examples": ["examples", samples / "wine.onnx", samples / "wine.csv", "-t", "logits[*]"],
        "embed": ["embed", samples / "wine.onnx", samples / "wine.csv", "-t", "relu1", "--method", "pca"],
        "attribute": ["attribute", samples / "wine.onnx", samples / "wine_class_1.csv", "-m", "gradient"],
        "report": [
            *("report", samples / "wine.onnx", "--tensors", "logits", "--steps", "2", "--restarts", "1"),
            *("--budget", "none", "--overwrite", "-o", tmp_path_factory.mktemp("reports") / "wine"),
        ],
    }


def test_help_names_every_verb_and_has_an_example(cli) -> None:
    outcome = cli("--help")
    assert outcome.code == 0
    assert outcome.err == ""
    assert "onnxviz maximize sample_models/" in outcome.out
    assert all(f"\n  {verb} " in outcome.out for verb in VERBS)
    assert tuple(door.onnxviz.list_commands(None)) == VERBS


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_help_of_a_verb_has_an_example(cli, verb: str, flag: str) -> None:
    outcome = cli(verb, flag)
    assert outcome.code == 0
    assert f"\n    onnxviz {verb} sample_models/" in outcome.out


def test_version(cli) -> None:
    outcome = cli("--version")
    assert (outcome.code, outcome.err) == (0, "")
    assert onnxviz.__version__ in outcome.out


@pytest.mark.parametrize("verb", VERBS)
def test_json_is_one_document_and_all_of_stdout(cli, cases, verb: str) -> None:
    outcome = cli(*cases[verb], "--json")
    assert outcome.code == 0
    assert outcome.out.count("\n") == 1
    assert set(outcome.document["model"]) >= {"path", "sha256"}


@pytest.mark.parametrize("verb", VERBS)
def test_quiet_leaves_stderr_empty(cli, cases, verb: str) -> None:
    outcome = cli("-q", *cases[verb])
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out


def test_notes_go_to_stderr(cli, cases) -> None:
    assert "center and spread of each feature" in cli(*cases["maximize"]).err


def aimed(verb: str) -> list[str]:
    data = ["absent.npy"] if verb in ("activations", "examples", "embed", "attribute") else []
    return [*data, *(["-t", "logits[0]"] if verb in ("maximize", "examples", "embed") else [])]


@pytest.mark.parametrize("verb", VERBS)
def test_a_missing_file_is_wrong_usage(cli, verb: str, tmp_path) -> None:
    outcome = cli(verb, tmp_path / "absent.onnx", *aimed(verb))
    assert outcome.code == 2
    assert "absent.onnx" in outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_is_no_model(cli, verb: str, tmp_path) -> None:
    outcome = cli(verb, tmp_path, *aimed(verb))
    assert outcome.code == 2
    assert "folder" in outcome.err


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_a_damaged_file_is_refused_in_a_sentence(cli, verb: str, damage: str, samples, tmp_path) -> None:
    path = tmp_path / "damaged.onnx"
    whole = (samples / "digits.onnx").read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "text": b"not a model\n" * 9, "empty": b""}[damage])
    outcome = cli(verb, path, *aimed(verb))
    assert outcome.code == 1
    assert outcome.err.startswith("onnxviz: ")
    assert "damaged.onnx" in outcome.err
    assert "unexpected" not in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize("verb", ["verify", "maximize", "filters"])
def test_an_unknown_tensor_is_wrong_usage_and_close_names_are_told(cli, verb: str, samples) -> None:
    outcome = cli(verb, samples / "digits.onnx", "-t", "logit" if verb != "filters" else "conv1x")
    assert outcome.code == 2
    assert ("logits" if verb != "filters" else "conv1") in outcome.err.replace("conv1x", "")
    assert outcome.out == ""


def test_a_pattern_without_a_match_is_wrong_usage(cli, samples) -> None:
    outcome = cli("inspect", samples / "digits.onnx", "logit")
    assert outcome.code == 2
    assert "logits" in outcome.err


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["inspect"],
        ["inspect", "MODEL", "--frobnicate"],
        ["verify", "MODEL", "--tolerance", "-1"],
        ["verify", "MODEL", "--device", "abacus"],
        ["verify", "MODEL", "--dim", "batch"],
        ["verify", "MODEL", "--dim", "batch=0"],
        ["verify", "MODEL", "--dim", "nothing=3"],
        ["verify", "MODEL", "--shape", "image=1xx8"],
        ["verify", "MODEL", "--set", "nothing=3"],
        ["verify", "MODEL", "--set", "image=absent.npy"],
        ["filters", "MODEL", "--overwrite"],
        ["filters", "MODEL", "--apply", "absent.png"],
        ["maximize", "MODEL"],
        ["maximize", "MODEL", "-t", "logits[10]"],
        ["activations", "MODEL"],
        ["activations", "MODEL", "absent.png"],
        ["activations", "MODEL", "absent.png", "-t", "nothing"],
        ["examples", "MODEL", "absent", "-t", "logits[0]"],
        ["examples", "MODEL", "-t", "logits[0]"],
        ["embed", "MODEL", "absent.npy", "-t", "logits"],
        ["maximize", "MODEL", "-t", "logits[x]"],
        ["maximize", "MODEL", "-t", "logits[0] - "],
        ["maximize", "MODEL", "-t", "logits[0]", "--steps", "0"],
        ["maximize", "MODEL", "-t", "logits[0]", "--rate", "0"],
        ["maximize", "MODEL", "-t", "logits[0]", "--range", "3,1"],
        ["maximize", "MODEL", "-t", "logits[0]", "--mean", "0.5"],
        ["maximize", "MODEL", "-t", "logits[0]", "--resume"],
        ["maximize", "MODEL", "-t", "logits[0]", "-o", "x", "--resume", "--overwrite"],
        ["maximize", "MODEL", "-t", "logits[0]", "--bounds", "0,1"],
        ["maximize", "MODEL", "-t", "logits[0]", "--wrt", "nothing"],
        ["-v", "-q", "inspect", "MODEL"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_prints_nothing(cli, samples, tmp_path, monkeypatch, words: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cli(*(samples / "digits.onnx" if word == "MODEL" else word for word in words))
    assert outcome.code == 2
    assert outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert not list(tmp_path.iterdir())


def test_an_interruption_exits_with_130(cli, cases, monkeypatch) -> None:
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("onnxviz.model.model.load", interrupt)
    outcome = cli(*cases["verify"])
    assert outcome.code == 130
    assert outcome.out == ""
    assert "Traceback" not in outcome.err


@pytest.mark.skipif(os.name == "nt", reason="nothing sends SIGTERM there")
@pytest.mark.parametrize("verb", VERBS)
def test_a_termination_exits_with_143(cli, cases, monkeypatch, verb: str) -> None:
    def terminate(*_, **__):
        signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    opening._loaded.cache_clear()  # a report loads it once for each process
    monkeypatch.setattr("onnxviz.model.model.load", terminate)
    outcome = cli(*cases[verb])
    assert (outcome.code, outcome.out, outcome.err) == (143, "", "onnxviz: terminated\n")
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("by surprise"), "by surprise"),
        (MemoryError(), "memory"),
        (PermissionError(13, "denied", "a.onnx"), "a.onnx: denied"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_unforeseen_error_is_a_sentence(cli, cases, monkeypatch, error: Exception, said: str) -> None:
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("onnxviz.model.model.load", fail)
    outcome = cli(*cases["inspect"])
    assert outcome.code == 1
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def test_verbose_shows_where_an_unforeseen_error_comes_from(cli, cases, monkeypatch) -> None:
    def fail(*_, **__):
        raise RuntimeError("by surprise")

    monkeypatch.setattr("onnxviz.model.model.load", fail)
    with pytest.raises(RuntimeError, match="by surprise"):
        cli("-v", *cases["inspect"])


@pytest.fixture
def hostile(tmp_path):
    """A model whose names would color, clear and overwrite a terminal."""
    name = "a\x1b[31m\x07\r\u202eb"
    nodes = [helper.make_node("Relu", ["in\x1b[2J"], [name]), helper.make_node("Neg", [name], ["../out\n"])]
    inputs = [helper.make_tensor_value_info("in\x1b[2J", TensorProto.FLOAT, ["n\x1b", 3])]
    outputs = [helper.make_tensor_value_info("../out\n", TensorProto.FLOAT, ["n\x1b", 3])]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="p\x1b[5m", ir_version=8
    )
    path = tmp_path / "hostile.onnx"
    onnx.save(model, path)
    return path, name


@pytest.mark.parametrize(
    "words",
    [
        ["inspect", "MODEL"],
        ["inspect", "MODEL", "*"],
        ["inspect", "MODEL", "\x1b[31m"],
        ["verify", "MODEL", "--all"],
        ["verify", "MODEL", "--tolerance", "0", "-t", "\x1b[31mx"],
        ["maximize", "MODEL", "-t", "NAME", "--steps", "2", "-o", "out"],
        ["maximize", "MODEL", "-t", "../out\n", "--steps", "2", "-o", "out"],
        ["maximize", "MODEL", "-t", "\x1b[31m", "--steps", "2"],
        ["filters", "MODEL"],
        ["activations", "MODEL", "DATA", "-t", "NAME", "-o", "out"],
        ["activations", "MODEL", "DATA", "-t", "../out\n", "-o", "out"],
        ["examples", "MODEL", "DATA", "-t", "NAME", "-o", "out"],
        ["embed", "MODEL", "DATA", "-t", "../out\n", "-o", "out"],
    ],
    ids=ascii,
)
def test_control_characters_of_a_file_do_not_reach_the_terminal(cli, hostile, monkeypatch, tmp_path, words) -> None:
    path, name = hostile
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    data = path.with_name("a\x1b[5m\u202eb.npy")
    if "DATA" in words:
        np.save(data, np.arange(15.0).reshape(5, 3))
    outcome = cli(*({"MODEL": path, "NAME": name, "DATA": data}.get(word, word) for word in words))
    data.unlink(missing_ok=True)
    assert outcome.code in (0, 1, 2)
    assert "unexpected" not in outcome.err
    for character in "\x1b\x07\r\u202e":
        assert character not in outcome.out + outcome.err
    # Nothing is written outside the requested folder.
    assert {entry.name for entry in folder.iterdir()} <= {"out"}
    assert {entry.name for entry in tmp_path.iterdir()} == {"hostile.onnx", "inside"}


def module(*words: object, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "onnxviz", *map(str, words)]
    return subprocess.run(command, check=False, text=True, stderr=subprocess.PIPE, timeout=120, **options)


def test_the_module_runs_as_the_command(samples) -> None:
    done = module("inspect", samples / "digits.onnx", "--json", stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert done.stdout.startswith('{"model"')
    assert module("inspect", "absent.onnx").returncode == 2


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise there")
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["table", "json"])
def test_a_reader_that_has_gone_is_no_error(samples, options: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = module("inspect", samples / "digits.onnx", *options, stdout=writing)
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.skipif(
    not (sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc"), reason="mallopt is GNU's"
)
def test_what_is_freed_is_used_again_without_new_pages() -> None:
    program = (
        "import resource, numpy as np; from onnxviz.cli import keep_freed_memory; keep_freed_memory()\n"
        "def touch(): np.ones(1 << 24, np.float32)\n"
        "touch(); before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(5): touch()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    # Each array has 16,384 pages of 4 kB.
    assert int(found.stdout) < 1000
