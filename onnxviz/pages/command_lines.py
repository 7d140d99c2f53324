"""Command lines that repeat a report, or the search of one of its units."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxviz.analyses.inputs.data_source import texts_of
from onnxviz.model.graph.extensions import NO_NAMES, ExtensionNames

if TYPE_CHECKING:
    from onnxviz.pages.request import ReportRequest


@dataclass(frozen=True)
class CommandLines:
    """The command lines that repeat a report.

    Attributes
    ----------
    name : str
        The name of the model's file.
    request : ReportRequest
        The request of the report.
    table : Path or None
        The table with the ranges of a vector; None if there is none.
    names : ExtensionNames
        The plugins and libraries beside the model.
    """

    name: str
    request: ReportRequest
    table: Path | None
    names: ExtensionNames = NO_NAMES

    def words(self, verb: str) -> list[str]:
        """Return the words that all command lines of a verb share."""
        request, said = self.request, self.request.said
        words = ["onnxviz", verb, self.name]
        words += [word for name in self.names.plugins for word in ("--plugin", _plugin_text(name))]
        words += [word for name in self.names.custom_ops for word in ("--custom-ops", Path(name).name)]
        if request.wrt is not None:
            names = [request.wrt] if isinstance(request.wrt, str) else request.wrt
            words += [word for name in names for word in ("--wrt", name)]
        words += [word for name, value in said.held.items() for word in ("--set", f"{name}={_held_text(value)}")]
        words += [word for name, size in said.dims.items() for word in ("--dim", f"{name}={size}")]
        for name, shape in said.shapes.items():
            words += ["--shape", f"{name}={'x'.join(map(str, shape))}"]
        for option, numbers in (("--range", said.value_range), ("--mean", said.mean), ("--std", said.std)):
            if numbers is not None:
                words += [option, ",".join(f"{number:g}" for number in numbers)]
        for option, value in (
            ("--layout", said.layout),
            ("--channels", said.channels),
            ("--kind", said.kind),
            ("--letters", said.letters),
            ("--steps", request.steps),
            ("--restarts", request.restarts),
        ):
            words += [option, str(value)] if value is not None else []
        if request.classes is not None:
            words += [
                "--classes",
                Path(request.classes).name if isinstance(request.classes, str | os.PathLike) else "…",
            ]
        if verb == "maximize" and self.table is not None:
            words += ["--data", self.table.name]
        if verb == "report":
            words += [request.data_path.name] if request.data_path is not None else []
            words += [word for source in request.inputs for word in ("--input", Path(source).name)]
            words += ["--label", request.label] if request.label is not None else []
            words += [word for text in texts_of(request.text) for word in ("--text", text)]
            words += ["--text-column", request.text_column] if request.text_column is not None else []
        if isinstance(request.vocab, str | os.PathLike):
            words += ["--vocab", Path(request.vocab).name]
        return [*words, "--seed", str(request.seed)]

    def calls(self, made: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the command line of each call that added tensors to the report.

        Parameters
        ----------
        made : sequence of mapping
            The "calls" of `ReportFolder.plan`.
        """
        found = []
        for call in made:
            chosen = [word for pattern in call["tensors"] for word in ("--tensors", pattern)]
            found.append(shlex.join([*self.words("report"), *chosen, "--units", str(call["units"]), "-o", "DIR"]))
        return found


def flagged(text: str) -> str:
    """Return a message of the library with flags in place of the parameters of a search's effort.

    Examples
    --------
    >>> flagged("x: large model: 32 steps (change with `steps`)")
    'x: large model: 32 steps (change with --steps)'
    """
    return text.replace("`steps`", "--steps").replace("`restarts`", "--restarts")


def _plugin_text(name: str) -> str:
    """Return a plugin as a command line names it; a file, like all files of these lines, without its folder."""
    return Path(name).name if name.endswith(".py") else name


def _held_text(value: Any) -> str:
    """Return the text of a held value; an ellipsis for an array, which cannot be typed."""
    return str(value) if isinstance(value, str | os.PathLike | int | float) else "…"
