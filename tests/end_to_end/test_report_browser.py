"""The report in a real browser: mouse, keys and links lead to its content, in both themes, and it loads nothing from outside.

Needs Playwright for Python and a chromium: Debian's, or the one that CHROMIUM names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from onnxviz.drawing.pictures import picture_bytes
from onnxviz.pages.page import Page, assets, script_data

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # the browser closes its pipes late
NAME = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


CONTRAST = """() => {
  // Painted on a canvas, what lies on one another is what is seen.
  const pen = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
  const linear = (x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  const light = (colors) => {
    for (const color of ['white', ...colors]) { pen.fillStyle = color; pen.fillRect(0, 0, 1, 1); }
    const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
    return 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  };
  const drawn = (one) => one.namespaceURI.endsWith('svg');
  const contrast = (one, ink) => {
    const behind = [];
    for (let each = one; each; each = each.parentElement) if (!drawn(each)) behind.unshift(getComputedStyle(each).backgroundColor);
    if (drawn(one) && one.previousElementSibling?.matches('.box')) behind.push(getComputedStyle(one.previousElementSibling).fill);
    const [back, front] = [light(behind), light([...behind, ink])];
    return (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
  };
  for (const one of document.querySelectorAll('details')) one.open = true;
  const found = [contrast(document.getElementById('search'), getComputedStyle(document.getElementById('search'), '::placeholder').color)];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !one.checkVisibility() || one.closest('script, noscript, title, .hidden, .skip')) continue;
    found.push(contrast(one, drawn(one) ? getComputedStyle(one).fill : getComputedStyle(one).color));
  }
  return found;
}"""
"""The contrast of every word with what is behind it, as WCAG 2.2 defines it."""

SHIFTS = """window.shifts = 0;
new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifts += one.value; })
  .observe({ type: "layout-shift", buffered: true });"""
"""Adds up how far what is read moves by itself: Cumulative Layout Shift."""


@pytest.fixture(scope="module")
def reports(cli, samples, tmp_path_factory) -> Path:
    """A report of pictures, and one of a model whose names hold HTML and script; both as folders and as single files."""
    folder = tmp_path_factory.mktemp("reports")
    graph = onnx.parser.parse_graph("agree (float[N, 3] x) => (float[N, 4] y) { y = MatMul(x, w) }")
    graph.node[0].output[0] = graph.output[0].name = NAME
    graph.initializer.append(onnx.numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(3, 4), "w"))
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8),
        folder / "hostile.onnx",
    )
    for name, path in (("digits", samples / "digits.onnx"), ("hostile", folder / "hostile.onnx")):
        words = ("--steps", 3, "--units", 10, "--restarts", 1, "--single-file", "-o", folder / name)
        patterns = ("--tensors", "logits", "--tensors", "relu?") if name == "digits" else ()
        assert cli("report", path, *words, *patterns).code == 0
    return folder


class Visit:
    """A page, and all that it said and asked for."""

    def __init__(self, page: sync_api.Page, place: Path, at: str = "") -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.add_init_script(SHIFTS)
        page.goto(place.as_uri() + at)

    def check(self, folder: Path) -> None:
        assert self.said == []
        inside = folder.resolve().as_uri()
        assert [url for url in self.asked if not url.startswith((inside, "data:"))] == []


@pytest.fixture
def visit(new_page, reports) -> Iterator:
    """Open a report; when the test is over, nothing may have been complained of or asked for from outside."""
    made: list[tuple[Visit, Path]] = []

    def open_page(name: str, file: str = "index.html", at: str = "", **options) -> sync_api.Page:
        page = new_page(**options)
        made.append((Visit(page, reports / name / file, at), reports / name))
        return page

    yield open_page
    for one, folder in made:
        one.check(folder)


def address(page: sync_api.Page) -> str:
    return str(page.evaluate("decodeURIComponent(location.hash)"))


@pytest.mark.parametrize("file", ["index.html", "report.html"])
def test_from_the_overview_to_a_unit_and_back(visit, file: str) -> None:
    page = visit("digits", file)
    page.locator(".tensor-row .strip a").first.click()
    assert address(page) == "#logits/0"
    page.locator(".detail h2", has_text="logits[0]").wait_for()
    picture = page.locator(".detail img")
    assert "logits[0]" in picture.get_attribute("alt")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    assert page.locator(".unit").count() == 10
    page.keyboard.press("ArrowRight")
    assert address(page) == "#logits/1"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert address(page) == "#logits/0"
    page.keyboard.press("Escape")
    assert address(page) == "#logits"
    # The address changes at once, the page with the event that follows.
    page.locator(".detail").wait_for(state="hidden")
    assert page.locator(".detail").is_hidden()
    page.keyboard.press("Escape")
    page.locator("#overview").wait_for()
    assert page.locator("#overview").is_visible()


def test_a_deep_link_opens_its_unit(visit, reports) -> None:
    page = visit("digits", "index.html")
    page.goto((reports / "digits" / "index.html").as_uri() + "#relu2/16")
    page.reload()
    page.locator(".detail h2", has_text="relu2[16]").wait_for()
    assert page.title().startswith("relu2")


def test_units_are_sorted_by_score(visit) -> None:
    page = visit("digits")
    page.locator("#tensors a", has_text="logits").click()
    page.locator(".about select").select_option("score")
    scores = page.locator(".unit .caption").evaluate_all(
        "all => all.map(one => parseFloat(one.childNodes[1].textContent.trim().replace('−', '-')))"
    )
    assert len(scores) == 10
    assert scores == sorted(scores, reverse=True)


def test_the_slash_searches_every_tensor(visit) -> None:
    page = visit("digits")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("conv3")
    assert page.locator("#tensors a").all_inner_texts()[0].startswith("conv3")
    page.keyboard.press("Enter")
    # The tensor was not requested: the page shows how to add it.
    assert "--tensors 'conv3'" in page.locator("#tensor pre").inner_text()
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    assert page.locator("#search").input_value() == ""
    assert {text.split()[0] for text in page.locator("#tensors a").all_inner_texts()} == {
        "logits",
        "relu1",
        "relu2",
        "relu3",
    }


def test_a_node_of_the_graph_leads_to_its_tensor(visit) -> None:
    page = visit("digits")
    page.locator(".drawing a").filter(has=page.locator("text", has_text="Relu")).first.click()
    assert address(page) == "#relu1"
    page.go_back()
    before = float(page.locator(".drawing").get_attribute("width"))
    page.locator("[data-zoom=in]").click()
    assert float(page.locator(".drawing").get_attribute("width")) > before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_are_read_well(visit, scheme: str) -> None:
    page = visit("digits", scheme=scheme)
    for place in ("", "#logits/3"):
        page.evaluate("place => { location.hash = place }", place)
        page.wait_for_timeout(150)
        found = page.evaluate(CONTRAST)
        assert len(found) > 20
        assert min(found) >= 4.5  # WCAG 2.2, level AA
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    assert min(page.evaluate(CONTRAST)) >= 4.5


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window_and_nothing_jumps(visit, width: int) -> None:
    for place in ("", "#logits", "#logits/3"):
        page = visit("digits", at=place, width=width)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("window.shifts") < 0.01
    # Every picture has its size before it is loaded.
    assert page.evaluate(
        "[...document.images].every(one => one.hasAttribute('width') && one.hasAttribute('height') && one.alt)"
    )


def test_paper_is_light_in_the_dark_too(visit) -> None:
    page = visit("digits", scheme="dark")
    page.locator("#theme").click()
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert min(page.evaluate(CONTRAST)) >= 4.5


@pytest.mark.parametrize("file", ["index.html", "report.html"])
def test_without_scripts_the_overview_is_there(visit, file: str) -> None:
    page = visit("digits", file, scripts=False)
    assert page.locator(".note", has_text="Without JavaScript").is_visible()
    for name in ("#search", "#theme", ".zoom", "#filter-sort"):
        assert page.locator(name).first.is_hidden()
    assert page.locator(".tensor-row .strip a").count() > 8
    page.locator("#tensors a", has_text="relu2").click()
    page.wait_for_timeout(1500)  # the page scrolls smoothly
    heading = page.locator(".tensor-row h3", has_text="relu2")
    assert heading.bounding_box()["y"] < 400  # the link leads to the tensor's part of the overview


@pytest.mark.parametrize("file", ["index.html", "report.html"])
def test_names_that_hold_html_are_words(visit, file: str) -> None:
    page = visit("hostile", file)
    page.locator("#tensors a").first.click()
    page.locator("h1", has_text=NAME).wait_for()
    page.locator(".unit").first.click()
    page.locator(".detail h2", has_text=NAME).wait_for()
    assert page.title().startswith(NAME)
    assert page.locator("img[src=x]").count() == 0
    page.keyboard.press("/")
    page.keyboard.type("<img")
    assert page.locator("#tensors a").count() == 1


def test_a_reader_of_the_screen_finds_its_way(visit) -> None:
    page = visit("digits")
    page.locator(".tensor-row .strip a").first.focus()
    page.keyboard.press("Enter")
    page.locator("#said", has_text="logits[0]").wait_for(state="attached")
    page.wait_for_function("document.activeElement.id === 'main'")  # the link that had the focus is gone
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.locator("#overview").wait_for()
    for role in ("banner", "navigation", "main"):
        assert page.get_by_role(role).count() == 1
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("searchbox", name="Search tensors").count() == 1
    nameless = page.locator("a, button").evaluate_all(
        "all => all.filter(one => !(one.textContent.trim() || one.getAttribute('aria-label') || one.querySelector('img')?.alt)).length"
    )
    assert nameless == 0


MANY = 5000


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """The page of a tensor with thousands of units, each with a picture of its own."""
    folder = tmp_path_factory.mktemp("many")
    units = []
    for number in range(MANY):
        place = f"units/fc/{number}.png"
        save(folder / place, picture_bytes(np.full((8, 8, 3), number % 256, np.uint8)))
        panel = {"title": "maximizing input", "alt": f"unit {number}", "file": place, "width": 8, "height": 8}
        about = {"unit": number, "target": f"fc[{number}]", "label": "", "score": -number, "shown": f"{-number}"}
        units.append({**about, "verdict": "ok", "told": [["score", "1"]], "command": "onnxviz", "panels": [panel]})
    about = {"name": "fc", "link": "fc", "operator": "Gemm", "shape": "Nx5000"}
    tensor = {
        **about,
        "dtype": "float32",
        "axis": "",
        "wanted": MANY,
        "of": MANY,
        "chart": False,
        "messages": [],
        "effort": [],
    }
    index = {"title": "many", "command": "onnxviz", "tensors": [{**about, "reason": "", "done": MANY, "shown": True}]}
    seconds = {"units": MANY, "searching": 1, "sections": {}, "versions": {}}
    for name, content in assets().items():
        save(folder / "assets" / name, content)
    for key, value in (("report", index), ("fc", {**tensor, "units": units}), ("seconds", seconds)):
        save(folder / "data" / f"{key}.js", script_data(value, key).encode("ascii"))
    save(folder / "index.html", Page("many", (), index, {}).html().encode("utf-8"))
    return folder


def save(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def crowd(new_page, many) -> Iterator[Visit]:
    visit = Visit(new_page(), many / "index.html")
    yield visit
    visit.check(many)


def test_of_thousands_of_units_those_near_the_reader_are_there(crowd) -> None:
    page = crowd.page
    page.evaluate("location.hash = 'fc'")
    page.locator(".unit").first.wait_for()
    page.wait_for_timeout(300)
    assert page.locator(".unit").count() < 400
    assert page.evaluate("document.querySelectorAll('*').length") < 3000
    assert page.locator(".unit img:not([loading=lazy])").count() == 0
    # Pictures far below the window are not requested.
    assert len([url for url in crowd.asked if url.endswith(".png")]) < 400
    before = page.locator(".unit").count()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("before => document.querySelectorAll('.unit').length > before", arg=before)
    page.wait_for_timeout(300)
    assert before < page.locator(".unit").count() < MANY / 2


def test_one_of_thousands_is_reached_by_its_address_by_order_and_by_keys(crowd) -> None:
    page = crowd.page
    page.evaluate("location.hash = 'fc/3210'")
    page.locator(".detail h2", has_text="fc[3210]").wait_for()
    assert page.locator(".unit[aria-current]").get_attribute("data-unit") == "3210"
    page.keyboard.press("ArrowRight")
    page.locator(".detail h2", has_text="fc[3211]").wait_for()
    page.keyboard.press("Escape")
    page.locator(".about select").select_option("score")
    assert page.locator(".unit").first.get_attribute("data-unit") == "0"
    assert page.locator(".unit").count() < 400


def test_above_one_of_thousands_earlier_ones_come_where_nobody_looks(new_page, many) -> None:
    visit = Visit(new_page(), many / "index.html", "#fc/3210")
    page = visit.page
    page.locator(".detail h2", has_text="fc[3210]").wait_for()
    page.wait_for_timeout(300)
    assert page.locator(".unit").count() < 700
    first = int(page.locator(".unit").first.get_attribute("data-unit"))
    assert 2700 < first < 3210
    box = page.locator(".unit[aria-current]").bounding_box()
    assert 0 <= box["y"] < 800
    page.evaluate("scrollTo({ top: 400, behavior: 'instant' })")
    page.wait_for_function("first => Number(document.querySelector('.unit').dataset.unit) < first", arg=first)
    page.wait_for_timeout(200)
    assert page.evaluate("window.shifts") < 0.01
    assert page.evaluate("scrollY") > 400  # the visible units have not moved
    # Up and down go by rows, in the present number of columns.
    wide = page.evaluate("getComputedStyle(document.querySelector('.units')).gridTemplateColumns.split(' ').length")
    page.keyboard.press("ArrowDown")
    page.locator(".detail h2", has_text=f"fc[{3210 + wide}]").wait_for()
    assert page.locator(".unit[aria-current]").bounding_box()["x"] == pytest.approx(box["x"], abs=1)
    visit.check(many)


def test_a_unit_that_is_not_there_is_said_to_be_missing(visit) -> None:
    page = visit("digits", "index.html")
    page.evaluate("location.hash = 'relu2/5'")
    page.locator(".absent", has_text="Unit 5 is not in this report").wait_for()
    assert page.locator(".unit").count() > 0
    assert page.locator(".detail").is_hidden()


def test_on_paper_every_unit_stands(crowd) -> None:
    page = crowd.page
    page.evaluate("location.hash = 'fc'")
    page.locator(".unit").first.wait_for()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".unit").count() == MANY
