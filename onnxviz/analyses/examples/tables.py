"""The tables of `examples`: the chosen samples, and the distribution of every target's scores."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from onnxviz.analyses.examples.sheets import LISTS

if TYPE_CHECKING:
    from onnxviz.formats.output_folder import OutputFolder


def write_tables(folder: OutputFolder, runs: list[dict[str, Any]]) -> tuple[str, ...]:
    """Write ``examples.csv`` and ``statistics.csv``; return their names."""
    from onnxviz.formats.atomic_file import atomic_file

    texts = {"examples.csv": _samples(runs), "statistics.csv": _statistics(runs)}
    for name, text in texts.items():
        with atomic_file(folder.file(name)) as file:
            file.write(text.encode("utf-8"))
    return tuple(texts)


def _samples(runs: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    texts = any("text" in one for row in runs for name in LISTS for one in row[name])
    table.writerow(
        ("target", "list", "rank", "id", "label", "score", "position", "window", *(("text",) if texts else ()))
    )
    for row in runs:
        for name in LISTS:
            for rank, one in enumerate(row[name], 1):
                window = " ".join(f"{first}:{last}" for first, last in one["window"] or ())
                position = " ".join(map(str, one["position"] or ()))
                more = (one["text"],) if texts else ()
                table.writerow(
                    (
                        row["target"],
                        name,
                        rank,
                        one["id"],
                        one["label"],
                        repr(one["score"]),
                        position,
                        window,
                        *more,
                    )
                )
    return text.getvalue()


def _statistics(runs: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    known = ("count", "not_finite", "mean", "std", "min", "max", "zeros")
    shares = list(runs[0]["statistics"]["percentiles"]) if runs else []
    table.writerow(("target", "label", *known, *(f"p{share}" for share in shares), "question"))
    for row in runs:
        figures = row["statistics"]
        cells = [figures[key] for key in known] + [figures["percentiles"][share] for share in shares]
        table.writerow(
            (row["target"], row["label"], *("" if cell is None else repr(cell) for cell in cells), row["question"])
        )
    return text.getvalue()
