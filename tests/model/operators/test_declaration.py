"""Declarations against the schemas: no attribute is forgotten, no name is invented, inputs agree."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from onnxviz.model import operators
from onnxviz.model.operators.declaration import (
    Bool,
    Declaration,
    Float,
    Floats,
    Gradient,
    Int,
    Ints,
    Node,
    declarations,
    find,
    operator,
)

EVERY = declarations()

# Experiments that onnx has removed, and fusions that ONNX Runtime puts into ONNX's domain.
WITHOUT_SCHEMA = {
    "Affine",
    "Crop",
    "GivenTensorFill",
    "ImageScaler",
    "ParametricSoftplus",
    "Scale",
    "ScaledTanh",
    "SimplifiedLayerNormalization",
}


def history() -> dict[tuple[str, str], list[Any]]:
    table: dict[tuple[str, str], list[Any]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        table.setdefault((schema.domain, schema.name), []).append(schema)
    return {key: sorted(group, key=lambda schema: schema.since_version) for key, group in table.items()}


HISTORY = history()


def covered(declaration: Declaration) -> list[Any]:
    """Return the schema revisions in force at some opset version that a declaration covers."""
    revisions = HISTORY.get((declaration.domain, declaration.operator), [])
    found = []
    for schema, following in itertools.zip_longest(revisions, revisions[1:]):
        ends = None if following is None else following.since_version - 1
        starts_in_time = declaration.until is None or schema.since_version <= declaration.until
        ends_in_time = ends is None or ends >= declaration.since
        if starts_in_time and ends_in_time and not schema.deprecated:
            found.append(schema)
    return found


def pairs() -> Iterator[tuple[str, Declaration, Any]]:
    """Yield every declaration beside every schema that it covers, after the name of the two."""
    for declaration in EVERY:
        for schema in covered(declaration):
            domain = declaration.domain or "ai.onnx"
            name = f"{domain}.{declaration.operator}-{schema.since_version}-from{declaration.since}"
            yield name, declaration, schema


def disagreements(declaration: Declaration, schema: Any) -> Iterator[str]:
    """Yield in what the inputs of a declaration are not those of a schema."""
    option = onnx.defs.OpSchema.FormalParameterOption
    schema_is_variadic = bool(schema.inputs) and schema.inputs[-1].option == option.Variadic
    if schema_is_variadic and not declaration.variadic:
        yield "takes no list of inputs"
    if not declaration.variadic and len(declaration.parameters) < len(schema.inputs):
        yield f"takes {len(declaration.parameters)} of {len(schema.inputs)} inputs"
    # The function must accept a node without the schema's optional inputs.
    for place, value in enumerate(schema.inputs):
        if value.option == option.Optional and place in declaration.required:
            yield f"{value.name} may be missing"
    # After the schema's inputs come the inputs of other revisions, which this revision omits.
    if not schema_is_variadic and max(declaration.required, default=-1) >= len(schema.inputs):
        yield f"requires more than {len(schema.inputs)} inputs"


def test_most_declarations_have_a_schema() -> None:
    # Without a schema, the tests below would compare nothing.
    assert sum(1 for _ in pairs()) > len(EVERY)


def test_every_attribute_is_taken_or_ignored_on_purpose() -> None:
    forgotten = {name: set(schema.attributes) - set(one.attributes) - one.ignored for name, one, schema in pairs()}
    assert {name: attributes for name, attributes in forgotten.items() if attributes} == {}


def test_inputs_agree_with_the_schema() -> None:
    assert [f"{name}: {wrong}" for name, one, schema in pairs() for wrong in disagreements(one, schema)] == []


def test_no_attribute_is_invented() -> None:
    invented = {}
    for declaration in EVERY:
        # "consumed_inputs" was an attribute of whole families in opset 1, and is ignored for all of them.
        known = {"consumed_inputs"} | {name for schema in covered(declaration) for name in schema.attributes}
        if covered(declaration):
            own = set(declaration.attributes) | declaration.ignored
            invented[f"{declaration.operator}-{declaration.since}"] = own - known
    assert {name: attributes for name, attributes in invented.items() if attributes} == {}


def test_a_declaration_of_an_onnx_domain_has_a_schema() -> None:
    for domain in ("", "ai.onnx.ml"):
        # An operator that the installed onnx is too old to know cannot be judged.
        newest = max(schema.since_version for (d, _), group in HISTORY.items() if d == domain for schema in group)
        missing = {
            d.operator
            for d in EVERY
            if d.domain == domain and (domain, d.operator) not in HISTORY and d.since <= newest
        }
        assert missing <= WITHOUT_SCHEMA


def test_the_catalog_is_current() -> None:
    from onnxviz.model.operators.__main__ import CATALOG, catalog

    assert CATALOG.read_text(encoding="utf-8") == catalog(EVERY), "run: python -m onnxviz.model.operators docs"


def test_the_list_for_people_is_current() -> None:
    from onnxviz.model.operators.__main__ import table

    written = Path(__file__).parents[3] / "docs" / "operators.md"
    assert written.read_text(encoding="utf-8") == table(EVERY), "run: python -m onnxviz.model.operators docs"


def test_the_generator_writes_both_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from onnxviz.model.operators import __main__ as generator

    monkeypatch.setattr(generator, "CATALOG", tmp_path / "catalog.json")
    generator.main([str(tmp_path)])
    assert (tmp_path / "catalog.json").read_text(encoding="utf-8") == generator.catalog(EVERY)
    assert (tmp_path / "operators.md").read_text(encoding="utf-8") == generator.table(EVERY)


def test_every_module_beside_the_folders_declares_an_operator() -> None:
    # Modules without operators lie in folders, so that the list of files is a list of operator families.
    machinery = {"__init__", "__main__", "declaration"}
    modules = {path.stem for path in Path(operators.__path__[0]).glob("*.py")} - machinery
    assert modules
    declaring = {declaration.function.__module__.removeprefix(f"{operators.__name__}.") for declaration in EVERY}
    assert modules - declaring == set()


def test_declarations_of_one_operator_do_not_overlap() -> None:
    for one in EVERY:
        versions = {one.since, one.until or one.since + 100}
        for version in versions:
            assert [d for d in EVERY if (d.domain, d.operator) == (one.domain, one.operator) and d.covers(version)] == [
                one
            ]
    with pytest.raises(ValueError, match=r"Relu is declared twice for opset 14"):
        operator("Relu", since=14)(lambda x: x)


def test_find_picks_the_range_that_covers_the_version() -> None:
    for declaration in EVERY:
        assert find(declaration.domain, declaration.operator, declaration.since) is declaration
    assert find("", "NoSuchOperator", 1) is None
    assert find("", "Acos", 6) is None  # Acos came with opset 7


def test_a_function_is_described_from_its_signature() -> None:
    from onnxviz.model.operators import declaration as registry

    def example(
        data: torch.Tensor,
        shape: Ints,
        factor: Float | None = None,
        *rest: Bool,
        axis: int,
        keep: int = 1,
        node: Node,
    ) -> torch.Tensor:
        return data

    example.__globals__.update(Ints=Ints, Float=Float, Bool=Bool, Node=Node)
    found = registry._describe(example, "Example", 3, 9, "test", Gradient.ZERO, True, ("old",))
    assert found.parameters == ("data", "shape", "factor", "rest")
    assert (found.required, found.variadic, found.takes_node) == ((0, 1), True, True)
    assert found.attributes == {"axis": inspect.Parameter.empty, "keep": 1}
    shape, factor, rest = found.converters[1:]
    assert found.converters[0] is None
    assert shape is not None
    assert factor is not None
    assert rest is not None
    assert shape(torch.tensor([2, 3])) == (2, 3)
    assert shape(torch.tensor(4)) == (4,)
    assert factor(torch.tensor([0.5])) == 0.5
    assert rest(torch.tensor(1)) is True
    assert [found.covers(version) for version in (2, 3, 9, 10)] == [False, True, True, False]


def test_numbers_are_read_from_tensors_that_require_a_gradient() -> None:
    for annotation, wanted in ((Floats, (1.0, 2.0)), (Ints, (1, 2))):
        convert = annotation.__metadata__[0]
        assert convert(torch.tensor([1.0, 2.0], requires_grad=True)) == wanted
    assert Int.__metadata__[0](torch.tensor([[7]])) == 7


def test_a_node_says_0_for_types_that_are_not_known() -> None:
    node = Node("", "Relu", "r", 14, ("x",), ("y",), (1,), (10,))
    assert (node.input_type(0), node.input_type(1), node.output_type(), node.output_type(3)) == (1, 0, 10, 0)
