"""The documents match the program: their commands are run, their outputs compared, their lists counted."""

from __future__ import annotations

import ast
import doctest
import re
import runpy
import shlex
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import onnxviz
from onnxviz import cli as door

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = [path for path in (REPOSITORY / "README.md", REPOSITORY / "sample_models" / "README.md") if path.exists()]
VERBS = tuple(door.onnxviz.list_commands(None))


def read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def shown(document: Path) -> list[tuple[str, str]]:
    """Every command of a console block, and the output that stands below it."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.replace("\\\n", " ").partition("\n")
            if command.startswith("onnxviz "):
                found.append((command, output))
    return found


SHOWN = [(document, command, output) for document in DOCUMENTS for command, output in shown(document)]


def settled(text: str, command: str) -> list[str]:
    """Return the lines of an output without what differs between machines: numbers, widths, the device."""
    lines = []
    for line in text.strip().splitlines():
        line = re.sub(r"[-+]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?", "#", line)
        line = re.sub(r"─[─\s]*", "─", line)
        line = re.sub(r" on (?:cuda(?::#)?|cpu)$", " on a device", line)
        lines.append(" ".join(line.split()))
    if command.startswith("onnxviz verify") and any("─" in line for line in lines):
        # The tensors with the largest errors, and their order, depend on the machine; their number does not.
        first = next(place for place, line in enumerate(lines) if "─" in line) + 1
        lines[first:] = ["a row" if line.endswith(" ok") else line for line in lines[first:]]
    return lines


def matches(document: list[str], printed: list[str]) -> bool:
    """Tell whether they are the same; a line with nothing but … stands for any lines."""
    pattern = "".join(r"(?:[^\n]*\n)*" if line in ("…", "...") else re.escape(line) + r"\n" for line in document)
    return re.fullmatch(pattern, "".join(line + "\n" for line in printed)) is not None


def test_there_are_commands_to_check() -> None:
    assert {command.split()[1] for _, command, _ in SHOWN} == set(VERBS)


@pytest.mark.parametrize(
    ("document", "command", "output"),
    [pytest.param(*case, id=f"{case[0].parent.name}: {case[1]}") for case in SHOWN if case[2].strip()],
)
def test_a_document_shows_what_the_command_prints(cli, monkeypatch, tmp_path, document, command, output) -> None:
    monkeypatch.chdir(REPOSITORY)
    words, place = placed(shlex.split(command)[1:], tmp_path)
    outcome = cli(*words)
    assert outcome.code == 0, outcome.err
    wanted = settled(output, command)
    said = [text.replace(*place) if place else text for text in (outcome.out, outcome.err + outcome.out)]
    # A document may show the output of a terminal, with notes, or of a pipe.
    assert any(matches(wanted, settled(text, command)) for text in said), f"{document.name} is stale:\n{outcome.out}"


def placed(words: list[str], folder: Path) -> tuple[list[str], tuple[str, str] | None]:
    """Send what -o writes into another folder."""
    if "-o" not in words:
        return words, None
    place = words.index("-o") + 1
    target = folder / words[place]
    return [*words[:place], str(target), *words[place + 1 :]], (str(target), words[place])


@pytest.mark.parametrize(
    ("wanted", "printed", "same"),
    [
        ("a  1.5 b", "a 22 b", True),
        ("a 1.5 b", "a 1.5 c", False),
        ("a\n…\nd", "a\nb\nc\nd", True),
        ("a\n…\nd", "a\nb\nc", False),
        ("x ───────\ny", "x ── \ny", True),
        ("a", "a\nb", False),
        ("1 s on cpu", "2.5 s on cuda:0", True),
    ],
)
def test_the_comparison_forgives_numbers_alone(wanted: str, printed: str, same: bool) -> None:
    assert matches(settled(wanted, ""), settled(printed, "")) is same


@pytest.mark.parametrize("document", ["README.md", "docs/python.md"])
def test_the_python_of_a_document_runs(monkeypatch, document: str) -> None:
    monkeypatch.chdir(REPOSITORY)
    test = doctest.DocTestParser().get_doctest(read(document), {}, document, document, 0)
    assert test.examples
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert not said, "".join(said)


def test_the_custom_operator_of_the_document_works_from_end_to_end(cli, monkeypatch, tmp_path) -> None:
    """Its files are written where its commands and its Python then run."""
    document = REPOSITORY / "docs" / "extending.md"
    monkeypatch.chdir(tmp_path)
    for name, text in re.findall(
        r"^```python\n# (\w+\.py)\n(.*?)^```", read("docs/extending.md"), re.DOTALL | re.MULTILINE
    ):
        Path(name).write_text(text)
    runpy.run_path("make_model.py")
    commands = shown(document)
    assert {command.split()[1] for command, _ in commands} == {"maximize", "verify"}
    for command, output in commands:
        outcome = cli(*shlex.split(command)[1:], *(["--steps", 2] if "maximize" in command else []))
        assert outcome.code == 0, outcome.err
        wanted, said = settled(output, command), outcome.err + outcome.out
        assert matches(wanted, settled(said, command)), said
    test = doctest.DocTestParser().get_doctest(read("docs/extending.md"), {}, "extending", None, 0)
    found: list[str] = []
    doctest.DocTestRunner().run(test, out=found.append)
    assert not found, "".join(found)
    if find_spec("onnx2torch") is not None:
        values = {"x": np.linspace(-2, 2, 12, dtype=np.float32).reshape(2, 6)}
        ours, theirs = (
            onnxviz.load("snakes.onnx", plugins=[name]).network()(values)["scores"]
            for name in ("snake_ops.py", "snake_converter.py")
        )
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def examples() -> list[str]:
    """Every example of every verb's help."""
    context = door.onnxviz.make_context("onnxviz", [], resilient_parsing=True)
    texts = [door.onnxviz.help, *(door.onnxviz.get_command(context, verb).help for verb in VERBS)]
    return [line.strip() for text in texts for line in text.splitlines() if line.strip().startswith("onnxviz ")]


def test_every_verb_has_an_example() -> None:
    assert {line.split()[1] for line in examples()} == set(VERBS)


def tried() -> list[str]:
    """Every command that the sample models' document proposes, those with an output left out."""
    path = REPOSITORY / "sample_models" / "README.md"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return list(dict.fromkeys(re.findall(r"^onnxviz .+$", text, re.MULTILINE)))


# An example must start; this test does not wait for its end.
BRIEF = {
    "maximize": ["--steps", "2", "--restarts", "2"],
    "report": ["--steps", "2", "--restarts", "1", "--units", "2", "--tensors", "logits", "--budget", "none"],
    "attribute": ["--samples", "4"],
}
# The help and the document share some commands, apart from the folder.
LINES = {re.sub(r" -o \S+$", "", line): line for line in [*tried(), *examples()]}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_command_of_the_help_or_to_try_on_a_sample_model_runs(cli, monkeypatch, tmp_path, line: str) -> None:
    monkeypatch.chdir(REPOSITORY)
    words, place = placed(shlex.split(line)[1:], tmp_path)
    outcome = cli(*words, *BRIEF.get(words[0], []))
    assert outcome.code == 0, outcome.err
    assert outcome.out
    assert place is None or any(Path(place[0]).rglob("*.png"))


def test_every_command_of_the_readme_is_one() -> None:
    blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```", read("README.md"), re.DOTALL | re.MULTILINE)
    verbs = {verb for block in blocks for verb in re.findall(r"^(?:\$ )?onnxviz ([a-z]+) ", block, re.MULTILINE)}
    assert verbs == set(VERBS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def distribution(requirement: str) -> str:
    return re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0].lower()


def required(section: str, key: str) -> set[str]:
    """The packages of one list of pyproject.toml; its lists of strings are Python's as well."""
    body = read("pyproject.toml").split(f"\n[{section}]\n", 1)[1].split("\n[", 1)[0]
    text = re.search(rf"^{key} = (\[.*?\])$", body, re.DOTALL | re.MULTILINE)
    assert text is not None, key
    return {distribution(one) for one in ast.literal_eval(text.group(1))}


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_dependency_has_its_reason_and_nothing_else_is_listed() -> None:
    first, second = (part for part in read("docs/dependencies.md").split("\n\n") if part.startswith("|"))
    listed = rows(first)
    assert {row[0] for row in listed} == required("project", "dependencies")
    assert all(row[1] for row in listed)
    extras: dict[str, set[str]] = {}
    name = ""
    for row in rows(second):
        name = row[0].strip("`") or name
        extras.setdefault(name, set()).update(part.strip() for part in row[1].split(","))
        assert row[2]
    wanted = re.findall(
        r"^(\w+) = \[", read("pyproject.toml").split("[project.optional-dependencies]")[1].split("\n[")[0], re.MULTILINE
    )
    assert extras == {extra: required("project.optional-dependencies", extra) for extra in wanted}


def test_the_changelog_names_every_verb_and_the_version() -> None:
    text = read("CHANGELOG.md")
    assert [verb for verb in VERBS if f"`{verb}`" not in text] == []
    assert f"## {onnxviz.__version__}" in text


def test_all_is_what_is_public() -> None:
    tree = ast.parse(Path(onnxviz.__file__).read_text(encoding="utf-8"))
    own = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("onnxviz.")
        for alias in node.names
    }
    # `graph` is imported inside __getattr__, for Model and load.
    assert set(onnxviz.__all__) == (own - {"graph"}) | {"__version__"}
    assert all(getattr(onnxviz, name) is not None for name in onnxviz.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = onnxviz.nothing
