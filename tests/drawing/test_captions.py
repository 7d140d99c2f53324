"""Text for pictures and messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxviz.drawing.captions import elide_to_width, font
from onnxviz.wording import elide, number_text, printable, quoted


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_ascii_stays_as_it_is(text):
    assert printable(text) == text


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_drawn_has_no_control_character_and_is_stable(text):
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    shown.encode("utf-8")  # no lone surrogate is left


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\u202eb", "a\\u202eb"),  # turns the direction of writing
        ("a\u200bb", "a\\u200bb"),  # has no width
        ("\u0430", "\\u0430"),  # looks like an a
        ("so\xadft", "so\\xadft"),
        ("\ud800", "\\ud800"),
        ("Größe 3 × 5 µm², −2", "Größe 3 × 5 µm², −2"),
    ],
)
def test_what_may_deceive_is_escaped(text, shown):
    assert printable(text) == shown


@given(st.text(), st.integers(1, 30))
def test_elided_text_fits_and_keeps_its_ends(text, most):
    shown = elide(text, lambda shorter: len(shorter) <= most)
    if len(text) <= most:
        assert shown == text
    else:
        assert len(shown) == most
        head, _, tail = shown.partition("…") if "…" not in text else (shown[: most - most // 2 - most % 2], "", "")
        assert text.startswith(head)
        assert text.endswith(tail)


def test_elision_keeps_as_much_as_fits():
    assert elide("abcdefghij", lambda text: len(text) <= 7) == "abc…hij"
    assert elide("abcdefghij", lambda text: len(text) <= 6) == "abc…ij"
    assert elide("abc", lambda text: False) == "…"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=2000), st.integers(24, 300))
def test_elided_text_is_no_wider_than_asked(text, width):
    letters = font(22)
    assert letters.getlength(elide_to_width(text, letters, width)) <= width


def test_quoted_words_are_escaped_and_short():
    assert quoted("x\ty") == "'x\\ty'"
    assert len(quoted("x" * 1000)) == 42


@given(st.floats(-1e300, 1e300), st.integers(2, 6))
def test_number_text_is_the_number_to_so_many_digits(value, digits):
    back = float(number_text(value, digits).replace("−", "-"))
    assert back == pytest.approx(value, rel=0.5000001 * 10.0 ** (1 - digits), abs=0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1740.0, "1740"),
        (-2.5, "−2.5"),
        (1e-7, "1e−7"),
        (123456.0, "1.23e5"),
        (99999.0, "99999"),
    ],
)
def test_number_text_reads_well(value, text):
    assert number_text(value) == text


def test_bold_letters_are_wider():
    assert font(20, bold=True).getlength("conv1") > font(20).getlength("conv1")


def test_a_missing_font_is_replaced_by_pillows_own(monkeypatch, tmp_path):
    import matplotlib

    monkeypatch.setattr(matplotlib, "get_data_path", lambda: str(tmp_path))
    assert font.__wrapped__(20).getlength("conv1") > 20
