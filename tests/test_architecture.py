"""The architecture: a table of allowed imports, no circular imports, and rules for commands and messages."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import onnxviz.cli

PACKAGE = Path(__file__).parents[1] / "onnxviz"

GROUND = {"errors", "question", "target", "contract", "wording", "version", "supervision", "threads"}
WINGS = {"model", "methods", "drawing", "formats"}
# For each part of onnxviz: the parts that it may import, and the other packages that it must not. A module belongs to its longest prefix.
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    **{
        name: ({"errors"}, {"numpy", "torch", "onnx", "onnxruntime", "click", "rich", "PIL", "matplotlib"})
        for name in GROUND
    },
    "target": ({"errors", "question"}, {"numpy", "torch", "onnx", "onnxruntime", "click", "rich", "PIL", "matplotlib"}),
    "errors": (set(), {"numpy", "torch", "onnx", "onnxruntime", "click", "rich", "PIL", "matplotlib"}),
    "model.graph": ({*GROUND, "model.graph"}, {"torch", "onnxruntime", "click", "rich", "PIL", "matplotlib"}),
    "model.expectations": (
        {*GROUND, "model.graph", "model.expectations", "model.operators.shapes.allocation", "model.tensors.axes"},
        {"torch", "onnxruntime", "click", "rich", "PIL", "matplotlib"},
    ),
    # The roles of axes come from the graph alone, so that contracts can ask for them too.
    "model.tensors.axes": (
        {*GROUND, "model.graph", "model.tensors.axes"},
        {"torch", "onnxruntime", "click", "rich", "PIL", "matplotlib"},
    ),
    "model.tensors": (
        {*GROUND, "model.graph", "model.expectations", "model.tensors", "model.operators"},
        {"torch", "onnxruntime", "click", "rich", "PIL", "matplotlib"},
    ),
    # Functions with a kink are a base for operators and methods: torch's functions, with defined gradients.
    "kinks": ({"errors"}, {"onnx", "onnxruntime", "click", "rich", "PIL", "matplotlib"}),
    "model.operators": ({*GROUND, "kinks", "model.operators"}, {"onnxruntime", "click", "rich", "PIL", "matplotlib"}),
    # The width of a block depends on the machine, so ONNX Runtime is asked once.
    "model.operators.blocked_channels": ({*GROUND, "kinks", "model.operators"}, {"click", "rich", "PIL", "matplotlib"}),
    "model.engine": (
        {*GROUND, "kinks", "model.graph", "model.operators", "model.engine", "model.tensors.support"},
        {"onnxruntime", "click", "rich", "PIL", "matplotlib"},
    ),
    "model": ({*GROUND, "kinks", "model"}, {"click", "rich", "PIL", "matplotlib"}),
    "methods": ({*GROUND, "kinks", "methods"}, {"onnx", "onnxruntime", "click", "rich", "PIL", "matplotlib"}),
    "drawing": (
        {*GROUND, "drawing", "formats.atomic_file", "formats.image_inputs", "formats.letters"},
        {"torch", "onnx", "onnxruntime", "click", "rich"},
    ),
    "formats": ({*GROUND, "formats"}, {"torch", "onnx", "onnxruntime", "click", "rich", "matplotlib"}),
    "analyses": ({*GROUND, *WINGS, "analyses"}, {"click", "rich", "onnxruntime"}),
    "pages": ({*GROUND, *WINGS, "analyses", "pages"}, {"click", "rich", "onnx", "onnxruntime"}),
    "commands": (
        {*GROUND, "analyses", "pages", "commands", "formats.json_documents", ""},
        {"torch", "onnx", "onnxruntime"},
    ),
    "cli": ({*GROUND, "commands"}, {"torch", "onnx", "onnxruntime"}),
    "__main__": ({"cli"}, set()),
    "": ({*GROUND, "model.model", "analyses", "pages"}, {"torch", "onnx", "onnxruntime", "click", "rich"}),
}
# The folders of analyses do not import each other. Shared code lies in inputs, or in the files beside the folders.
ANALYSES_SHARED = {"inputs", "kernel_pictures", "listener", "output", "opening", "keywords", "provenance", "computing"}
# The verbs that do not need torch, and so do not wait for its import.
WITHOUT_TORCH = (
    "onnxviz",
    "onnxviz.cli",
    "onnxviz.commands.inspect",
    "onnxviz.commands.filters",
    "onnxviz.commands.activations",
    "onnxviz.commands.examples",
    "onnxviz.commands.embed",
    "onnxviz.commands.attribute",
    "onnxviz.model.tensors.support",
)


def name_of(path: Path) -> str:
    """Return a module's dotted name below the package; "" for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path: Path) -> Iterator[str]:
    """Yield all that a module imports, wherever in it: at its top, inside functions, and for type checkers alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                inside = whole.removeprefix("onnxviz.") in MODULES and whole.startswith("onnxviz.")
                yield whole if inside else node.module


def inside(path: Path) -> set[str]:
    """Return the package's own modules that a module imports."""
    found = {name for name in imports(path) if name.partition(".")[0] == "onnxviz"}
    return {name.removeprefix("onnxviz").removeprefix(".") for name in found}


def room(name: str) -> str:
    """Return the row of the table that a module stands in: the longest of its prefixes."""
    return max((one for one in ROOMS if _below(name, {one})), key=len)


def _below(name: str, allowed: set[str]) -> bool:
    return any(name == one or (one and name.startswith(one + ".")) for one in allowed) or (not name and "" in allowed)


def test_every_module_imports_what_its_room_may() -> None:
    wrong = []
    for name, path in MODULES.items():
        allowed, forbidden = ROOMS[room(name)]
        wrong += [f"{name} imports onnxviz.{other}" for other in sorted(inside(path)) if not _below(other, allowed)]
        others = {one.partition(".")[0] for one in imports(path)}
        wrong += [f"{name} imports {other}" for other in sorted(others & forbidden)]
    assert not wrong, "\n".join(wrong)


def test_rooms_of_analyses_stand_alone() -> None:
    wrong = []
    for name, path in MODULES.items():
        own = name.split(".")[1] if name.startswith("analyses.") else None
        if own is None:
            continue
        for other in inside(path):
            there = other.split(".")[1] if other.startswith("analyses.") else None
            if there is not None and there not in {own, *ANALYSES_SHARED}:
                wrong.append(f"{name} imports onnxviz.{other}")
    assert not wrong, "\n".join(wrong)


def test_no_imports_go_in_circles() -> None:
    """Imports inside functions and for type checkers count as well."""
    graph = {name: inside(path) - {name} for name, path in MODULES.items()}
    done: set[str] = set()

    def circle(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            found = circle(other, [*way, name])
            if found:
                return found
        done.add(name)
        return []

    for name in graph:
        assert not circle(name, [])


def test_commands_hold_verbs_options_and_the_terminal_alone() -> None:
    names = {path.stem for path in (PACKAGE / "commands").glob("*.py")}
    assert names == {"__init__", "options", "terminal", "termination", *onnxviz.cli._VERBS}
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in (PACKAGE / "commands").glob("*.py"))
    assert lines <= 2200
    verbs = {f"commands.{verb}" for verb in onnxviz.cli._VERBS}
    for verb in verbs:
        assert not (inside(MODULES[verb]) - {verb}) & verbs


def test_no_module_of_the_top_level_has_the_name_of_a_public_function() -> None:
    assert not set(onnxviz.__all__) & {name for name in MODULES if name and "." not in name}


def test_messages_of_the_library_name_parameters_and_no_flags() -> None:
    """Flags are the command line's: it writes them where a message names a parameter in backticks."""
    flag = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
    shown = {
        "pages.command_lines",
        "pages.sections",
        "model.operators.__main__",
    }  # command lines that a page or a document shows
    wrong = []
    for name, path in MODULES.items():
        if name.partition(".")[0] in ("commands", "cli") or name in shown:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
                wrong += [f"{name}:{node.lineno}: {found}" for found in flag.findall(node.value)]
    assert not wrong, "\n".join(wrong)


def test_modules_that_need_no_torch_do_not_import_it() -> None:
    code = f"import sys, {', '.join(WITHOUT_TORCH)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


def test_relative_imports_are_not_used() -> None:
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree)), path


def test_every_module_says_what_it_is() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_no_two_test_files_share_a_name() -> None:
    """Pytest imports them by name alone, and takes the second for the first."""
    files = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(files) == sorted(set(files))
