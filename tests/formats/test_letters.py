"""Sequences of letters: FASTA files, and one-hot codes there and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxviz.errors import DataError
from onnxviz.formats.letters import encoded_letters, one_hot, read_sequences, text_of, write_fasta

AXES = st.sampled_from([("letter", "position"), ("position", "letter")])


@given(st.text("ACGT", min_size=1, max_size=40), AXES)
def test_one_hot_codes_are_read_back(text: str, axes: tuple[str, str]) -> None:
    codes = one_hot(encoded_letters(text, "ACGT").ids, axes, 4)
    assert np.array_equal(codes.sum(axis=axes.index("letter")), np.ones(len(text)))
    assert text_of(codes, axes, "ACGT") == text


def test_case_spaces_and_uracil_do_not_matter() -> None:
    assert encoded_letters("ac gu", "ACGT").ids == encoded_letters("ACGT", "ACGU").ids == (0, 1, 2, 3)


def test_an_unknown_letter_has_no_code() -> None:
    codes = one_hot(encoded_letters("ANG", "ACGT").ids, ("position", "letter"), 4)
    assert codes[1].tolist() == [0, 0, 0, 0]
    assert text_of(codes, ("position", "letter"), "ACGT") == "ANG"


@pytest.mark.parametrize(
    ("text", "message"),
    [("AC!", "'!' is no letter"), ("", "there is no letter"), ("MKLV", "only 0 of 4 signs are letters")],
)
def test_what_is_no_sequence_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        encoded_letters(text, "ACGT")


def test_a_fasta_file_is_read_and_written(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">one first\nACGT\nAC\n\n;remark\n>two\nTTT\n")
    assert list(read_sequences(tmp_path / "a.fa")) == [("one first", "ACGTAC"), ("two", "TTT")]
    write_fasta(tmp_path / "b.fasta", "long\nname", "ACGT" * 40)
    assert list(read_sequences(tmp_path / "b.fasta")) == [("long name", "ACGT" * 40)]


def test_letters_before_a_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_text("ACGT\n")
    with pytest.raises(DataError, match="first line must begin with >"):
        list(read_sequences(tmp_path / "a.fasta"))
