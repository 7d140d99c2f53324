"""The words of a maximization's rows: for the printed table, for charts and for contact sheets."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnxviz.methods.evidence.verdict import NOT_MAXIMIZED, plus_minus


def in_short(row: dict[str, Any]) -> dict[str, str]:
    """Return the columns of a printed table: a few words each, "" where there is nothing to say."""
    kept = row["robustness"] and row["robustness"]["kept"]
    data, agreed, verdict = row["data"], row["consistency"], row["verdict"]
    above = (
        "" if data is None else "all" if data["percentile"] == 100 else f"{np.floor(data['percentile'] * 10) / 10:g} %"
    )
    starts = "1"
    if row["restarts"] > 1:
        starts = agreeing(agreed) if agreed["restarts"] else "-"
    if row["set"]:
        starts = f"{row['restarts']} together"
    words = [row["message"] or row["status"] if verdict is None else verdict_text(row) or verdict["word"]]
    # An empty target has no score, and so no finite score: it is said once.
    if verdict is not None and row["status"] in ("not_finite", "interrupted") and verdict["word"] != "empty":
        words.append(row["message"])
    return {
        "if moved": "-" if kept is None else f"{100 * kept:.0f} %",
        "above data": f"{above} of {data['samples']}" if above else "",
        "path": "" if row.get("path") is None else row["path"]["short"],
        "starts": starts,
        "verdict": ": ".join(words),
    }


def verdict_text(row: dict[str, Any]) -> str:
    """Return the word and the sentence of a verdict; "" where all is well, or where there is none."""
    verdict = row["verdict"]
    if verdict is None or verdict["word"] == "ok":
        return ""
    return ": ".join(filter(None, (verdict["word"], verdict["message"])))


def agreeing(agreed: dict[str, Any], what: str = "") -> str:
    """Return how far restarts agree, in a few words; where all found one input, that says it of their scores too."""
    kin = agreed["resemblance"]
    told = f"{agreed['agreeing']} of {agreed['restarts']} {what}agree"
    if kin is not None:
        told = f"{kin['agreeing']} of {kin['restarts']} {what}alike"
    elif agreed["agreeing"] == agreed["restarts"]:
        return told
    return told if agreed["score_spread"] is None else f"{told}, scores {plus_minus(agreed['score_spread'])}"


def caption(row: dict[str, Any]) -> str:
    """Return what a chart says of how far its score is to be trusted."""
    # One line holds the gravest finding; the others stand in the table and in the report.
    first, *others = verdict_text(row).split("; ")
    words = [first, *(one for one in others if one == NOT_MAXIMIZED)] if first else []
    if row["restarts"] > 1 and not row["set"] and row["consistency"]["restarts"] and "starts gave" not in first:
        words.append(agreeing(row["consistency"], "starts ").partition(",")[0])
    if row["data"] is not None:
        words.append(row["data"]["statement"].partition(",")[0])
    if row.get("path") is not None:
        words.append(row["path"]["statement"])
    if row["optimizer"] == "cma":
        words.append("searched without gradients")
    return "; ".join(words)


def detail(row: dict[str, Any]) -> str:
    """Return what a contact sheet says below a picture."""
    words = [f"{row['ort_score']:.4g}"]
    if row["verdict"] is not None and row["verdict"]["word"] == "empty":
        words.append("empty")
    elif row["status"] in ("not_finite", "interrupted"):
        words.append(row["status"])
    elif row["verdict"] is not None and row["verdict"]["word"] != "ok":
        words.append(row["verdict"]["word"])
    if row["data"] is not None:
        words.append(row["data"]["statement"].partition(",")[0])
    return ", ".join(words)
