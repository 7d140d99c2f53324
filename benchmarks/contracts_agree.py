"""Does every verb use the contract that `inspect` prints? A line for each model of a folder, and one for all of them.

    python benchmarks/contracts_agree.py FOLDER

Compared are the kind, the layout, the colors, the range and the evidence of every input that a verb moves or feeds. A folder may have an
``index.json`` with the sizes and values of its models: a list of entries with "file" and "opt" ("shapes": {name or *: sizes},
"values": {name: number}).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import onnxviz
from onnxviz.analyses.inputs.request import InputRequest
from onnxviz.contract import InputContract
from onnxviz.errors import OnnxvizError

Told = tuple[Any, ...]


def told(expected: InputContract) -> Told:
    """Return what a person is told of a contract."""
    span = (tuple(expected.low), tuple(expected.high)) if expected.bounded else None
    return expected.kind, expected.layout, expected.color, span, tuple(expected.evidence)


def of_inspect(model: onnxviz.Model, inputs: InputRequest) -> dict[str, Told]:
    """Return the contract of each input, as `inspect` prints it."""
    found = {}
    for row in onnxviz.inspect(model)["inputs"]:
        span = (tuple(row["range"][0]), tuple(row["range"][1])) if row["range"] else None
        found[row["name"]] = (row["kind"], row["layout"], row["channels"], span, tuple(row["evidence"]))
    return found


def of_maximize(model: onnxviz.Model, inputs: InputRequest) -> dict[str, Told]:
    """Return the contract of the input that `maximize` moves."""
    from onnxviz.analyses.maximization.request import MaximizationRequest
    from onnxviz.analyses.maximization.subject import choose_subject

    target = next(name for name, info in model.outputs.items() if info.is_float)
    subject = choose_subject(model, MaximizationRequest(targets=(target,), inputs=inputs))
    moving = subject.moving
    plain = len(moving.inputs) == 1 and moving.joined is None and not moving.whole
    return {moving.name: told(subject.expected)} if plain else {}


def of_data(model: onnxviz.Model, inputs: InputRequest) -> dict[str, Told]:
    """Return the contract of the input that `activations`, `examples`, `embed` and a report's data feed."""
    from onnxviz.analyses.inputs.feed import prepare_feed
    from onnxviz.analyses.inputs.request import DataRequest
    from onnxviz.analyses.listener import SILENT

    chosen = next(name for name, info in model.inputs.items() if info.is_float and name not in inputs.held)
    feed = prepare_feed(SILENT, model, DataRequest(inputs=inputs, input_name=chosen), ())
    return {name: told(one) for name, one in feed.contracts.items()}


def of_report(model: onnxviz.Model, inputs: InputRequest) -> dict[str, Told]:
    """Return the contract of the input that a report searches."""
    from onnxviz.pages.making import open_book
    from onnxviz.pages.request import ReportRequest

    assert model.path is not None
    book = open_book(model.path, ReportRequest(said=inputs))
    return {book.expected.name: told(book.expected)} if book.expected is not None else {}


def of_attribute(model: onnxviz.Model, inputs: InputRequest) -> dict[str, Told]:
    """Return the contract of the inputs that `attribute` explains."""
    from onnxviz.analyses.attribution.preparation import prepare
    from onnxviz.analyses.attribution.request import AttributionRequest
    from onnxviz.analyses.inputs.settled import settle
    from onnxviz.analyses.listener import SILENT

    name = next(name for name, info in model.inputs.items() if info.is_float and name not in inputs.held)
    settled = settle(model, inputs, running=name)
    fed = settled.feed()[name]
    sample = fed if settled.contract(name).whole else fed[0]
    target = next(name for name, info in model.outputs.items() if info.is_float)
    task = prepare(SILENT, model, {name: sample}, AttributionRequest(inputs=inputs, targets=(target,)))
    return {one.name: told(one.expected) for one in task.fed.explained if one.expected.kind != "tokens"}


VERBS = {"maximize": of_maximize, "data": of_data, "attribute": of_attribute, "report": of_report}


def differences(path: Path, inputs: InputRequest | None = None) -> tuple[list[str], list[str]]:
    """Return the verbs whose contract is another than that of `inspect`, and the verbs that do not take the model.

    Parameters
    ----------
    path : Path
        The model's file.
    inputs : InputRequest, optional
        The sizes and values that the model needs.
    """
    model, inputs = onnxviz.load(path), inputs or InputRequest()
    printed = of_inspect(model, inputs)
    differ, refused = [], []
    for verb, look in VERBS.items():
        try:
            found = look(model, inputs)
        except (OnnxvizError, StopIteration):
            refused.append(verb)
            continue
        finally:
            model.close_sessions()
        differ += [
            f"{verb}: {name} {one}, not {printed[name]}" for name, one in found.items() if printed.get(name, one) != one
        ]
    return differ, refused


def known_sizes(folder: Path, path: Path) -> InputRequest:
    """Return the sizes and values of a model from the folder's index, if there is one."""
    index = folder / "index.json"
    for entry in json.loads(index.read_text("utf-8")) if index.exists() else []:
        if (folder / entry["file"]).resolve() == path.resolve():
            names = list(onnxviz.load(path).inputs)
            asked, values = entry["opt"].get("shapes", {}), entry["opt"].get("values", {})
            shapes = {name: tuple(asked.get(name, asked.get("*", ()))) for name in names}
            return InputRequest(held=values, shapes={name: shape for name, shape in shapes.items() if shape})
    return InputRequest()


def main() -> None:
    """Print a line for each model of a folder, and one for all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    count = agree = 0
    for path in sorted(folder.rglob("*.onnx")):
        try:
            differ, refused = differences(path, known_sizes(folder, path))
        except OnnxvizError as error:
            print(f"{path.name}: cannot be read: {error}", flush=True)
            continue
        count, agree = count + 1, agree + (not differ)
        without = f" (not taken by {', '.join(refused)})" if refused else ""
        print(f"{path.name}: {'; '.join(differ) if differ else 'one contract'}{without}", flush=True)
    print(f"{agree} of {count} models: every verb uses the contract that inspect prints")


if __name__ == "__main__":
    main()
