"""The command lines that make a report, or one of its units, again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class CommandLines:
    """What is typed for the same again.

    Attributes
    ----------
    name : str
        Of the model's file.
    options : mapping
        As `report` takes them.
    table : Path or None
        Where the search reads a vector's ranges.
    """

    name: str
    options: Mapping[str, Any]
    table: Path | None

    def words(self, verb: str) -> list[str]:
        """Return what every call of a verb had in common."""
        options = self.options
        words = ["onnxviz", verb, self.name]
        if options["wrt"] is not None:
            words += ["--wrt", options["wrt"]]
        for key, option in (("held", "--set"), ("dims", "--dim"), ("shapes", "--shape")):
            for name, value in options[key].items():
                text = "x".join(map(str, value)) if key == "shapes" else str(value)
                words += [option, f"{name}={text}"]
        for key, option in (("value_range", "--range"), ("mean", "--mean"), ("std", "--std")):
            if options[key] is not None:
                words += [option, ",".join(f"{number:g}" for number in options[key])]
        for key in ("layout", "channels", "steps", "restarts"):
            if options[key] is not None:
                words += [f"--{key}", str(options[key])]
        if verb == "maximize" and self.table is not None:
            words += ["--data", self.table.name]
        if verb == "report" and options["data"] is not None:
            words.append(options["data"].name)
        if verb == "report":
            words += [word for source in options["inputs"] for word in ("--input", Path(source).name)]
            words += ["--label", options["label"]] if options["label"] is not None else []
        return [*words, "--seed", str(options["seed"])]

    def calls(self, made: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return a line for each call that asked for tensors.

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
