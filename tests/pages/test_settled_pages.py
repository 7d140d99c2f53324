"""A report shows the graph that its sizes settle: no arithmetic on shapes, and no made-up names of sizes."""

from __future__ import annotations

import numpy as np

# A padding and the target of a Reshape, computed from the shape, and an If that the rate decides. The rate's default is 16000.
TEXT = """agraph (float[unk__3, 2, H, 6] x, int64 rate) => (float[A, B] y)
<int64 zero = {0}, int64 two = {2}, int64[1] first = {0}, int64[1] m = {-1}, int64 high = {16000}, int64[7] none = {0, 0, 0, 0, 0, 0, 0}>
{ s = Shape(x) h = Gather(s, two) u = Unsqueeze(h, first) pads = Concat <axis = 0> (none, u) p = Pad(x, pads) c = Conv(p, w)
  b = Equal(rate, high)
  r = If (b) < then_branch = yes () => (float[E, F, G, K] o) { t = Tanh(c) o = Exp(t) },
               else_branch = no () => (float[O, P, Q, R] q) { q = Neg(c) } >
  z = Shape(r) n = Gather(z, zero) v = Unsqueeze(n, first) g = Concat <axis = 0> (v, m) y = Reshape(r, g) }"""


def test_pages_show_the_settled_graph(cli, written, tmp_path) -> None:
    kernels = np.random.default_rng(0).normal(size=(3, 2, 3, 3)).astype(np.float32)
    path = written(TEXT, w=kernels)
    words = ("--steps", 2, "--units", 2, "--restarts", 1, "--shape", "x=1x2x5x6", "--json")
    outcome = cli("report", path, "-o", tmp_path / "out", *words)
    assert outcome.code == 0, outcome.err
    texts = [
        file.read_text("utf-8") for file in (tmp_path / "out").rglob("*") if file.suffix in (".html", ".js", ".json")
    ]
    assert texts
    assert not any("unk__" in text for text in texts)
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    start = page.index('class="drawing"')
    drawing = page[start : page.index("</svg>", start)]
    assert "5 nodes" in page
    assert "Gather" not in drawing
    assert ">If<" not in drawing
    assert "Tanh: t, float32 " in page
    assert "?x3x3x9" in page
    (row,) = cli("inspect", path, "c", "--json").document["tensors"]
    assert row["shape"] == [None, 3, None, None]
