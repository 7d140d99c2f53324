"""The sections of a report: each function returns the values of a section's template.

A new section needs a function here, a template in ``onnxviz/pages/templates``, and a line in `Book._looked_at`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.kernel_pictures import (
    consensus,
    drawn_kernel,
    kernel_colors,
    kernel_letters,
    kernel_scale,
    lettered,
    matrix_picture,
    seen_by,
)
from onnxviz.errors import OnnxvizError
from onnxviz.pages.page import Section
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from onnxviz.contract import InputContract
    from onnxviz.drawing.pictures import Picture
    from onnxviz.model.model import Model

Keep = Callable[[str, "Picture"], dict[str, Any]]
"""Writes a picture to a place in the report; returns the place, and the picture's width and height."""

WORST = 12
"""The largest number of rows in the table of the verification."""


def guarded(anchor: str, title: str, template: str, look: Callable[[], dict[str, Any]]) -> Section:
    """Return a section; if its values cannot be computed, a section with the message of the error.

    Parameters
    ----------
    anchor, title, template : str
        As in `Section`.
    look : callable
        Returns the values for the template.
    """
    try:
        return Section(anchor, title, template, look())
    except OnnxvizError as error:
        return Section(anchor, title, template, message=str(error))


def facts(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the facts of the model's file, from the document of `describe`."""
    model = document["model"]
    return {
        "name": name,
        "bytes": model["bytes"],
        "sha256": model["sha256"],
        "ir_version": model["ir_version"],
        "opsets": model["opsets"],
        "producer": model["producer"],
        "functions": model["functions"],
        "parameters": document["parameters"],
        "tensors": len(document["tensors"]),
        "operators": document["operators"],
    }


def inputs(document: dict[str, Any], moving: InputContract | None, joined: Sequence[str] = ()) -> dict[str, Any]:
    """Return the contract of each input with its evidence; for the searched input, the contract `moving`.

    The inputs `joined`, if there are several, are searched as one vector, and have one entry together.
    """
    rows: list[dict[str, Any]] = []
    several = len(joined) > 1 and moving is not None
    for row in document["inputs"]:
        row = {**row, "moves": False}
        if moving is not None and several and row["name"] in joined:
            if any(one["moves"] for one in rows):
                continue
            types = dict.fromkeys(one["dtype"] for one in document["inputs"] if one["name"] in joined)
            row |= {"name": moving.name, "dtype": ", ".join(types), "shape": list(moving.shape)}
        if moving is not None and row["name"] == moving.name:
            row |= {
                "kind": moving.kind,
                "layout": moving.layout,
                "channels": moving.color,
                "range": [list(moving.low), list(moving.high)] if moving.bounded else None,
                "evidence": list(moving.evidence),
                "moves": True,
            }
        span = row["range"]
        row["low"], row["high"] = (min(span[0]), max(span[1])) if span and span[0] else (None, None)
        rows.append(row)
    return {"inputs": rows}


def filters(model: Model, source: str | None, expected: InputContract | None, keep: Keep) -> dict[str, Any]:
    """Return the kernels of the first layer, each with a picture, or one heat map of a matrix.

    Raises
    ------
    UsageError
        If no layer with constant weights follows the input.
    """
    from onnxviz.drawing.pictures import enlarge, trim
    from onnxviz.methods.kernels.filters import describe, order
    from onnxviz.model.expectations.first_layer import first_layer

    found = first_layer(model, source)
    colors = kernel_colors(found, expected if expected is not None and seen_by(model, found) == expected.name else None)
    described = describe(found.kernels, color=colors)
    content: dict[str, Any] = {
        "layer": found.layer,
        "operator": found.operator,
        "weight": found.weight,
        "shape": list(found.kernels.shape),
        "path": list(found.path),
        "colored": colors in ("rgb", "bgr"),
        "step": "sample" if found.kernels.ndim == 3 else "px",
        "rows": [asdict(described[place]) for place in order(described)],
        "sheet": None,
    }
    if found.kernels.ndim == 2:
        return {**content, "sheet": keep("filters/weights.png", trim(matrix_picture(model, found)))}
    letters = kernel_letters(
        found, expected if expected is not None and seen_by(model, found) == expected.name else None
    )
    if letters:
        content["rows"].sort(key=lambda row: row["index"])
        for row in content["rows"]:
            weights = lettered(found.kernels[row["index"]], len(letters))
            motif = consensus(weights, letters)
            row |= {"kind": motif, "text": f"motif {motif}", "orientation": None, "frequency": None}
            row["picture"] = keep(f"filters/{row['index']}.png", drawn_kernel(found, row["index"], None, letters))
            row["largest"] = float(np.abs(weights).max(initial=0.0))
        return content
    for row in content["rows"]:
        picture = drawn_kernel(found, row["index"], colors)
        row["picture"] = keep(f"filters/{row['index']}.png", enlarge(picture, max(1, 96 // max(picture.shape[:2]))))
        row["largest"] = kernel_scale(found, row["index"])
    return content


def verification(model: Model, fed: dict[str, np.ndarray], device: str) -> dict[str, Any]:
    """Compare every float tensor by torch with the same tensor by ONNX Runtime; return the comparison.

    Raises
    ------
    EvaluationError
        If torch or ONNX Runtime refuses the inputs.
    """
    from onnxviz.analyses.verification import Verification, agreements, default_tolerance
    from onnxviz.methods.devices import choose_device

    limit = default_tolerance(model)
    rows, unsupported, random = agreements(model, fed, (), limit, choose_device(device))
    model.close_sessions()
    document = Verification(model, tuple(rows), unsupported, limit, random=random).document()
    tensors = document["tensors"]
    failed = [row for row in tensors if not row["ok"]]
    failed.sort(key=lambda row: row["amplified"])
    worst = sorted(tensors, key=lambda row: -(row["max_rel_error"] or 0.0))
    return {
        "ok": document["ok"],
        "tolerance": limit,
        "compared": len(tensors),
        "agree": sum(row["ok"] for row in tensors),
        "amplified": sum(row["amplified"] for row in failed),
        "first_divergence": document["first_divergence"],
        "unsupported": document["unsupported"],
        "unconfirmed": document["unconfirmed"],
        "random": len(random),
        "drawn_by": sorted({str(draw) for draw in random.values()}),
        "rows": list({row["name"]: row for row in [*failed, *worst]}.values())[:WORST],
    }


def outputs(document: dict[str, Any], labels: Sequence[str], links: dict[str, str]) -> dict[str, Any]:
    """Return the model's outputs with their links, and the names of its classes."""
    rows = [{**row, "link": links.get(row["name"], "")} for row in document["outputs"]]
    return {"rows": rows, "labels": list(labels[:24]), "more": max(0, len(labels) - 24)}


def units(overviews: Sequence[Mapping[str, Any]], moving: str, steps: int | None = None) -> dict[str, Any]:
    """Return the units of all tensors and their numbers, from the `overview` of each tensor.

    Parameters
    ----------
    overviews : sequence of mapping
        The `overview` of each tensor.
    moving : str
        The input that is searched.
    steps : int, optional
        The number of steps to which the search was cut, because the time was short.
    """
    done, wanted, refused = (sum(one[key] for one in overviews) for key in ("done", "wanted", "refused"))
    # A tensor that cannot be searched has a message. More time would not help it.
    left = [{**one, "left": one["wanted"] - one["done"] - one["refused"]} for one in overviews]
    return {
        "tensors": list(overviews),
        "done": done,
        "wanted": wanted,
        "count": wanted - done - refused,
        "left": [one for one in left if one["left"] > 0],
        "refused": refused,
        "steps": steps,
        "moving": moving,
        "real": any(unit["best"] for one in overviews for unit in one["units"]),
    }


def made(calls: Sequence[str], seed: int, device: str, unit: str) -> dict[str, Any]:
    """Return the command lines that repeat the report, and the command line that repeats one unit."""
    return {"calls": list(calls), "seed": seed, "device": device, "unit": unit}


def searched(
    document: dict[str, Any], links: Mapping[str, str], overviews: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return an entry of the page's search for each tensor that is no weight, from the document of `describe`."""
    return [
        {
            "link": links[row["name"]],
            "name": row["name"],
            "operator": row["operator"],
            "shape": shape_text(row["shape"]),
            "reason": "" if row["differentiable"] else row["reason"],
            "done": overviews[row["name"]]["done"] if row["name"] in overviews else 0,
            "shown": row["name"] in overviews,
        }
        for row in document["tensors"]
        if row["name"] in links
    ]
