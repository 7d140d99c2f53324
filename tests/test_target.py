"""The notation tensor[index]: text and object agree, and picking agrees with numpy, for arrays and torch tensors alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from onnxviz.errors import EmptyTargetError, TargetError
from onnxviz.target import EACH, Index, Target, numbered

NUMBERS = st.integers(-9, 9)
SLICES = st.builds(
    slice, st.none() | NUMBERS, st.none() | NUMBERS, st.none() | st.integers(-3, 3).filter(lambda step: step != 0)
)
ENTRIES: st.SearchStrategy[Index] = st.one_of(NUMBERS, SLICES, st.just(Ellipsis), st.just(EACH))
NAMES = st.text(min_size=1).filter(lambda name: name.strip() != "")


@given(NAMES, st.lists(ENTRIES, max_size=4).map(tuple))
def test_what_is_written_reads_back(name: str, index: tuple[Index, ...]) -> None:
    target = Target(name, index)
    assert Target.parse(str(target), {name}) == target


@given(st.from_regex(r"[A-Za-z0-9_/:. \-é]*[A-Za-z0-9_/:.é]", fullmatch=True), st.lists(ENTRIES, max_size=4).map(tuple))
def test_an_ordinary_name_needs_no_table_of_names(name: str, index: tuple[Index, ...]) -> None:
    target = Target(name.strip(), index)
    assert Target.parse(str(target)) == target


@given(NAMES, st.lists(ENTRIES, max_size=4).map(tuple))
def test_equal_targets_hash_alike(name: str, index: tuple[Index, ...]) -> None:
    assert len({Target(name, index), Target(name, tuple(index))}) == 1


@given(st.data())
def test_picking_agrees_with_numpy(data: st.DataObject) -> None:
    shape = data.draw(npst.array_shapes(min_dims=1, max_dims=4, max_side=5))
    array = data.draw(npst.arrays(np.float64, shape, elements=st.floats(-1e3, 1e3)))
    index = data.draw(npst.basic_indices(shape[1:], min_dims=0, allow_newaxis=False))
    entries = index if isinstance(index, tuple) else (index,)
    target = Target("t", entries)
    picked = np.stack([np.asarray(sample[entries]) for sample in array])
    if picked.size == 0:
        with pytest.raises(TargetError, match="picks nothing"):
            target.select(array)
        return
    wanted = picked.reshape(len(array), -1).mean(1)
    np.testing.assert_allclose(target.select(array), wanted, atol=1e-9)
    np.testing.assert_allclose(target.select(torch.from_numpy(array)).numpy(), wanted, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_whole_numbers_are_averaged_as_numbers(dtype: type) -> None:
    array = np.array([[1, 0, 0, 1], [1, 1, 1, 1]], dtype)
    for values in (array, torch.from_numpy(array)):
        np.testing.assert_array_equal(np.asarray(Target("t").select(values)), [0.5, 1])


def test_a_tensor_without_axes_counts_as_one_sample() -> None:
    assert Target("t").select(np.array(3.0)).tolist() == [3.0]


def test_a_gradient_passes_through_the_pick() -> None:
    values = torch.zeros(2, 3, 4, requires_grad=True)
    Target("t", (1, slice(None, None, -2))).select(values).sum().backward()
    wanted = torch.zeros(2, 3, 4)
    wanted[:, 1, 1::2] = 0.5
    torch.testing.assert_close(values.grad, wanted)


def test_each_stands_for_every_place() -> None:
    assert Target.parse("t[*, 0, *]").expand((2, 5, 2)) == tuple(
        Target("t", (i, 0, j)) for i in range(2) for j in range(2)
    )
    assert Target.parse("t[..., *]").expand((4, 2)) == (Target("t", (Ellipsis, 0)), Target("t", (Ellipsis, 1)))
    assert Target.parse("t[1]").expand((4,)) == (Target("t", (1,)),)
    with pytest.raises(TargetError, match="expand"):
        Target.parse("t[*]").select(np.zeros((1, 3)))


def test_a_name_that_ends_in_brackets_is_taken_whole_if_the_model_has_it() -> None:
    assert Target.parse("a[0]", {"a[0]"}) == Target("a[0]")
    assert Target.parse("a[0][1]", {"a[0]"}) == Target("a[0]", (1,))
    assert Target.parse("a[0]", {"a"}) == Target("a", (0,))
    assert Target.parse(" a [0]", {" a "}) == Target(" a ", (0,))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("[0]", "needs a tensor's name"),
        ("t[a]", "'a' is no index"),
        ("t[]", "'' is no index"),
        ("t[1.5]", "'1.5' is no index"),
        ("t[::0]", "must not be 0"),
        ("t[" + "9" * 5000 + "]", "no index"),
    ],
)
def test_what_is_no_target_is_refused(text: str, words: str) -> None:
    with pytest.raises(TargetError, match=words.replace("'", ".")):
        Target.parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("t[3]", "index 3 lies outside axis 1 of t, which has 3 places"),
        ("t[-4]", "index -4 lies outside"),
        ("t[0, 4]", "outside axis 2"),
        ("t[0, 0, 0]", "3 entries, but t has 2 axes"),
        ("t[..., 0, ...]", "only one '...'"),
        ("t[2:2]", "picks nothing"),
        ("t[..., 4]", "after the batch it is 3x4"),
    ],
)
def test_an_index_outside_the_tensor_is_refused(text: str, words: str) -> None:
    with pytest.raises(TargetError, match=words.replace("[", r"\[")):
        Target.parse(text).select(np.zeros((2, 3, 4)))


def test_an_axis_of_unknown_size_takes_any_index() -> None:
    Target.parse("t[7, 2]").check((None, 3))
    with pytest.raises(TargetError, match=r"after the batch it is \?x3"):
        Target.parse("t[7, 3]").check((None, 3))


@pytest.mark.parametrize("text", ["a", "a[1]", "a[-1, 2]", "a[..., 0]", "a[1:3, :, ::2]", "a[::-1]"])
def test_picking_keeps_the_axes_and_selecting_is_its_mean(text: str) -> None:
    array = np.arange(2 * 4 * 3 * 5.0).reshape(2, 4, 3, 5)
    target = Target.parse(text)
    picked = target.pick(array)
    assert picked.ndim == 4
    np.testing.assert_array_equal(picked.reshape(2, -1).mean(1), target.select(array))
    np.testing.assert_array_equal(target.pick(torch.tensor(array)).numpy(), picked)


@pytest.mark.parametrize("make", [np.zeros, torch.zeros])
def test_a_tensor_that_is_empty_at_an_input_is_told_of(make) -> None:
    with pytest.raises(
        EmptyTargetError, match=r"^boxes\[\.\.\., 3\]: boxes is empty at this input \(0x4\); other inputs"
    ):
        Target.parse("boxes[..., 3]").select(make((0, 4)))
    with pytest.raises(EmptyTargetError, match=r"^scores is empty at this input \(0\)"):
        Target.parse("scores").select(make((0,)))


@given(NAMES, st.lists(ENTRIES, max_size=4).map(tuple))
def test_indices_of_numbers_stay_as_they_are(name: str, index: tuple[Index, ...]) -> None:
    def never(*_: object) -> int:
        raise AssertionError("an index of numbers holds no name")

    text = str(Target(name, index))
    assert numbered(text, {name}, never) == text


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True), st.data())
def test_a_name_in_quotes_is_any_text(names: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(names) - 1))
    quote = data.draw(st.sampled_from("'\""))
    text = f"logits[:, {quote}{names[place].replace(quote, 2 * quote)}{quote}, 3]"
    assert numbered(text, {"logits"}, lambda tensor, name, *_: names.index(name)) == f"logits[:, {place}, 3]"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("logits[tench, Tinca tinca]", "logits[1]"),
        ("logits[cat] - 0.5*logits['3'] + max(map[cat, :])", "logits[0] - 0.5*logits[2] + max(map[0, :])"),
        ("logits[3]", "logits[3]"),  # a name that is a number stays a number
        ("mylogits[cat]", "mylogits[cat]"),  # no tensor of that name: the parser tells it
        ("blob[cat]", "blob[cat]"),  # the tensor's own name
        ("blob[cat][cat]", "blob[cat][0]"),
    ],
)
def test_names_become_numbers(text: str, wanted: str) -> None:
    names = ["cat", "tench, Tinca tinca", "3"]
    tensors = ["logits", "map", "blob[cat]"]
    assert numbered(text, tensors, lambda tensor, name, *_: names.index(name)) == wanted
