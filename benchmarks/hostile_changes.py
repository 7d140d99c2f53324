"""The changes by which `hostile_files.py` makes a hostile file of a valid one."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from hostile_seeds import LARGEST_SEED
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, helper, numpy_helper

WHOLE = (
    0, 1, -1, 2, 3, 7, 8, 16, 255, 65536, 2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**62, 2**63 - 1, -(2**63), -2,
    -5,
)  # fmt: skip
REAL = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e38, -1e38, float("inf"), float("-inf"), float("nan"), 0.5, 2.0**31, 2.0**63)
NAMES = (
    "", " ", "x", "y", "../../etc/passwd", "/etc/passwd", "a/b\\c", "\x1b[31mred\x1b[0m", "\n", "\0", "a\0b", "\u202eevil",
    "<script>alert(1)</script>", "%s%s%n", "{0}", "*", "a[0]", "-t", "é" * 300, "n" * 100_000, "CON", "con.json", "\ud7ff", "🧨",
)  # fmt: skip
SHAPES = (
    [], [0], [-1], [1], [2**31], [2**62], [2**40, 2**40], [1] * 30, [2**32, 2**32], [-(2**63)], [0, 2**62],
    [65536, 65536],
)  # fmt: skip
LOCATIONS = (
    "../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin", "", ".", "model.onnx", "a\0b", "x" * 5000,
    "weights.bin",
)  # fmt: skip


@dataclass
class Draw:
    """Chance, and the other models that a change may borrow from."""

    chance: random.Random
    donors: Sequence[ModelProto]

    def node(self, proto: ModelProto) -> NodeProto | None:
        """Return a node of a model, at any depth; None if it has none."""
        every = [*all_nodes(proto)]
        return self.chance.choice(every) if every else None

    def donor(self) -> ModelProto:
        """Return another model."""
        return self.chance.choice(self.donors)

    def name(self, proto: ModelProto) -> str:
        """Return a name that the model uses, or an odd one."""
        used = [name for node in proto.graph.node for name in (*node.input, *node.output)]
        return self.chance.choice(used) if used and self.chance.random() < 0.7 else self.chance.choice(NAMES)


def graphs(proto: ModelProto) -> Iterator[GraphProto]:
    """Yield a model's graph and those inside of it."""
    stack = [proto.graph]
    while stack:
        graph = stack.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                stack += [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


def all_nodes(proto: ModelProto) -> Iterator[NodeProto]:
    """Yield the nodes of a model and of its functions, at any depth."""
    for graph in graphs(proto):
        yield from graph.node
    for function in proto.functions:
        yield from function.node


def change_input(proto: ModelProto, draw: Draw) -> None:
    """Empty, drop, rename, double or add an input of a node."""
    node = draw.node(proto)
    if node is None:
        return
    way, place = draw.chance.randrange(6), draw.chance.randrange(len(node.input)) if node.input else None
    if way == 0 and place is not None:
        node.input[place] = ""
    elif way == 1 and place is not None:
        del node.input[place]
    elif way == 2 and place is not None:
        node.input[place] = draw.name(proto)
    elif way == 3 and place is not None:
        node.input.append(node.input[place])
    elif way == 4:
        node.input.extend([draw.name(proto)] * draw.chance.choice((1, 1, 2, 40)))
    else:
        del node.input[:]


def change_output(proto: ModelProto, draw: Draw) -> None:
    """Empty, drop, rename, double or add an output of a node."""
    node = draw.node(proto)
    if node is None:
        return
    way, place = draw.chance.randrange(5), draw.chance.randrange(len(node.output)) if node.output else None
    if way == 0 and place is not None:
        node.output[place] = ""
    elif way == 1 and place is not None:
        del node.output[place]
    elif way == 2 and place is not None:
        node.output[place] = draw.name(proto)
    elif way == 3 and place is not None:
        node.output.append(node.output[place])
    else:
        node.output.append(f"extra{draw.chance.randrange(9)}")


def change_operator(proto: ModelProto, draw: Draw) -> None:
    """Give a node the operator, and perhaps the attributes, of another model's node."""
    node, other = draw.node(proto), draw.node(draw.donor())
    if node is None or other is None:
        return
    node.op_type, node.domain = (
        other.op_type,
        draw.chance.choice(
            (other.domain, other.domain, other.domain, "", "com.microsoft", "ai.onnx.ml", "ai.onnx", "x")
        ),
    )
    if draw.chance.random() < 0.7:
        del node.attribute[:]
        node.attribute.extend(copy.deepcopy(list(other.attribute)))
    if draw.chance.random() < 0.3:
        node.input.extend([node.input[0]] * max(0, len(other.input) - len(node.input)) if node.input else [])


def odd_value(chance: random.Random, attribute: AttributeProto) -> object:
    """Return an extreme value for an attribute, often of its own type."""
    count = chance.choice((0, 1, 2, 3, 4, 8, 9))
    whole, real, text = (
        (lambda: chance.choice(WHOLE)),
        (lambda: chance.choice(REAL)),
        (lambda: chance.choice(NAMES).encode("utf-8", "replace")),
    )
    by_kind: dict[int, Callable[[], object]] = {
        AttributeProto.INT: whole,
        AttributeProto.FLOAT: real,
        AttributeProto.STRING: text,
        AttributeProto.INTS: lambda: [whole() for _ in range(count or 1)],
        AttributeProto.FLOATS: lambda: [real() for _ in range(count or 1)],
        AttributeProto.STRINGS: lambda: [text() for _ in range(count or 1)],
        AttributeProto.TENSOR: lambda: helper.make_tensor(
            "t", TensorProto.INT64, [count], [whole() for _ in range(count)]
        ),
        AttributeProto.GRAPH: lambda: helper.make_graph([], "g", [], []),
    }
    kind = attribute.type if attribute.type in by_kind and chance.random() < 0.75 else chance.choice(sorted(by_kind))
    return by_kind[kind]()


def change_attribute(proto: ModelProto, draw: Draw) -> None:
    """Drop an attribute, give it an extreme value or another type, or add one of another node."""
    every = [node for node in all_nodes(proto) if node.attribute]
    node = draw.chance.choice(every) if every else draw.node(proto)
    if node is None:
        return
    way = draw.chance.randrange(10)
    if way == 0 or not node.attribute:
        other = draw.node(draw.donor())
        if other is not None:
            node.attribute.extend(copy.deepcopy(list(other.attribute)))
        return
    place = draw.chance.randrange(len(node.attribute))
    attribute = node.attribute[place]
    if way == 1:
        del node.attribute[place]
    elif way == 2:
        attribute.type = draw.chance.randrange(15)
    elif way == 3:
        for each in (attribute.ints, attribute.floats, attribute.strings):
            del each[:]
    elif way == 4 and (attribute.ints or attribute.floats):
        for each in (attribute.ints, attribute.floats):
            if each:
                each.append(each[-1]) if draw.chance.random() < 0.5 else each.pop()
    elif way == 5 and attribute.ints:
        attribute.ints[draw.chance.randrange(len(attribute.ints))] = draw.chance.choice(WHOLE)
    else:
        attribute.CopyFrom(helper.make_attribute(attribute.name, odd_value(draw.chance, attribute)))


def any_type(proto: ModelProto, draw: Draw) -> TypeProto | None:
    """Return the type of some declared value."""
    values = [value for graph in graphs(proto) for value in (*graph.input, *graph.output, *graph.value_info)]
    return draw.chance.choice(values).type if values else None


def change_shape(proto: ModelProto, draw: Draw) -> None:
    """Change a declared size: negative, vast, zero, of no name; or the number of axes."""
    kind = any_type(proto, draw)
    if kind is None:
        return
    shape = kind.tensor_type.shape
    way = draw.chance.randrange(5)
    if way == 0:
        kind.tensor_type.ClearField("shape")
    elif way == 1:
        del shape.dim[:]
        for size in draw.chance.choice(SHAPES):
            shape.dim.add(dim_value=size)
    elif way == 2 and shape.dim:
        del shape.dim[draw.chance.randrange(len(shape.dim))]
    elif way == 3 and shape.dim:
        shape.dim[draw.chance.randrange(len(shape.dim))].dim_param = draw.chance.choice(NAMES)
    elif shape.dim:
        shape.dim[draw.chance.randrange(len(shape.dim))].dim_value = draw.chance.choice(WHOLE)
    else:
        shape.dim.add(dim_value=draw.chance.choice(WHOLE))


def change_type(proto: ModelProto, draw: Draw) -> None:
    """Change a declared element type, or make a sequence, an optional, a map, a sparse tensor, or nothing of a value."""
    kind = any_type(proto, draw)
    if kind is None:
        return
    way, inside = draw.chance.randrange(8), copy.deepcopy(kind)
    if way < 3:
        kind.tensor_type.elem_type = draw.chance.choice((*range(28), 99, 2**31 - 1, -1))
    elif way == 3:
        kind.sequence_type.elem_type.CopyFrom(inside)
    elif way == 4:
        kind.optional_type.elem_type.CopyFrom(inside)
    elif way == 5:
        kind.map_type.key_type = draw.chance.randrange(20)
        kind.map_type.value_type.CopyFrom(inside)
    elif way == 6:
        kind.sparse_tensor_type.elem_type = draw.chance.randrange(20)
    else:
        kind.Clear()


def tensors(proto: ModelProto) -> list[TensorProto]:
    """Return the tensors of a model: initializers and those of attributes, at any depth."""
    found = [tensor for graph in graphs(proto) for tensor in graph.initializer]
    found += [
        part
        for graph in graphs(proto)
        for sparse in graph.sparse_initializer
        for part in (sparse.values, sparse.indices)
    ]
    found += [a.t for node in all_nodes(proto) for a in node.attribute if a.HasField("t")]
    return found


def change_tensor(proto: ModelProto, draw: Draw) -> None:
    """Change a weight: its type, its sizes, the length of its values, the values, or where they lie."""
    found = tensors(proto)
    if not found:
        return value_to_weight(proto, draw)
    tensor = draw.chance.choice(found)
    way = draw.chance.randrange(8)
    if way == 0:
        tensor.data_type = draw.chance.choice((*range(28), 99, -1))
    elif way == 1:
        del tensor.dims[:]
        tensor.dims.extend(draw.chance.choice(SHAPES))
    elif way == 2 and tensor.dims:
        tensor.dims[draw.chance.randrange(len(tensor.dims))] = draw.chance.choice(WHOLE)
    elif way == 3:
        raw = tensor.raw_data
        tensor.raw_data = draw.chance.choice(
            (b"", raw[:-1], raw + b"\0", raw * 2, bytes(draw.chance.randrange(256) for _ in range(len(raw) % 4096)))
        )
    elif way == 4:
        tensor.data_location = TensorProto.EXTERNAL
        del tensor.external_data[:]
        for key, value in (
            ("location", draw.chance.choice(LOCATIONS)),
            ("offset", str(draw.chance.choice((0, 1, -1, 2**40, 2**63, "x", "")))),
            ("length", str(draw.chance.choice((0, 64, -1, 2**40, 2**63, "1e3", "")))),
        ):
            tensor.external_data.add(key=key, value=value)
    elif way == 5 and tensor.data_type == TensorProto.INT64:
        value = np.array([draw.chance.choice(WHOLE) for _ in range(max(1, abs(sum(tensor.dims)) % 9))], np.int64)
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(value, name))
    elif way == 6:
        for each in (tensor.float_data, tensor.int64_data, tensor.int32_data, tensor.string_data, tensor.double_data):
            if each:
                each.append(each[0]) if draw.chance.random() < 0.5 else each.pop()
    else:
        tensor.float_data.extend([float("nan")] * 3)
    return None


def value_to_weight(proto: ModelProto, draw: Draw) -> None:
    """Make a weight of an input, with extreme numbers: sizes and axes are often read from one."""
    if not proto.graph.input:
        return
    value = draw.chance.choice(proto.graph.input)
    kind = value.type.tensor_type.elem_type
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    if draw.chance.random() < 0.3 or any(not 0 <= size < 100 for size in shape) or np.prod(shape, dtype=float) > 4096:
        shape = [draw.chance.choice((0, 1, 2, 3, 4, 9))]
    count = int(np.prod(shape))
    if kind == TensorProto.STRING:
        weight = helper.make_tensor(
            value.name, kind, shape, [draw.chance.choice(NAMES).encode("utf-8", "replace") for _ in range(count)]
        )
    elif kind in (TensorProto.INT64, TensorProto.INT32, TensorProto.UINT8, TensorProto.INT8):
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        span = np.iinfo(dtype)
        numbers = [min(max(draw.chance.choice(WHOLE), int(span.min)), int(span.max)) for _ in range(count)]
        weight = numpy_helper.from_array(np.array(numbers, dtype).reshape(shape), value.name)
    else:
        weight = numpy_helper.from_array(
            np.array([draw.chance.choice(REAL) for _ in range(count)], np.float32).reshape(shape), value.name
        )
    proto.graph.initializer.append(weight)


def change_sparse(proto: ModelProto, draw: Draw) -> None:
    """Make a sparse tensor of a weight, with indices that may lie outside."""
    if not proto.graph.initializer:
        return value_to_weight(proto, draw)
    place = draw.chance.randrange(len(proto.graph.initializer))
    weight = proto.graph.initializer[place]
    sparse = proto.graph.sparse_initializer.add()
    sparse.values.CopyFrom(helper.make_tensor(weight.name, TensorProto.FLOAT, [2], [1.0, 2.0]))
    shape = draw.chance.choice(([2], [2, 2], [1], [2, 30], []))
    count = int(np.prod(shape))
    sparse.indices.CopyFrom(
        helper.make_tensor("i", TensorProto.INT64, shape, [draw.chance.choice(WHOLE) for _ in range(count)])
    )
    sparse.dims.extend(weight.dims if draw.chance.random() < 0.6 else draw.chance.choice(SHAPES))
    if draw.chance.random() < 0.7:
        del proto.graph.initializer[place]
    return None


def change_opset(proto: ModelProto, draw: Draw) -> None:
    """Import another version, another domain, a domain twice, or nothing; or claim another IR version."""
    way = draw.chance.randrange(6)
    if way == 0 and proto.opset_import:
        draw.chance.choice(proto.opset_import).domain = draw.chance.choice(
            ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "x", "\0")
        )
    elif way == 1:
        proto.opset_import.add(
            domain=draw.chance.choice(("", "ai.onnx", "ai.onnx.ml", "com.microsoft")), version=draw.chance.choice(WHOLE)
        )
    elif way == 2:
        proto.ir_version = draw.chance.choice((0, 1, 2, 3, 4, 99, 2**62, -1))
    elif way == 3:
        del proto.opset_import[:]
    elif proto.opset_import:
        versions = (1, 5, 6, 7, 9, 10, 12, 13, 14, 17, 18, 20, 21, 24, 26, 999) if way == 4 else WHOLE
        draw.chance.choice(proto.opset_import).version = draw.chance.choice(versions)


def change_names(proto: ModelProto, draw: Draw) -> None:
    """Give a tensor an odd name everywhere, or a node, the graph, the producer or a property."""
    odd = draw.chance.choice(NAMES)
    used = sorted({name for node in all_nodes(proto) for name in (*node.input, *node.output)})
    if not used or draw.chance.random() < 0.3:
        proto.producer_name = proto.graph.name = odd
        proto.metadata_props.add(
            key=draw.chance.choice((odd, "Image.NominalPixelRange", "classes", "names")),
            value=draw.chance.choice(NAMES),
        )
        for node in proto.graph.node:
            node.name = odd
        return
    old = draw.chance.choice(used)
    for node in all_nodes(proto):
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = odd
    for graph in graphs(proto):
        for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            if value.name == old:
                value.name = odd


def change_order(proto: ModelProto, draw: Draw) -> None:
    """Double, drop or move a node, tie a knot, or drop or double what the graph takes and gives."""
    graph = draw.chance.choice([*graphs(proto)])
    way = draw.chance.randrange(7)
    if way == 0 and graph.node:
        graph.node.append(copy.deepcopy(draw.chance.choice(graph.node)))
    elif way == 1 and graph.node:
        del graph.node[draw.chance.randrange(len(graph.node))]
    elif way == 2 and graph.node:
        first, last = graph.node[0], graph.node[-1]
        if first.input and last.output:
            first.input[draw.chance.randrange(len(first.input))] = last.output[0]
    elif way == 3 and graph.input:
        del graph.input[draw.chance.randrange(len(graph.input))]
    elif way == 4 and graph.output:
        del graph.output[draw.chance.randrange(len(graph.output))]
    elif way == 5:
        values = draw.chance.choice((graph.input, graph.output))
        if values:
            values.append(copy.deepcopy(draw.chance.choice(values)))
    elif graph.node:
        other = draw.donor().graph
        graph.node.extend(copy.deepcopy(list(other.node)))
        graph.initializer.extend(copy.deepcopy(list(other.initializer)))


def nest(proto: ModelProto, draw: Draw) -> None:
    """Put the graph's nodes into an If, many deep, or a Loop or Scan around them."""
    graph = proto.graph
    condition = helper.make_tensor("nest_condition", TensorProto.BOOL, [], [True])
    for _ in range(draw.chance.choice((1, 2, 5, 30))):
        if proto.ByteSize() > LARGEST_SEED:
            break
        inner = GraphProto(name="inner")
        inner.node.extend(graph.node)
        inner.output.extend(graph.output)
        if draw.chance.random() < 0.2:
            inner.input.extend(graph.input)
        outputs = [value.name for value in graph.output]
        way = draw.chance.randrange(8)
        if way == 0:
            node = helper.make_node("Loop", ["nest_count", "nest_condition"], outputs, body=inner)
        elif way == 1:
            node = helper.make_node(
                "Scan",
                [value.name for value in graph.input],
                outputs,
                body=inner,
                num_scan_inputs=draw.chance.choice(WHOLE),
            )
        elif way == 2:
            node = helper.make_node("SequenceMap", [value.name for value in graph.input], outputs, body=inner)
        else:
            node = helper.make_node(
                "If",
                ["nest_condition"],
                outputs,
                then_branch=inner,
                else_branch=inner if way % 2 else GraphProto(name="e"),
            )
        del graph.node[:]
        graph.node.append(node)
    graph.initializer.append(condition)
    graph.initializer.append(helper.make_tensor("nest_count", TensorProto.INT64, [], [draw.chance.choice(WHOLE)]))


def call_functions(proto: ModelProto, draw: Draw) -> None:
    """Call a function that calls itself, another in a circle, or two of the next in a long chain; or one named as an operator is."""
    graph = proto.graph
    if not graph.node or not graph.output:
        return
    opsets = [*proto.opset_import, helper.make_opsetid("local", 1)]
    way = draw.chance.randrange(4)

    def function(name: str, *calls: str, domain: str = "local") -> None:
        between = ["a", *(f"m{place}" for place in range(len(calls) - 1)), "b"]
        nodes = [
            helper.make_node(call, [before], [after], domain=domain if call.startswith("f") else "")
            for call, before, after in zip(calls, between[:-1], between[1:], strict=True)
        ]
        proto.functions.append(helper.make_function(domain, name, ["a"], ["b"], nodes, opsets))

    first = "f0"
    if way == 0:
        function("f0", "Relu", "f0")
    elif way == 1:
        function("f0", "f1")
        function("f1", "f0")
    elif way == 2:
        depth = draw.chance.choice((3, 12, 40))
        for number in range(depth):
            function(f"f{number}", f"f{number + 1}", f"f{number + 1}")
        function(f"f{depth}", "Relu")
    else:
        first = draw.chance.choice(graph.node).op_type
        function(first, "Neg", domain=draw.chance.choice(("", "local")))
    proto.opset_import.add(domain="local", version=1)
    last = graph.node[-1]
    if last.output:
        wanted = last.output[0]
        last.output[0] = "before_call"
        graph.node.append(
            helper.make_node(
                first, ["before_call"], [wanted], domain=proto.functions[0].domain if proto.functions else "local"
            )
        )


def fields(message: Message) -> Iterator[tuple[Message, FieldDescriptor]]:
    """Yield every field that is set, at any depth, with the message that holds it."""
    stack: list[Message] = [message]
    while stack:
        current = stack.pop()
        for descriptor, value in current.ListFields():
            yield current, descriptor
            if descriptor.message_type is not None:
                stack += list(value) if is_repeated(descriptor) else [value]


def is_repeated(descriptor: FieldDescriptor) -> bool:
    """Whether a field may hold several values."""
    known = getattr(descriptor, "is_repeated", None)  # older protocol buffers tell it by a label
    return bool(known) if known is not None else descriptor.label == FieldDescriptor.LABEL_REPEATED


def odd_scalar(descriptor: FieldDescriptor, chance: random.Random, old: Any) -> Any:
    """Return an extreme value of a field's own type."""
    if descriptor.cpp_type in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_INT32):
        limit = 63 if descriptor.cpp_type == FieldDescriptor.CPPTYPE_INT64 else 31
        return min(max(chance.choice(WHOLE), -(2**limit)), 2**limit - 1)
    if descriptor.cpp_type == FieldDescriptor.CPPTYPE_UINT64:
        return abs(chance.choice(WHOLE))
    if descriptor.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return chance.choice(REAL)
    if descriptor.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return chance.choice([value.number for value in descriptor.enum_type.values])
    if isinstance(old, bytes):
        return chance.choice((b"", old[:-1], old + b"\xff", b"\xff\xfe", old * 3))
    return chance.choice(NAMES)


def change_field(proto: ModelProto, draw: Draw) -> None:
    """Change any field of the protocol buffer: clear, drop, double or exchange it, or give it an extreme value."""
    every = [*fields(proto)]
    if not every:
        return
    message, descriptor = draw.chance.choice(every)
    name = descriptor.name
    way = draw.chance.random()
    if is_repeated(descriptor):
        values = getattr(message, name)
        place = draw.chance.randrange(len(values))
        if way < 0.3:
            del values[place]
        elif way < 0.5:
            values.append(copy.deepcopy(values[place]) if descriptor.message_type else values[place])
        elif descriptor.message_type is None:
            values[place] = odd_scalar(descriptor, draw.chance, values[place])
        elif way < 0.8:
            alike = [getattr(m, d.name) for m, d in fields(draw.donor()) if d.full_name == descriptor.full_name]
            if alike:
                values[place].CopyFrom(draw.chance.choice(list(draw.chance.choice(alike))))
        else:
            values[place].Clear()
    elif way < 0.3:
        message.ClearField(name)
    elif descriptor.message_type is None:
        setattr(message, name, odd_scalar(descriptor, draw.chance, getattr(message, name)))
    else:
        alike = [getattr(m, d.name) for m, d in fields(draw.donor()) if d.full_name == descriptor.full_name]
        if alike:
            getattr(message, name).CopyFrom(draw.chance.choice(alike))


def change_bytes(data: bytes, draw: Draw) -> bytes:
    """Flip, cut, insert, repeat or exchange bytes of a file."""
    chance, changed = draw.chance, bytearray(data)
    if not changed:
        return data
    way = chance.randrange(6)
    if way < 2:
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    elif way == 2:
        del changed[chance.randrange(len(changed)) :]
    elif way == 3:
        place = chance.randrange(len(changed))
        changed[place:place] = bytes(chance.randrange(256) for _ in range(chance.choice((1, 2, 8))))
    elif way == 4:
        first, last = sorted(chance.randrange(len(changed)) for _ in range(2))
        changed[last:last] = changed[first:last]
    else:
        other = draw.donor().SerializeToString()
        changed = changed[: chance.randrange(len(changed))] + bytearray(other[chance.randrange(len(other)) :])
    return bytes(changed)


CHANGES: tuple[Callable[[ModelProto, Draw], None], ...] = (
    change_input, change_input, change_output, change_operator, change_attribute, change_attribute, change_attribute, change_shape,
    change_type, change_tensor, change_tensor, value_to_weight, change_sparse, change_opset, change_names, change_order, nest,
    call_functions, change_field, change_field, change_field,
)  # fmt: skip


def hostile(models: Sequence[ModelProto], seed: int, index: int) -> tuple[bytes, list[str]]:
    """Return file number `index` of a seed, and what was changed."""
    draw = Draw(random.Random(f"{seed}:{index}"), models)
    proto, done = copy.deepcopy(draw.donor()), []
    for _ in range(draw.chance.choice((1, 1, 1, 2, 2, 3, 5))):
        change = draw.chance.choice(CHANGES)
        done.append(change.__name__)
        try:
            change(proto, draw)
        except (ValueError, TypeError, LookupError, OverflowError, DecodeError):
            # Protocol buffers refuse some values; what was done till then stays.
            done[-1] += " in part"
        if proto.ByteSize() > 5_000_000:
            break
    data = proto.SerializeToString(deterministic=True)
    if draw.chance.random() < 0.12:
        done.append("change_bytes")
        data = change_bytes(data, draw)
    return data, done
