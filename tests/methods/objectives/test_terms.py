"""Every function of the notation: its formula, its gradient, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onnxviz.errors import DataError, TargetError, UsageError
from onnxviz.methods.objectives.fixed_array import FixedArray
from onnxviz.methods.objectives.objectives import FUNCTIONS, Objective
from onnxviz.methods.objectives.regularizers import blurred
from onnxviz.methods.objectives.surroundings import Standard, Surroundings

SHAPES = {"a": (5, 4, 3), "f": (7,), "last": (4, 3, 5), "x": (2, 6, 5)}
GENERATOR = np.random.default_rng(3)
STANDARD = Standard(FixedArray(np.full((2, 6, 5), 10.0)), FixedArray(np.full((2, 6, 5), 4.0)), (2, 3))
SURROUNDINGS = Surroundings(
    SHAPES,
    {"a": 0, "f": 0, "last": 2, "x": 0},
    {
        "five.npy": GENERATOR.standard_normal(5),
        "seven.npy": GENERATOR.standard_normal((7, 1)),
        "whole.npy": GENERATOR.standard_normal((5, 4, 3)),
        "batch.npy": GENERATOR.standard_normal((1, 5, 4, 3)),
        "three.npy": GENERATOR.standard_normal(3),
        "zeros.npy": np.zeros(5),
    },
    {name: GENERATOR.standard_normal(shape) for name, shape in SHAPES.items()},
    "x",
    STANDARD,
)
EXAMPLES = [
    "a[1]",
    "energy(a)",
    "energy(a[3, 1:])",
    "direction(a, five.npy)",
    "direction(a, five.npy, power=2)",
    "direction(last, five.npy, power=4)",
    "direction(a[:, 2, 1], five.npy, power=1.5)",
    "direction(a, whole.npy, power=2)",
    "direction(a, batch.npy)",
    "direction(f, seven.npy, power=2)",
    "like(a)",
    "like(last, power=4)",
    "like(f, power=0)",
    "inversion(a)",
    "inversion(f[2:5])",
    "diversity(a)",
    "diversity(last)",
    "diversity(f)",
    "diversity(a[:, 0])",
    "alignment(a)",
    "alignment(x)",
    "interpolate(a[1], f[3])",
    "total_variation(x)",
    "l1(x)",
    "l2(x[1])",
    "a[1] - 2*diversity(a) + 0.5*alignment(x) - 0.25*total_variation(x)",
]


def objective(text: str) -> Objective:
    return Objective.parse(text, SHAPES, "x").settled(SURROUNDINGS)


def values(batch: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    made = {
        name: torch.randn((batch, *shape), generator=generator, dtype=torch.float64) for name, shape in SHAPES.items()
    }
    return {**made, "x": 10 + 4 * made["x"]}


def one(text: str, tensors: dict[str, torch.Tensor]) -> np.ndarray:
    return objective(text)({name: tensors[name] for name in objective(text).tensors}).numpy()


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_gradient_is_that_of_finite_differences(text: str) -> None:
    term, tensors = objective(text), values()
    names = term.tensors
    leaves = [tensors[name].clone().requires_grad_() for name in names]
    assert torch.autograd.gradcheck(lambda *parts: term(dict(zip(names, parts, strict=True))), leaves)


def test_the_gradient_of_blur_is_the_input_less_its_blurred_copy() -> None:
    x = values()["x"].requires_grad_()
    objective("blur(x)")({"x": x}).sum().backward()
    standardized = STANDARD(x.detach())
    torch.testing.assert_close(x.grad, (standardized - blurred(standardized, (2, 3))) / 4)


def test_every_function_is_among_the_examples() -> None:
    assert {name for name in FUNCTIONS if not any(f"{name}(" in text for text in EXAMPLES)} == {"blur"}


@pytest.mark.parametrize("text", [*EXAMPLES, "blur(x)"])
def test_float32_scores_as_float64_does_and_one_sample_as_it_does_in_a_batch(text: str) -> None:
    term, tensors = objective(text), values()
    double = {name: tensors[name] for name in term.tensors}
    scores = term(double)
    assert scores.shape == (3,)
    single = term({name: value.float() for name, value in double.items()})
    torch.testing.assert_close(single.double(), scores, rtol=1e-4, atol=1e-5)
    if not term.members:
        alone = torch.cat([term({name: value[[place]] for name, value in double.items()}) for place in range(3)])
        torch.testing.assert_close(alone, scores)


# Formulas, written out once more with numpy.


def test_energy_is_the_mean_square() -> None:
    tensors = values()
    a = tensors["a"].numpy()
    np.testing.assert_allclose(one("energy(a)", tensors), (a**2).mean((1, 2, 3)))
    np.testing.assert_allclose(one("energy(a[3])", tensors), (a[:, 3] ** 2).mean((1, 2)))


@pytest.mark.parametrize("power", [0, 2, 4])
@pytest.mark.parametrize(("name", "axis"), [("a", 1), ("last", 3)])
def test_a_direction_is_the_dot_product_times_a_power_of_the_cosine(name: str, axis: int, power: int) -> None:
    tensors = values()
    v = SURROUNDINGS.files["five.npy"]
    a = np.moveaxis(tensors[name].numpy(), axis, -1).reshape(3, -1, 5)
    dots = a @ v
    cosines = dots / np.linalg.norm(a, axis=-1) / np.linalg.norm(v)
    wanted = (dots * np.maximum(0.1, cosines) ** power).mean(1)
    assert (cosines < 0.1).any()
    np.testing.assert_allclose(one(f"direction({name}, five.npy, power={power})", tensors), wanted, rtol=1e-3)


def test_a_caricature_follows_the_real_input_place_by_place() -> None:
    tensors = values()
    r, a = SURROUNDINGS.references["a"], tensors["a"].numpy()
    dots = (a * r).sum(1)
    cosines = dots / np.linalg.norm(a, axis=1) / np.linalg.norm(r, axis=0)
    np.testing.assert_allclose(one("like(a)", tensors), (dots * np.maximum(0.1, cosines) ** 2).mean((1, 2)), rtol=1e-3)
    # At the real input itself the cosine is 1 everywhere.
    same = {"a": torch.tensor(r)[None]}
    assert one("like(a)", same).item() == pytest.approx((r**2).sum(0).mean(), rel=1e-3)


def test_an_inversion_is_0_at_the_real_input_and_minus_1_at_0() -> None:
    r = SURROUNDINGS.references["a"]
    ends = {"a": torch.tensor(np.stack([r, 0 * r, 2 * r, -r]))}
    np.testing.assert_allclose(one("inversion(a)", ends), [0, -1, -1, -4], atol=1e-12)


@pytest.mark.parametrize(("text", "axis"), [("diversity(a)", 1), ("diversity(last)", 3), ("diversity(f)", 1)])
def test_diversity_compares_gram_matrices(text: str, axis: int) -> None:
    tensors = values(4)
    name = objective(text).tensors[0]
    features = np.moveaxis(tensors[name].numpy(), axis, 1).reshape(4, SHAPES[name][axis - 1], -1)
    grams = features @ features.transpose(0, 2, 1)
    grams /= np.linalg.norm(grams, axis=(1, 2), keepdims=True)
    total = sum((grams[i] * grams[j]).sum() for i in range(4) for j in range(4) if i != j) / 4
    np.testing.assert_allclose(one(text, tensors), np.full(4, total))


def test_alike_restarts_are_as_alike_as_can_be_and_moving_the_content_does_not_help() -> None:
    a = values(1)["a"]
    rolled = torch.cat([a, a.roll(1, 3), a.roll(2, 2)])
    np.testing.assert_allclose(one("diversity(a)", {"a": rolled}), np.full(3, 2.0))


def test_alignment_sums_over_neighbors_up_to_four_apart() -> None:
    tensors = values(6)
    a = tensors["a"].numpy()
    wanted = -sum(((a[i] - a[i + d]) ** 2).mean() / 2**d for d in (1, 2, 3, 4) for i in range(6 - d))
    np.testing.assert_allclose(one("alignment(a)", tensors), np.full(6, wanted))
    x = (tensors["x"].numpy() - 10) / 4
    wanted = -sum(((x[i] - x[i + d]) ** 2).mean() / 2**d for d in (1, 2, 3, 4) for i in range(6 - d))
    np.testing.assert_allclose(one("alignment(x)", tensors), np.full(6, wanted))
    assert one("alignment(a)", values(1)).tolist() == [0]


def test_an_interpolation_passes_from_one_target_to_the_other() -> None:
    tensors = values(5)
    first, second = tensors["a"][:, 1].mean((1, 2)).numpy(), tensors["f"][:, 3].numpy()
    share = np.linspace(1, 0, 5)
    np.testing.assert_allclose(one("interpolate(a[1], f[3])", tensors), share * first + (1 - share) * second)


def test_regularizers_are_sums_over_the_standardized_input() -> None:
    tensors = values()
    z = (tensors["x"].numpy() - 10) / 4
    np.testing.assert_allclose(one("l1(x)", tensors), np.abs(z).sum((1, 2, 3)))
    np.testing.assert_allclose(one("l2(x)", tensors), (z**2).sum((1, 2, 3)))
    variation = sum(np.abs(np.diff(z, axis=axis)).sum((1, 2, 3)) for axis in (2, 3))
    np.testing.assert_allclose(one("total_variation(x)", tensors), variation)


def test_blur_weighs_the_neighborhood_by_halves_and_knows_edges() -> None:
    z = (values()["x"].numpy() - 10) / 4
    wide = np.pad(z, ((0, 0), (0, 0), (1, 1), (1, 1)))
    inside = np.pad(np.ones_like(z), ((0, 0), (0, 0), (1, 1), (1, 1)))
    kernel = np.array([[0.5, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 0.5]])
    sums = [
        sum(kernel[i, j] * padded[:, :, i : i + 6, j : j + 5] for i in range(3) for j in range(3))
        for padded in (wide, inside)
    ]
    copy = sums[0] / sums[1]
    np.testing.assert_allclose(one("blur(x)", values()), ((z - copy) ** 2).sum((1, 2, 3)) / 2)
    flat = {"x": torch.full((1, 2, 6, 5), 12.0, dtype=torch.float64)}
    assert one("blur(x)", flat).item() == pytest.approx(0, abs=1e-20)


def test_an_element_that_never_moves_pays_nothing() -> None:
    standard = Standard(FixedArray(np.zeros(3)), FixedArray(np.array([1.0, 0.0, 2.0])))
    term = Objective.parse("l1(x)", ["x"]).settled(Surroundings(moving="x", standard=standard))
    x = torch.tensor([[1.0, 50.0, -4.0]], requires_grad=True)
    score = term({"x": x})
    assert score.tolist() == [3.0]
    score.sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0, -0.5]]


def test_at_zero_every_gradient_is_finite() -> None:
    for text in EXAMPLES:
        term = objective(text)
        tensors = {name: torch.zeros(3, *SHAPES[name], requires_grad=True) for name in term.tensors}
        term(tensors).sum().backward()
        assert all(bool(torch.isfinite(value.grad).all()) for value in tensors.values()), text


# Arguments that do not fit.


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("direction(a, three.npy)", DataError, "5 of them, or a whole tensor of 5x4x3"),
        ("direction(a, zeros.npy)", DataError, "no direction"),
        ("l1(a)", UsageError, r"write l1\(input\) or l1\(x\)"),
        ("like(b)", UsageError, "`like`"),
    ],
)
def test_what_does_not_fit_is_said(text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Objective.parse(text, [*SHAPES, "b"], "x").settled(SURROUNDINGS)


def test_a_vector_has_no_neighbors() -> None:
    standard = Standard(FixedArray(np.zeros(3)), FixedArray(np.ones(3)))
    for text in ("total_variation(x)", "blur(x)"):
        with pytest.raises(UsageError, match="use l1 or l2"):
            Objective.parse(text, ["x"]).settled(Surroundings(moving="x", standard=standard))


def test_a_real_input_that_leaves_the_tensor_at_0_cannot_be_followed() -> None:
    with pytest.raises(DataError, match="is 0 everywhere"):
        Objective.parse("like(a)", ["a"]).settled(Surroundings(references={"a": np.zeros((2, 3))}))


def test_a_term_without_its_data_gives_no_number() -> None:
    for text in ("direction(a, five.npy)", "like(a)", "inversion(a)", "l2(x)"):
        with pytest.raises(UsageError, match="settle"):
            Objective.parse(text, SHAPES)(values())


@pytest.mark.parametrize("text", ["direction(a[*], five.npy)", "energy(a[9])"])
def test_an_index_is_checked(text: str) -> None:
    with pytest.raises(TargetError):
        objective(text)(values())


def test_arrays_inside_are_copies_equal_by_content_and_read_only() -> None:
    given = np.arange(3.0)
    first, second = FixedArray(given), FixedArray(np.arange(3.0))
    assert first == second
    assert hash(first) == hash(second)
    assert first != FixedArray(np.arange(3.0, dtype=np.float32))
    assert first != FixedArray(np.arange(4.0))
    assert first != "first"
    given[0] = 9
    assert first.values[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        first.values[0] = 1
    assert objective("direction(a, five.npy)") == objective("direction(a, five.npy)")
    assert hash(objective("like(a) - l1(x)")) == hash(objective("like(a) - l1(x)"))
    assert objective("like(a)") != Objective.parse("like(a)", SHAPES)
