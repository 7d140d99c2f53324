"""What the page of a tensor shows of each unit, from what was kept of the search."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from onnxviz.commands.maximization_trust import in_short
from onnxviz.formats.captions import number_text


def unit_entry(unit: int, row: dict[str, Any], picture: dict[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """Return one unit as the page's script takes it.

    Parameters
    ----------
    unit : int
        Its number.
    row : dict
        As `maximize --json` tells of it.
    picture : dict
        "file", "width" and "height".
    words : sequence of str
        The command that makes it again, without the target.
    """
    score = _number(row["ort_score"])
    named = f"{row['target']}" + (f" ({row['label']})" if row["label"] else "")
    verdict = row["verdict"] or {"word": row["status"], "message": row["message"]}
    short = in_short(row)
    told = [
        ("score", f"{score} by ONNX Runtime, from {_number(row['initial_ort_score'])} at the start"),
        ("by torch", _number(row["score"])),
        ("verdict", ": ".join(filter(None, (verdict["word"], verdict["message"])))),
        ("starts", row["consistency"]["statement"] if row["restarts"] > 1 else "one"),
        ("when moved", f"{short['if moved']} of the score is left" if short["if moved"] != "-" else ""),
        ("real data", row["data"]["statement"] if row["data"] else ""),
        ("climbed", row["climbed"] if row["climbed"] != row["target"] else ""),
        ("search", f"{row['optimizer']}, {row['steps']} steps; {row['units']}"),
        ("remark", row["message"]),
    ]
    return {
        "unit": unit,
        "target": row["target"],
        "label": row["label"],
        "score": row["ort_score"],
        "shown": score,
        "verdict": verdict["word"],
        "told": [[name, text] for name, text in told if text],
        "command": shlex.join([*words, "-t", row["target"]]),
        # What else shows a unit (samples that drive it, their histogram) is one more panel here.
        "panels": [
            {
                "title": "maximizing input",
                "alt": f"The input that drives {named} to {score}; {verdict['word']}.",
                **picture,
            }
        ],
    }


def _number(value: float | None) -> str:
    return "not finite" if value is None else number_text(value, 4)
