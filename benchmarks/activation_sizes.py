"""Numbers of activations as onnxviz counts them, beside those that a run of ONNX Runtime hands out; the worst last.

Usage: python benchmarks/activation_sizes.py FOLDER

For each .onnx file of the folder, up to its outputs: a number for every tensor whose values depend on what is fed. Of an If it is
what the branch that ran has made; of a Loop and a Scan it is what they hand out.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
import onnxruntime

import onnxviz
from onnxviz.errors import OnnxvizError
from onnxviz.model.model import Model
from onnxviz.model.probing.measured_sizes import activation_elements
from onnxviz.model.probing.runnable_sizes import runnable_feed


def estimated(model: Model, moving: str, fed: Mapping[str, np.ndarray]) -> int:
    """Return what onnxviz counts for all samples together."""
    others = {name: value for name, value in fed.items() if name != moving}
    shape = fed[moving].shape
    return activation_elements(model, list(model.outputs), [], shape, others) * (shape[0] if shape else 1)


def measured(path: Path, moving: str, fed: Mapping[str, np.ndarray]) -> int:
    """Return what ONNX Runtime made in one run that hands out every tensor; inside branches its profiler counts."""
    proto = onnx.inliner.inline_local_functions(onnx.load(path))
    stored = {tensor.name for tensor in proto.graph.initializer}
    inside: set[str] = set()
    reached = {value.name for value in proto.graph.input} - stored
    made = reach(proto.graph.node, reached, inside, itertools.count())
    needed = {value.name for value in proto.graph.output}
    for node in reversed(proto.graph.node):
        if not needed.isdisjoint(node.output):
            needed.update(read_by(node))
    wanted = [name for name in made if name in needed]
    own = {value.name for value in proto.graph.output}
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in own)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_profiling = True
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        values = session.run(wanted, {value.name: np.asarray(fed[value.name]) for value in session.get_inputs()})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    count = math.prod(fed[moving].shape) if moving in needed else 0
    count += sum(value.size for value in values if isinstance(value, np.ndarray))
    for event in events:
        if event.get("cat") == "Node" and event["name"].removesuffix("_kernel_time") in inside:
            shapes = [shape for one in event["args"]["output_type_shape"] for shape in one.values()]
            count += sum(map(math.prod, shapes))
    return count


def reach(nodes: Iterable[onnx.NodeProto], reached: set[str], inside: set[str], numbers: Iterator[int]) -> list[str]:
    """Return the tensors whose values depend on what is fed; name and note the nodes in branches, which make the If's outputs."""
    made = []
    for node in nodes:
        if node.op_type in ("Shape", "Size") or reached.isdisjoint(read_by(node)):
            continue
        names = [name for name in node.output if name]
        reached.update(names)
        if node.op_type != "If":
            made += names
            continue
        for branch in branches_of(node):
            before = set(reached)
            reach(branch.node, before, inside, numbers)
            for inner in branch.node:
                if before.isdisjoint(inner.output) or inner.op_type == "If":
                    continue
                inner.name = f"inside {next(numbers)}"
                inside.add(inner.name)
    return made


def branches_of(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Return the graphs that a node holds."""
    return [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]


def read_by(node: onnx.NodeProto) -> set[str]:
    """Return the names that a node and its graphs read, whether they are made inside or outside."""
    handed = (value.name for branch in branches_of(node) for value in branch.output)
    inner = (name for branch in branches_of(node) for one in branch.node for name in read_by(one))
    return {*node.input, *handed, *inner}


def main() -> None:
    """Print a line for each model that runs."""
    rows = []
    for path in sorted(Path(sys.argv[1]).rglob("*.onnx")):
        try:
            model = onnxviz.load(path)
            fed, _, _ = runnable_feed(model, {}, {}, {}, 0)
            model.session()(fed)
        except OnnxvizError as error:
            print(f"{path.name}: not run: {str(error)[:100]}", file=sys.stderr)
            continue
        if not fed:
            continue
        moving = max((name for name in fed), key=lambda name: (model.inputs[name].is_float, fed[name].size))
        ours, theirs = estimated(model, moving, fed), measured(path, moving, fed)
        rows.append((abs(math.log(ours / theirs)), path.name, ours, theirs))
    for _, name, ours, theirs in sorted(rows):
        print(f"{name:32} {ours:13,} estimated {theirs:13,} measured   ratio {ours / theirs:.3f}")


if __name__ == "__main__":
    main()
