"""Weights in few bits: against ONNX Runtime, and unpacking against packing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from typed_node import Constant, element_type, fed, typed_node

import onnxviz
from onnxviz.errors import AllocationError, EvaluationError
from onnxviz.model.operators.quantized.block_quantization import matmul_n_bits, unpacked

RANDOM = np.random.default_rng(12)
SIZES = [(64, 8, 32), (72, 5, 16), (33, 3, 32)]
MICROSOFT = {"domain": "com.microsoft"}


def floats(*shape: int) -> np.ndarray:
    return RANDOM.uniform(0.01, 1, shape).astype(np.float32)


def packed(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def product(bits: int, inner: int, outer: int, block: int):
    """Return the inputs and attributes of a MatMulNBits."""
    blocks = -(-inner // block)
    inputs = {"a": floats(2, 3, inner) - 0.5, "b": packed(outer, blocks, block * bits // 8), "s": floats(outer, blocks)}
    return inputs, {"K": inner, "N": outer, "bits": bits, "block_size": block, **MICROSOFT}


def agree(compare, operator: str, inputs, attributes):
    held = [name for name in inputs if name not in ("a", "i")]
    compare(typed_node(operator, inputs, constants=held, **attributes), fed(inputs, held))


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("values", [0, 5, 130, 255])
def test_unpacking_undoes_packing(values, bits):
    numbers = [(values >> shift) & ((1 << bits) - 1) for shift in range(0, 8, bits)]
    assert unpacked(torch.tensor([[values]], dtype=torch.uint8), bits, "this").tolist() == [numbers]


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize(("inner", "outer", "block"), SIZES)
def test_onnx_runtime_agrees_about_products(compare, inner, outer, block, bits):
    inputs, attributes = product(bits, inner, outer, block)
    blocks = inputs["s"].shape[1]
    agree(compare, "MatMulNBits", inputs, attributes)
    agree(compare, "MatMulNBits", {**inputs, "z": packed(outer, -(-blocks * bits // 8))}, attributes)
    agree(compare, "MatMulNBits", {**inputs, "z": None, "g": None, "bias": floats(outer)}, attributes)
    if bits != 8:  # ONNX Runtime has no zero points in float for eight bits on the CPU
        agree(compare, "MatMulNBits", {**inputs, "z": floats(outer, blocks) * (1 << bits)}, attributes)


@pytest.mark.parametrize(("inner", "outer", "block"), SIZES)
def test_onnx_runtime_agrees_about_groups(compare, inner, outer, block):
    inputs, attributes = product(4, inner, outer, block)
    blocks = inputs["s"].shape[1]
    groups = RANDOM.integers(0, blocks, blocks * block).astype(np.int32)
    agree(compare, "MatMulNBits", {**inputs, "z": None, "g": groups}, attributes)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_groups_that_follow_one_another_are_the_blocks(bits):
    inputs, attributes = product(bits, 64, 8, 16)
    with_groups = {**inputs, "z": None, "g": (np.arange(64) // 16).astype(np.int32)}
    plain, grouped = (
        onnxviz.load(typed_node("MatMulNBits", given, **attributes)).network()(fed(given))["y"]
        for given in (inputs, with_groups)
    )
    torch.testing.assert_close(plain, grouped)


def test_an_older_layout_has_one_axis():
    inputs, attributes = product(4, 64, 8, 16)
    flat = {"a": inputs["a"], "b": inputs["b"].reshape(-1), "s": inputs["s"].reshape(-1)}
    answers = [
        onnxviz.load(typed_node("MatMulNBits", given, **attributes)).network()(given)["y"] for given in (inputs, flat)
    ]
    torch.testing.assert_close(*answers)


def test_an_empty_weight_stands_for_zeros(compare):
    inputs, attributes = product(4, 64, 8, 16)
    empty = {"a": inputs["a"], "b": inputs["b"][:, :0], "s": inputs["s"], "z": None, "g": None, "bias": floats(8)}
    agree(compare, "MatMulNBits", empty, attributes)
    del empty["bias"]
    agree(compare, "MatMulNBits", empty, attributes)


def test_the_gradient_of_a_product_agrees_with_differences():
    inputs, attributes = product(4, 32, 5, 16)
    del attributes["domain"]
    weight, scales = torch.tensor(inputs["b"]), torch.tensor(inputs["s"])
    a = torch.tensor(inputs["a"], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: matmul_n_bits(a, weight, scales, **attributes), a)


@pytest.mark.parametrize("kind", [0, 1])
def test_onnx_runtime_agrees_about_codes(compare, kind):
    inner, outer, block = 48, 10, 16
    inputs = {"a": floats(3, inner), "b": packed(inner * outer // 2), "s": floats(inner * outer // block)}
    agree(compare, "MatMulBnb4", inputs, {"K": inner, "N": outer, "block_size": block, "quant_type": kind, **MICROSOFT})


@pytest.mark.parametrize("kind", [0, 1])
def test_codes_multiply_from_both_sides(kind):
    # ONNX Runtime reads past the end of the weight when transB is 0: transB 1 is the oracle.
    attributes = {"K": 32, "N": 16, "block_size": 16, "quant_type": kind, **MICROSOFT}
    weight = {"b": packed(256), "s": floats(32)}
    rows = {"a": np.eye(32, dtype=np.float32), **weight}
    columns = {"a": np.eye(16, dtype=np.float32), **weight}
    transposed = onnxviz.load(typed_node("MatMulBnb4", rows, **attributes)).network()(rows)["y"]
    plain = onnxviz.load(typed_node("MatMulBnb4", columns, transB=0, **attributes)).network()(columns)["y"]
    torch.testing.assert_close(plain, transposed.mT)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_onnx_runtime_agrees_about_a_packed_table(compare, bits):
    inputs = {"d": packed(6, 64 * bits // 8), "i": RANDOM.integers(-6, 6, (2, 3)), "s": floats(6, 4)}
    attributes = {"bits": bits, "block_size": 16, "gather_axis": 0, "quantize_axis": 1, **MICROSOFT}
    agree(compare, "GatherBlockQuantized", inputs, attributes)
    agree(compare, "GatherBlockQuantized", {**inputs, "z": packed(6, 4 * bits // 8)}, attributes)
    agree(compare, "GatherBlockQuantized", {**inputs, "i": np.array([0, 6, -7])}, attributes)


@pytest.mark.parametrize(("gathered", "blocked"), [(0, 1), (1, 0), (0, 0), (1, 1), (-1, -2)])
@pytest.mark.parametrize(("name", "low"), [("INT4", -8), ("UINT4", 0)])
def test_onnx_runtime_agrees_about_a_table_of_four_bits(compare, name, low, gathered, blocked):
    shape = [32, 32]
    shape[blocked] = 2
    kind = element_type(name)
    inputs = {
        "d": Constant(kind, RANDOM.integers(low, low + 16, (32, 32))),
        "i": RANDOM.integers(-6, 6, (2, 3)),
        "s": floats(*shape),
        "z": Constant(kind, RANDOM.integers(low, low + 16, shape)),
    }
    attributes = {"block_size": 16, "gather_axis": gathered, "quantize_axis": blocked, **MICROSOFT}
    agree(compare, "GatherBlockQuantized", inputs, attributes)
    del inputs["z"]
    agree(compare, "GatherBlockQuantized", inputs, attributes)


def test_a_table_of_narrow_floats_may_share_one_scale():
    table = RANDOM.integers(-8, 8, (5, 32)).astype(np.float32)
    inputs = {
        "d": Constant(element_type("FLOAT8E4M3FN"), table),
        "i": np.array([[4, 9]]),
        "s": np.array([[0.5]], np.float32),
    }
    model = typed_node("GatherBlockQuantized", inputs, constants=["s"], block_size=0, **MICROSOFT)
    answer = onnxviz.load(model).network()({"i": inputs["i"]})["y"]
    np.testing.assert_array_equal(answer.numpy(), np.stack([table[4] / 2, np.zeros(32)])[None])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits": 3}, "MatMulNBits has weights of 3 bits; 2, 4 and 8 are supported"),
        (
            {"weight_prepacked": 1},
            "weight_prepacked=1, an arrangement for a kind of GPU; export with weight_prepacked=0",
        ),
        ({"K": 65, "block_size": 32}, "MatMulNBits"),
    ],
)
def test_other_layouts_are_refused(changes, message):
    inputs, attributes = product(4, 64, 8, 16)
    with pytest.raises(EvaluationError, match=message):
        onnxviz.load(typed_node("MatMulNBits", inputs, **{**attributes, **changes})).network()(inputs)


def test_an_absurd_size_is_refused():
    inputs, attributes = product(4, 64, 8, 16)
    empty = {"a": inputs["a"], "b": inputs["b"][:0], "s": inputs["s"]}
    with pytest.raises(AllocationError, match="MatMulNBits asks for a tensor of shape"):
        onnxviz.load(typed_node("MatMulNBits", empty, **{**attributes, "N": 1 << 40})).network()(empty)


def test_unknown_codes_are_refused():
    inputs = {"a": floats(1, 32), "b": packed(256), "s": floats(32)}
    attributes = {"K": 32, "N": 16, "block_size": 16, "quant_type": 2, **MICROSOFT}
    with pytest.raises(EvaluationError, match=r"quant_type=2; give 0 \(FP4\) or 1 \(NF4\)"):
        onnxviz.load(typed_node("MatMulBnb4", inputs, **attributes)).network()(inputs)
