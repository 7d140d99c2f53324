"""Occlusion, RISE and Shapley sampling: closed forms for linear scores, plain loops, and the properties of each."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from onnxviz.methods.attribution.occlusion import occlusion
from onnxviz.methods.attribution.places import Places
from onnxviz.methods.attribution.rise import rise
from onnxviz.methods.attribution.shapley import shapley_sampling

PICTURE = Places((2, 6, 5), ("channel", "height", "width"))
VECTOR = Places((4,), ("feature",))


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


WEIGHTS, INPUT, START = drawn(2, 6, 5), drawn(1, 2, 6, 5, seed=1), drawn(1, 2, 6, 5, seed=2)
SLOPES, POINT, ORIGIN = drawn(4, seed=3), drawn(1, 4, seed=4), drawn(1, 4, seed=5)


def linear(x):
    return (x * WEIGHTS).sum((1, 2, 3)) + 3


def bent(x):
    return torch.tanh((x * WEIGHTS).sum((1, 2, 3))) + x[:, 0, 0, 0] * x[:, 1, 3, 3]


def vector(x):
    return (x * SLOPES).sum(1) - 2


def test_hiding_one_place_of_a_linear_score_costs_its_share() -> None:
    found = occlusion(linear, [INPUT], [START], [PICTURE], side=1)
    exact = (WEIGHTS * (INPUT - START)[0]).sum(0)
    np.testing.assert_allclose(found.values[0][0], exact, atol=1e-5)
    np.testing.assert_allclose(found.maps([PICTURE])[0], exact, atol=1e-5)
    assert found.evaluations == 31


@pytest.mark.parametrize(("side", "at_once"), [(2, 1), (3, 7), (4, 64)])
def test_occlusion_is_the_loop_over_windows(side: int, at_once: int) -> None:
    found = occlusion(bent, [INPUT], [START], [PICTURE], at_once, side)
    _, steps = PICTURE.window(side)
    totals, counts = np.zeros((6, 5)), np.zeros((6, 5))
    tops = [min(top, 6 - 1) for top in range(0, 6 - side + steps[1], steps[1])]
    for top, left in itertools.product(tops, range(0, 5 - side + steps[2], steps[2])):
        hidden = INPUT.clone()
        window = (slice(top, top + side), slice(left, left + side))
        hidden[(..., *window)] = START[(..., *window)]
        totals[window] += float(bent(INPUT) - bent(hidden))
        counts[window] += 1
    np.testing.assert_allclose(found.values[0][0], totals / np.maximum(counts, 1), atol=1e-5)


def test_shapley_values_of_a_linear_score_are_its_shares() -> None:
    difference = float(vector(POINT) - vector(ORIGIN))
    found = shapley_sampling(vector, [POINT], [ORIGIN], [VECTOR], difference, samples=2)
    np.testing.assert_allclose(found.values[0], SLOPES * (POINT - ORIGIN)[0], atol=1e-5)
    assert found.completeness.gap < 1e-4


@pytest.mark.parametrize("at_once", [1, 6])
def test_shapley_values_add_up_whatever_the_score(at_once: int) -> None:
    difference = float(bent(INPUT) - bent(START))
    found = shapley_sampling(bent, [INPUT], [START], [PICTURE], difference, 3, at_once)
    assert found.completeness.total == pytest.approx(difference, abs=1e-4)
    assert found.maps([PICTURE])[0].sum() == pytest.approx(difference, abs=1e-4)


def test_shapley_values_of_a_small_game_are_those_of_all_orders() -> None:
    def game(x):
        return x[:, 0] * x[:, 1] + torch.maximum(x[:, 2], x[:, 3]) * x[:, 0]

    point, origin = torch.tensor([[1.0, 2.0, 3.0, 2.5]]), torch.zeros(1, 4)
    exact = np.zeros(4)
    for order in itertools.permutations(range(4)):
        now = origin.clone()
        for player in order:
            before = float(game(now))
            now[0, player] = point[0, player]
            exact[player] += (float(game(now)) - before) / 24
    found = shapley_sampling(game, [point], [origin], [VECTOR], 5.0, samples=600, at_once=8)
    np.testing.assert_allclose(found.values[0], exact, atol=0.15)


def test_rise_regresses_a_linear_score_to_its_shares() -> None:
    found = rise(vector, [POINT], [ORIGIN], [VECTOR], samples=20000, at_once=64)
    np.testing.assert_allclose(found.values[0], SLOPES * (POINT - ORIGIN)[0], atol=0.1)


def test_rise_of_one_feature_is_exact() -> None:
    place = Places((1,), ("feature",))
    found = rise(lambda x: 3 * x[:, 0], [torch.tensor([[5.0]])], [torch.tensor([[1.0]])], [place], samples=16)
    np.testing.assert_allclose(found.values[0], [12.0], rtol=1e-5)


def test_rise_does_not_mind_an_offset_of_the_score_nor_how_many_are_scored_at_once() -> None:
    plain = rise(bent, [INPUT], [START], [PICTURE], 64, at_once=64).values[0]
    raised = rise(lambda x: bent(x) + 1000, [INPUT], [START], [PICTURE], 64, at_once=64).values[0]
    np.testing.assert_allclose(plain, raised, atol=2e-2)
    assert plain.shape == (1, 6, 5)


def test_rise_is_the_papers_map_shifted_and_scaled() -> None:
    seen = []

    def score(x):
        seen.append(x.clone())
        return vector(x)

    found = rise(score, [POINT], [ORIGIN], [VECTOR], samples=50, at_once=50).values[0]
    masks = ((seen[0] - ORIGIN) / (POINT - ORIGIN)).double().numpy()
    scores = vector(seen[0]).double().numpy()
    mean = masks.mean(0)
    paper = (scores[:, None] * masks).mean(0) / mean
    np.testing.assert_allclose(found, (paper - scores.mean()) / (1 - mean), rtol=1e-4)


@pytest.mark.parametrize("method", ["rise", "shapley"])
def test_one_seed_gives_one_result(method: str) -> None:
    def run(seed: int) -> np.ndarray:
        if method == "rise":
            return rise(bent, [INPUT], [START], [PICTURE], 20, 4, seed).values[0]
        return shapley_sampling(bent, [INPUT], [START], [PICTURE], 1.0, 2, 4, seed).values[0]

    np.testing.assert_array_equal(run(0), run(0))
    assert not np.array_equal(run(0), run(1))


def test_several_inputs_are_players_of_one_game() -> None:
    def score(x, y):
        return linear(x) + 2 * y[:, 0] - y[:, 1]

    other, zero = torch.tensor([[1.0, 4.0]]), torch.zeros(1, 2)
    places = [PICTURE, Places((2,), ("feature",))]
    difference = float(score(INPUT, other) - score(START, zero))
    found = shapley_sampling(score, [INPUT, other], [START, zero], places, difference, 2, 8)
    np.testing.assert_allclose(found.values[1], [2.0, -4.0], atol=1e-5)
    assert found.completeness.gap < 1e-4
    hidden = occlusion(score, [INPUT, other], [START, zero], places, 8, 1)
    np.testing.assert_allclose(hidden.values[1], [2.0, -4.0], atol=1e-5)
