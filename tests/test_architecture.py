"""The floors: cli -> commands -> methods -> {model, formats} -> errors, and what each may import from elsewhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.mark.parametrize(
    ("floor", "path"), list(modules()), ids=lambda value: value if isinstance(value, str) else value.stem
)
def test_a_module_imports_only_from_its_own_floor_and_those_below(floor: str, path: Path) -> None:
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "onnxviz":
            above = parts[1] if len(parts) > 1 else ""
            # The package's own face (onnxviz.load) is for commands alone.
            assert above in INSIDE[floor] or (floor == "commands" and not above), f"{path.name} imports {name}"
        else:
            assert parts[0] not in FORBIDDEN[floor], f"{path.name} imports {name}"


def test_one_verb_does_not_import_another() -> None:
    verbs = {"inspect", "verify", "filters", "maximize", "activations", "examples", "embed", "attribute", "report"}
    for verb in verbs:
        path = PACKAGE / "commands" / f"{verb}.py"
        assert not {name.rpartition(".")[2] for name in imports(path) if name.startswith("onnxviz.commands")} & verbs


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_modules_that_need_no_torch_do_not_import_it(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
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
