"""Write the lists of operators: ``python -m onnxviz.model.operators [FOLDER]``.

The verb `inspect` reads `catalog.json`, which lies beside this file, and so does not have to import torch. The file ``operators.md`` in
FOLDER is for people.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from onnxviz.model.operators.declaration import Declaration, declarations

CATALOG = Path(__file__).with_name("catalog.json")


def catalog(every: tuple[Declaration, ...]) -> str:
    """Return the text of `catalog.json`, with a row for each declaration."""
    rows = [[d.domain, d.operator, d.since, d.until, d.gradient.value] for d in every]
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"


def table(every: tuple[Declaration, ...]) -> str:
    """Return the text of ``operators.md``: a table for each domain, with a row for each declaration."""
    lines = [
        "# Operators",
        "",
        "The operators that `onnxviz` converts to differentiable torch functions. "
        "`python -m onnxviz.model.operators docs` writes this list.",
        "An operator of the ONNX domain may be missing here and have a function body in the ONNX schema. "
        "`onnxviz` then converts that body.",
        "",
        "- *smooth*: the gradient is the derivative, almost everywhere;",
        "- *straight-through*: the forward pass rounds. Inside the representable range the backward pass acts as if nothing had been "
        "rounded;",
        "- *zero*: no gradient passes, because the function is piecewise constant or its result is an index. "
        "Floor, Ceil, Round and Sign pass a straight-through gradient in two cases: if `--straight-through` asks for it, "
        "and where they are part of a quantization in float arithmetic (x / s, Round, Clip, * s).",
    ]
    for domain in sorted({d.domain for d in every}):
        lines += [
            "",
            f"## {domain or 'ai.onnx'}",
            "",
            "| operator | opsets | gradient | implemented in |",
            "|---|---|---|---|",
        ]
        for d in every:
            if d.domain == domain:
                until = "on" if d.until is None else f"to {d.until}"
                module = d.function.__module__.partition(".operators.")[2]
                lines.append(
                    f"| {d.operator} | {d.since} {until} | {d.gradient.value} | `{module}.{d.function.__name__}` |"
                )
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """Write `catalog.json`. If a folder is named, write ``operators.md`` into it."""
    every = declarations()
    CATALOG.write_text(catalog(every), encoding="utf-8")
    if arguments:
        Path(arguments[0], "operators.md").write_text(table(every), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
