"""The floors: cli -> commands -> methods -> {model, formats} -> errors, and what each may import from elsewhere."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "onnxviz"

# What of onnxviz each floor may import.
INSIDE = {
    "errors": set(),
    "wording": {"errors"},
    "target": {"errors"},
    "contract": {"errors"},
    "formats": {"errors", "wording", "formats"},
    "drawing": {"errors", "wording", "drawing", "formats"},
    "model": {"errors", "target", "contract", "wording", "model"},
    "methods": {"errors", "target", "contract", "wording", "methods"},
    "pages": {"errors", "wording", "formats", "drawing", "pages"},
    "commands": {
        "errors",
        "wording",
        "target",
        "contract",
        "model",
        "formats",
        "drawing",
        "methods",
        "pages",
        "commands",
    },
}
# Third-party packages that a floor must not import.
FORBIDDEN = {
    "errors": {"numpy", "torch", "onnx", "onnxruntime", "click", "rich", "PIL", "matplotlib"},
    "target": {"numpy", "torch", "onnx", "onnxruntime", "click", "rich", "PIL", "matplotlib"},
    "contract": {"numpy", "torch", "onnx", "onnxruntime", "click", "rich", "PIL", "matplotlib"},
    "wording": {"numpy", "torch", "onnx", "onnxruntime", "click", "rich", "PIL", "matplotlib"},
    "formats": {"torch", "onnx", "onnxruntime", "click", "rich"},
    "drawing": {"torch", "onnx", "onnxruntime", "click", "rich"},
    "pages": {"torch", "onnx", "onnxruntime", "click", "rich"},
    "model": {"click", "rich", "PIL", "matplotlib"},
    "methods": {"onnx", "onnxruntime", "click", "rich", "PIL", "matplotlib"},
    "commands": {"onnx", "onnxruntime"},
}
# The verbs that never need torch, and so never wait for it.
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


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        floor = relative.parts[0].removesuffix(".py")
        if floor in INSIDE:
            yield floor, path


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_a_module_imports_only_from_its_own_floor_and_those_below() -> None:
    wrong = []
    for floor, path in modules():
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "onnxviz":
                above = parts[1] if len(parts) > 1 else ""
                # The package's own face (onnxviz.load) is for commands alone.
                allowed = above in INSIDE[floor] or (floor == "commands" and not above)
            else:
                allowed = parts[0] not in FORBIDDEN[floor]
            if not allowed:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert wrong == []


def test_one_verb_does_not_import_another() -> None:
    verbs = {"inspect", "verify", "filters", "maximize", "activations", "examples", "embed", "attribute", "report"}
    for verb in verbs:
        path = PACKAGE / "commands" / f"{verb}.py"
        assert not {name.rpartition(".")[2] for name in imports(path) if name.startswith("onnxviz.commands")} & verbs


def test_modules_that_need_no_torch_do_not_import_it() -> None:
    # One process imports them in turn: that none has brought torch by the end clears them all.
    code = (
        "import importlib, sys\n"
        "for module in sys.argv[1:]:\n"
        "    importlib.import_module(module)\n"
        "    if 'torch' in sys.modules: sys.exit(f'{module} imports torch')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *WITHOUT_TORCH], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_relative_imports_are_not_used() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(parsed(path))), path


def test_every_module_says_what_it_is() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert ast.get_docstring(parsed(path)), path


def test_no_two_test_files_share_a_name() -> None:
    """Pytest imports them by name alone, and takes the second for the first."""
    files = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(files) == sorted(set(files))
