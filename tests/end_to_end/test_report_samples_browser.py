"""Real samples on the report's page, in a real browser: the scored samples are shown, loaded when needed, and names are never markup.

Needs Playwright for Python and a chromium: Debian's, or the one that CHROMIUM names.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # the browser closes its pipes late
NAME = "<img src=x onerror=\"document.title='owned'\">.png"


CONTRASTS = """all => {
  // Painted on a canvas, mixed colors are what is seen.
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const seen = (...colors) => {
    for (const color of colors) { pen.fillStyle = color; pen.fillRect(0, 0, 1, 1); }
    return pen.getImageData(0, 0, 1, 1).data;
  };
  const linear = (x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const card = getComputedStyle(document.querySelector('.detail')).backgroundColor;
  return all.map((one) => {
    const style = getComputedStyle(one);
    const [back, ink] = [light(seen(card, style.backgroundColor)), light(seen(style.color))];
    return (Math.max(back, ink) + 0.05) / (Math.min(back, ink) + 0.05);
  });
}"""
"""The contrast of each cell with what is behind it, as WCAG 2.2 defines it."""


@pytest.fixture(scope="module")
def reports(cli, samples, tmp_path_factory) -> Path:
    """Reports with data and a sample input: of pictures, one of whose names is HTML, of sounds and of a table."""
    folder = tmp_path_factory.mktemp("reports")
    shutil.copytree(samples / "photo_patches_held_out", folder / "photos")
    shutil.copy(samples / "photo_patches_cat.png", folder / "photos" / NAME)
    kinds = {
        "photo_patches": (folder / "photos", folder / "photos" / NAME, "relu2"),
        "tones": (samples / "tones_held_out.npy", samples / "tones_rising_chirp.wav", "logits"),
        "wine": (samples / "wine.csv", samples / "wine_class_1.csv", "logits"),
    }
    for name, (data, given, tensor) in kinds.items():
        short = ("--steps", 2, "--units", 4, "--restarts", 1, "--budget", "none", "--tensors", tensor, "--single-file")
        assert cli("report", samples / f"{name}.onnx", data, "--input", given, *short, "-o", folder / name).code == 0
    return folder


@pytest.fixture
def visit(new_page, reports) -> Iterator:
    """Open a report; when the test is over, nothing may have been complained of or asked for from outside."""
    made: list[tuple[list[str], list[str], Path]] = []

    def open_page(name: str, place: str = "", file: str = "index.html", **options) -> tuple[sync_api.Page, list[str]]:
        page = new_page(**options)
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        made.append((said, asked, reports / name))
        page.goto((reports / name / file).as_uri() + place)
        return page, asked

    yield open_page
    for said, asked, folder in made:
        assert said == []
        assert [url for url in asked if not url.startswith((folder.resolve().as_uri(), "data:"))] == []


def data(folder: Path, name: str) -> dict:
    text = (folder / "data" / f"{name}.js").read_text("ascii").strip()
    return json.loads("[" + text.removeprefix("onnxvizReport(").removesuffix(");") + "]")[1]


@pytest.mark.parametrize("file", ["index.html", "report.html"])
def test_a_unit_stands_beside_the_samples_that_drive_it(visit, reports, file: str) -> None:
    unit = data(reports / "photo_patches", "relu2")["units"][0]
    page, _ = visit("photo_patches", f"#relu2/{unit['unit']}", file)
    page.locator(".detail h2", has_text=unit["target"]).wait_for()
    tiles = page.locator(".detail .samples figcaption b").all_inner_texts()
    assert tiles == [one["shown"] for one in (*unit["real"]["highest"], *unit["real"]["lowest"])]
    for picture in page.locator(".detail .samples img").all():
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        assert unit["target"] in picture.get_attribute("alt")
        assert picture.get_attribute("loading") == "lazy"
    said = page.locator(".histogram").get_attribute("aria-label")
    assert unit["target"] in said
    assert unit["shown"] in said
    assert unit["real"]["stands"] in said


def test_a_patch_is_the_part_that_is_framed(visit, reports) -> None:
    found = data(reports / "photo_patches", "relu2")
    unit = found["units"][0]
    page, _ = visit("photo_patches", f"#relu2/{unit['unit']}")
    page.locator(".detail .patches .patch").first.wait_for()
    framed = [one for one in unit["real"]["highest"] if one["window"]]
    assert page.locator(".detail .patches .patch").count() == len(framed)
    for place, one in enumerate(framed):
        box = page.locator(".detail .patches .patch").nth(place).bounding_box()
        picture = page.locator(".detail .patches .patch img").nth(place).bounding_box()
        (top, bottom), (left, right) = one["window"]
        assert (box["x"] - picture["x"]) / picture["width"] == pytest.approx(left, abs=0.01)
        assert (box["y"] - picture["y"]) / picture["height"] == pytest.approx(top, abs=0.01)
        assert box["width"] / picture["width"] == pytest.approx(right - left, abs=0.01)
        assert box["height"] / picture["height"] == pytest.approx(bottom - top, abs=0.01)
        # The frame in the whole picture lies at the place of the patch.
        whole = page.locator(".detail .samples li").nth(unit["real"]["highest"].index(one))
        frame, around = whole.locator(".frame-line").bounding_box(), whole.locator("img").bounding_box()
        assert (frame["x"] + frame["width"] / 2 - around["x"]) / around["width"] == pytest.approx(
            (left + right) / 2, abs=0.03
        )


def test_the_row_of_a_table_is_shown_as_numbers(visit, reports) -> None:
    found = data(reports / "wine", "logits")
    unit = found["units"][1]
    page, _ = visit("wine", f"#logits/{unit['unit']}")
    page.locator(".detail .rows").wait_for()
    scores = page.locator(".detail .rows .score").all_inner_texts()
    assert scores == [one["shown"] for one in (*unit["real"]["highest"], *unit["real"]["lowest"])]
    heads = page.locator(".detail .rows th").all_inner_texts()
    assert heads[1:-1] == found["seen"]["columns"]
    first = page.locator(".detail .rows tbody tr").first.locator("td").all_inner_texts()[1:-1]
    values = found["seen"]["looks"][unit["real"]["highest"][0]["id"]]["values"]
    assert [float(text.replace("−", "-")) for text in first] == pytest.approx(values, rel=1e-3)


def test_sounds_are_waves_in_one_scale(visit, reports) -> None:
    unit = data(reports / "tones", "logits")["units"][0]
    page, _ = visit("tones", f"#logits/{unit['unit']}")
    page.locator(".detail .wave-box").first.wait_for()
    assert page.locator(".detail .wave-box").count() == len(unit["real"]["highest"]) + len(unit["real"]["lowest"])
    label = page.locator(".detail .wave-box").first.get_attribute("aria-label")
    assert unit["target"] in label
    assert unit["real"]["highest"][0]["shown"] in label
    heights = page.locator(".detail .wave-box .wave").evaluate_all("all => all.map(one => one.getBBox().height)")
    assert 0 < max(heights) <= 60


def test_what_is_not_looked_at_is_not_loaded(visit, reports) -> None:
    page, asked = visit("photo_patches")
    page.wait_for_timeout(500)
    names = [url.rpartition("photo_patches/")[2] for url in asked]
    assert "data/relu2.js" not in names
    assert list((reports / "photo_patches" / "inputs").glob("*/relu2/*.png"))
    assert not [name for name in names if name.startswith("inputs/") and "/relu2/" in name]
    page.locator(".given summary", has_text="relu2").click()
    page.locator(".given details[open] img").first.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    names = [url.rpartition("photo_patches/")[2] for url in asked]
    assert [name for name in names if name.startswith("inputs/") and "/relu2/" in name]


@pytest.mark.parametrize("file", ["index.html", "report.html"])
def test_names_of_samples_are_words(visit, file: str) -> None:
    page, _ = visit("photo_patches", "", file)
    page.locator(".given h3", has_text=NAME).wait_for()
    for unit in data_units(page):
        page.evaluate("unit => { location.hash = 'relu2/' + unit }", unit)
        page.wait_for_timeout(150)
    assert page.locator("img[src=x]").count() == 0
    assert "owned" not in page.title()


def data_units(page: sync_api.Page) -> list[str]:
    """The units of the page of relu2, by number."""
    page.evaluate("location.hash = 'relu2'")
    page.locator(".unit").first.wait_for()
    return page.locator(".unit").evaluate_all("all => all.map(one => one.dataset.unit)")


@pytest.mark.parametrize(
    ("name", "place"), [("photo_patches", "#relu2/0"), ("tones", "#logits/0"), ("wine", "#logits/1"), ("wine", "")]
)
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(visit, name: str, place: str, width: int) -> None:
    page, _ = visit(name, place, width=width, height=844)
    page.wait_for_timeout(400)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shaded_numbers_are_read_well(visit, scheme: str) -> None:
    page, _ = visit("wine", "#logits/1", scheme=scheme)
    page.locator(".detail .rows").wait_for()
    contrasts = page.locator(".rows td").evaluate_all(CONTRASTS)
    assert contrasts
    assert min(contrasts) >= 4.5  # WCAG 2.2, level AA


@pytest.mark.parametrize(("scheme", "lightest"), [("light", True), ("dark", False)])
def test_charts_have_the_colors_of_the_page(visit, scheme: str, lightest: bool) -> None:
    page, _ = visit("wine", "#logits/1", scheme=scheme)
    for place in (".detail figure img.chart", ".units img.chart"):
        picture = page.locator(place).first
        picture.evaluate("image => image.decode()")
        with Image.open(io.BytesIO(picture.screenshot())) as seen:
            light = np.asarray(seen.convert("L"))
        # Most of a chart is background.
        assert (np.median(light) > 230) if lightest else (np.median(light) < 60)


def test_an_explanation_is_drawn_in_the_page(visit, reports) -> None:
    page, _ = visit("photo_patches")
    picture = page.locator(".explained img")
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    curves = page.locator(".curves .curve")
    assert curves.count() == 4
    boxes = [curves.nth(place).bounding_box() for place in range(4)]
    around = page.locator(".curves > svg").bounding_box()
    for box in boxes:
        assert around["x"] - 2 <= box["x"]
        assert box["x"] + box["width"] <= around["x"] + around["width"] + 2
        assert around["y"] - 2 <= box["y"]
        assert box["y"] + box["height"] <= around["y"] + around["height"] + 2
    assert "logits" in page.locator(".curves > svg").get_attribute("aria-label")
