"""File names made from the names of tensors."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxviz.formats.file_names import is_safe_name, safe_name, safe_names

any_text = st.text(st.characters(exclude_categories=()), max_size=200)
# Short names from few characters: they collide most often.
tricky_text = st.text("aA/.-_ 0f[]\0é", max_size=6)
RESERVED = ("con", "prn", "aux", "nul", "com0", "com1", "com9", "lpt0", "lpt9")


@given(any_text | tricky_text)
def test_a_safe_name_is_valid_everywhere(name):
    file = safe_name(name)
    assert 0 < len(file) <= 80
    assert file.isascii()
    assert file.isprintable()
    assert not set(file) & set("/\\:*?\"<>| \t\n$%~`'&;(){}!#")
    assert file[0] not in ".-"
    assert file[-1] not in ". "
    assert file.split(".")[0].lower() not in RESERVED
    assert is_safe_name(file)
    assert is_safe_name(file + ".png")


@given(st.lists(any_text | tricky_text, unique=True, max_size=30))
def test_different_names_stay_different(names):
    assert len({safe_name(name) for name in names}) == len(names)


@given(any_text)
def test_no_name_takes_the_file_of_another(name):
    file = safe_name(name)
    assert file == name or safe_name(file) != file


@given(st.lists(any_text | tricky_text, unique=True, max_size=30))
def test_in_one_folder_names_differ_in_more_than_case(names):
    files = safe_names(names)
    assert list(files) == names
    assert len({file.lower() for file in files.values()}) == len(names)
    assert all(is_safe_name(file) for file in files.values())


def test_names_that_differ_in_case_only_are_marked_and_others_are_not():
    files = safe_names(["Conv", "conv", "relu"])
    assert files["relu"] == "relu"
    assert files["Conv"].startswith("Conv-")
    assert files["conv"].startswith("conv-")


def test_a_collision_of_the_digest_is_resolved():
    seen: dict[str, str] = {}
    for pair in itertools.product(map(chr, range(0x4E00, 0x9000)), repeat=2):
        name = "".join(pair)
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        if digest in seen:
            break
        seen[digest] = name
    else:
        pytest.fail("among so many names two must have the same eight digits")
    other = seen[digest]
    assert safe_name(name) == safe_name(other)
    files = safe_names([name, other])
    assert files[name] != files[other]
    assert all(is_safe_name(file) for file in files.values())


@pytest.mark.parametrize("name", ["conv1", "conv1[12]", "relu,3", "layer1.0.conv2", "a" * 80, "console", "_x"])
def test_harmless_names_stay(name):
    assert safe_name(name) == name


@pytest.mark.parametrize("name", RESERVED + tuple(f"{name.upper()}.txt" for name in RESERVED) + ("con.a.b",))
def test_reserved_names_do_not_stay(name):
    assert not is_safe_name(name)
    assert safe_name(name).split(".")[0].lower() not in RESERVED


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-rf", ".hidden", "a/b", "a\\b", "a:b", "a b", "a.", "é", "a\0b", "a" * 101]
)
def test_unsafe_names_are_told(name):
    assert not is_safe_name(name)
    assert safe_name(name) != name


def test_the_stem_of_a_long_name_is_kept_readable():
    assert safe_name("/layer1/Conv_output_0").startswith("layer1_Conv_output_0-")
    assert len(safe_name("x" * 500)) == 80
