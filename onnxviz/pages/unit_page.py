"""The entry of a unit on the page of its tensor, from the kept result of its search."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from onnxviz.analyses.maximization.wording import in_short
from onnxviz.methods.evidence.standing import standing_of
from onnxviz.wording import number_text, question_text


def unit_entry(
    unit: int,
    row: dict[str, Any],
    picture: dict[str, Any],
    kernel: dict[str, Any] | None,
    words: Sequence[str],
    real: Mapping[str, Any] | None = None,
    values: Sequence[tuple[str, float]] = (),
) -> dict[str, Any]:
    """Return the entry of a unit, as the page's script takes it.

    Parameters
    ----------
    unit : int
        The number of the unit.
    row : dict
        The run of the unit, as `maximize --json` prints it.
    picture : dict
        "file", "width" and "height" of the picture.
    kernel : dict or None
        The same of the unit's kernel, if a convolution of the input makes the unit.
    words : sequence of str
        The command that repeats the search, without the target.
    real : mapping, optional
        The distribution of the unit's scores over the data, and its highest and lowest samples.
    values : sequence of (str, float)
        The unit's values on sample inputs, with their names.
    """
    score = _number(row["ort_score"])
    # A class name that equals the number adds nothing.
    label = row["label"] if row["label"] != str(unit) else ""
    named = f"{row['target']}" + (f" ({label})" if label else "")
    verdict = row["verdict"] or {"word": row["status"], "message": row["message"]}
    short = in_short(row)
    stands = standing_of(real, row["ort_score"]) if real is not None else ""
    told = [
        ("question", question_text(row.get("question", ""))),
        ("score", f"{score} by ONNX Runtime, from {_number(row['initial_ort_score'])} at the start"),
        ("score by torch", _number(row["score"])),
        ("verdict", ": ".join(filter(None, (verdict["word"], verdict["message"])))),
        ("starts", row["consistency"]["statement"] if row["restarts"] > 1 else "one"),
        ("when moved", f"{short['if moved']} of the score remains" if short["if moved"] != "-" else ""),
        ("real data", stands or (row["data"]["statement"] if row["data"] else "")),
        *((f"on {name}", _on(value, real)) for name, value in values),
        ("maximized instead", row["climbed"] if row["climbed"] != row["target"] else ""),
        ("search", f"{row['optimizer']}, {row['steps']} steps; {row['units']}"),
        ("remark", row["message"]),
    ]
    return {
        "unit": unit,
        "target": row["target"],
        "label": label,
        "score": row["ort_score"],
        "shown": score,
        "verdict": verdict["word"],
        "told": [[name, text] for name, text in told if text],
        "command": shlex.join([*words, "-t", row["target"]]),
        "panels": [
            {
                "title": "maximizing input",
                "alt": f"The input that drives {named} to {score}; {verdict['word']}.",
                **picture,
            },
            *([] if kernel is None else [{"title": "kernel", "alt": f"The kernel of {named}.", **kernel}]),
        ],
        **({} if real is None else {"real": _real(real, stands)}),
    }


def examples_of(real: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all samples that are shown for a unit."""
    return [*real["highest"], *real["lowest"]]


def best_of(unit: Mapping[str, Any], looks: Mapping[str, Any], count: int = 3) -> list[dict[str, Any]]:
    """Return the pictures of a unit's highest samples for the first page; none if samples are no pictures.

    Parameters
    ----------
    unit : mapping
        As `unit_entry` returns it.
    looks : mapping of str to mapping
        The display of each sample, as `Looks` returns it.
    count : int
        The largest number of pictures.

    Returns
    -------
    list of dict
        "file", "width", "height", "alt" and "box". The box is the receptive field of the unit's maximum, (x, y, width, height)
        in pixels; None if it covers half of the input or more.
    """
    shown = [one for one in unit.get("real", {}).get("highest", ())[:count] if one["id"] in looks]
    shown = [one for one in shown if looks[one["id"]]["kind"] == "picture"]
    boxes = [_box(one["window"], looks[one["id"]]) for one in shown]
    narrow = all(
        box is None or box[2] * box[3] < 0.5 * look["width"] * look["height"]
        for box, look in ((box, looks[one["id"]]) for box, one in zip(boxes, shown, strict=True))
    )
    return [
        {
            **{key: looks[one["id"]][key] for key in ("file", "width", "height")},
            "alt": f"{one['id']} drives {unit['target']} to {one['shown']}.",
            "box": box if narrow else None,
        }
        for one, box in zip(shown, boxes, strict=True)
    ]


def _box(window: Any, look: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Return a window in the pixels of a picture; None if it is empty or not two-dimensional."""
    if not window or len(window) != 2 or not look["framed"] or any(first >= last for first, last in window):
        return None
    (top, bottom), (left, right) = window
    width, height = look["width"], look["height"]
    sides = (left * width, top * height, (right - left) * width, (bottom - top) * height)
    x, y, wide, tall = (round(side, 2) for side in sides)
    return x, y, wide, tall


def _real(real: Mapping[str, Any], stands: str) -> dict[str, Any]:
    """Return the unit's scores over the data, as the page shows them."""
    known = real["statistics"]
    return {
        "stands": stands,
        "message": real["message"],
        "count": known["count"],
        "mean": _number(known["mean"]),
        "zeros": known["zeros"],
        "low": known["min"],
        "high": known["max"],
        "histogram": known["histogram"],
        **{name: [{**one, "shown": _number(one["score"])} for one in real[name]] for name in ("highest", "lowest")},
    }


def _on(value: float, real: Mapping[str, Any] | None) -> str:
    """Return the text of a unit's value on an input, with its rank among the samples of the data."""
    stands = standing_of(real, value) if real is not None else ""
    return _number(value) + (f", {stands}" if stands else "")


def _number(value: float | None) -> str:
    return "not finite" if value is None else number_text(value, 4)
