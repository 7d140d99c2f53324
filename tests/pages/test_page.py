"""The report's page: names from a model are always text, and the page loads nothing from outside."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxviz.pages.page import Page, Section, assets, script_data
from onnxviz.pages.unit_page import unit_entry

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Tags(HTMLParser):
    """Every tag with its attributes, and all text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data) -> None:
        self.words.append(data)


def page(name: str) -> Page:
    unit = {"unit": 0, "target": name, "panels": [{"file": "units/a/0.png", "width": 1, "height": 1, "alt": name}]}
    section = Section(
        "outputs",
        name,
        "outputs",
        {"rows": [{"name": name, "dtype": name, "shape": [name], "link": ""}], "labels": [name], "more": 0},
    )
    return Page(
        name,
        (section, Section("graph", "The graph", "graph", message=name)),
        {"title": name, "tensors": []},
        {"a": {"units": [unit]}},
    )


@given(st.text())
def test_a_script_hands_over_the_very_value(text: str) -> None:
    script = script_data({"name": text}, text)
    inside = script.removeprefix("onnxvizReport(").removesuffix(");")
    assert not set(inside) & set("<>&\u2028\u2029")
    assert json.loads(f"[{inside}]") == [text, {"name": text}]


@pytest.mark.parametrize("single", [False, True])
def test_hostile_names_are_text(single: bool) -> None:
    text = page(HOSTILE).single_file(lambda place: b"png") if single else page(HOSTILE).html()
    seen = Tags(text)
    assert "img" not in [tag for tag, _ in seen.tags]
    assert len([tag for tag, _ in seen.tags if tag == "script"]) == (5 if single else 4)
    assert not [key for _, attributes in seen.tags for key in attributes if key.startswith("on")]
    assert sum(HOSTILE in word for word in seen.words) >= 4


@pytest.mark.parametrize("single", [False, True])
def test_nothing_leads_out_of_the_page(single: bool) -> None:
    text = page("m").single_file(lambda place: b"png") if single else page("m").html()
    for tag, attributes in Tags(text).tags:
        for key in ("src", "href", "action", "srcset"):
            assert not re.match(r"(\w+:)?//", attributes.get(key) or ""), (tag, attributes)
        assert "style" not in attributes  # the policy would refuse it
    (policy,) = [a["content"] for tag, a in Tags(text).tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_one_file_needs_no_other() -> None:
    text = page("m").single_file(lambda place: place.encode())
    assert not [
        a
        for tag, a in Tags(text).tags
        if tag in ("script", "link") and (a.get("src") or "assets" in (a.get("href") or ""))
    ]
    assert "data:image/png;base64,dW5pdHMvYS8wLnBuZw==" in text


def test_a_picture_that_several_samples_share_is_held_once() -> None:
    units = [{"panels": [{"file": f"units/a/{number}.png"}]} for number in range(3)]
    looks = {name: {"kind": "picture", "file": "samples/one.jpg"} for name in ("a", "b", "c")}
    held = Page("m", (), {"title": "m", "tensors": []}, {"t": {"units": units, "seen": {"looks": looks}}})
    text = held.single_file(lambda place: place.encode())
    assert text.count("data:image/jpeg;base64,") == 1
    assert text.count("data:image/png;base64,") == 3
    # The index comes after all data that an address may need.
    assert (
        text.index('onnxvizReport("pictures"') < text.index('onnxvizReport("t"') < text.index('onnxvizReport("report"')
    )


def test_a_picture_that_the_overview_shows_is_held_once() -> None:
    about = {"unit": 0, "target": "a[0]", "label": "", "shown": "1", "verdict": "ok", "best": []}
    panel = {"file": "units/a/0.png", "width": 8, "height": 8, "alt": "a[0]"}
    row = {"name": "a", "link": "a", "operator": "Conv", "shape": "Nx2", "output": False, "of": 2, "chart": False}
    row |= {
        "done": 1,
        "wanted": 2,
        "messages": [],
        "effort": [],
        "refused": 0,
        "left": 1,
        "units": [{**about, "panel": panel}],
    }
    shown = {
        "tensors": [row],
        "done": 1,
        "wanted": 2,
        "count": 1,
        "refused": 0,
        "left": [row],
        "steps": None,
        "moving": "x",
        "real": False,
    }
    units = [{"panels": [{"file": f"units/a/{number}.png"}]} for number in range(2)]
    index = {"title": "m", "tensors": []}
    text = Page("m", (Section("units", "Units", "units", shown),), index, {"a": {"units": units}}).single_file(
        lambda place: place.encode()
    )
    assert text.count("data:image/png;base64,") == 2
    assert 'data-file="units/a/0.png"' in text  # where the script finds it


def test_assets_ask_for_nothing() -> None:
    for name, content in assets().items():
        assert b"http" not in content, name
        assert b"@import" not in content
        assert b"innerHTML" not in content


def test_the_entry_of_a_unit_of_the_first_convolution_shows_its_kernel() -> None:
    row = {
        **dict.fromkeys(("label", "question", "optimizer", "units", "message"), ""),
        **dict.fromkeys(("verdict", "robustness", "data", "set", "score")),
        "target": "conv[1]",
        "climbed": "conv[1]",
        "ort_score": 1.0,
        "initial_ort_score": 0.0,
        "status": "ok",
        "restarts": 1,
        "steps": 4,
        "consistency": {},
    }
    picture, kernel = ({"file": f"units/a/1{name}.png", "width": 8, "height": 8} for name in ("", "_kernel"))
    panels = unit_entry(1, row, picture, kernel, ["onnxviz"])["panels"]
    assert [(one["title"], one["file"]) for one in panels] == [
        ("maximizing input", "units/a/1.png"),
        ("kernel", "units/a/1_kernel.png"),
    ]
    assert len(unit_entry(1, row, picture, None, ["onnxviz"])["panels"]) == 1
