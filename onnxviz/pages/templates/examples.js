"use strict";
/* The real data on a tensor's page: samples as pictures, waves or rows, the receptive fields of units, and histograms of scores.
   make(tag, attributes, ...children) and source(file) come from the page's script. They set texts as text, never as markup. */
window.onnxvizExamples = function (make, source) {
  const SVG = document.getElementById("drawing-space").namespaceURI;
  function draw(tag, attributes, ...children) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) element.setAttribute(name, String(value));
    element.append(...children);
    return element;
  }

  const brief = (value) => String(Number(value.toPrecision(4))).replace("-", "−");
  const words = (one) => one.shown + (one.label ? ", " + one.label : "");
  const sight = (target, one) => one.id + (one.label ? " (" + one.label + ")" : "") + " drives " + target + " to " + one.shown;

  /* Return a whole sample, with a frame around the receptive field of the unit's maximum. */
  function whole(target, one, look, limit) {
    if (look.kind === "wave") return wave(target, one, look, limit);
    if (look.kind === "tokens") return make("code", { class: "ids" }, look.ids.join(" ") + (look.length > look.ids.length ? " …" : ""));
    const picture = make("img", {
      src: source(look.file), width: look.width, height: look.height, loading: "lazy", decoding: "async",
      alt: sight(target, one) + (one.window ? "; framed: the receptive field of the maximum" : "") + ".",
      class: Math.max(look.width, look.height) <= 96 ? "small" : null,
    });
    const box = make("span", { class: "framed" }, picture);
    if (one.window && look.framed && one.window.length === 2) {
      const [[top, bottom], [left, right]] = one.window;
      const edge = { x: left * 100, y: top * 100, width: (right - left) * 100, height: (bottom - top) * 100, "vector-effect": "non-scaling-stroke" };
      box.append(draw("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
        draw("rect", { class: "rim", ...edge }), draw("rect", { class: "frame-line", ...edge })));
    }
    return box;
  }

  /* Show a part of a picture instead of the whole, given in pixels. The script sets the styles, because the page's policy forbids them in the HTML. */
  function crop(picture, x, y, width, height) {
    const percent = (value) => (value * 100).toFixed(3) + "%";
    picture.parentElement.style.aspectRatio = width + " / " + height;
    Object.assign(picture.style, { position: "absolute", maxWidth: "none", height: "auto", objectFit: "fill", borderRadius: "0",
      width: percent(picture.getAttribute("width") / width), left: percent(-x / width), top: percent(-y / height) });
  }

  /* Return the receptive field of the unit's maximum, as a picture of its own. */
  function patch(target, one, look) {
    const [[top, bottom], [left, right]] = one.window;
    const picture = make("img", { src: source(look.file), width: look.width, height: look.height, loading: "lazy", decoding: "async",
      alt: "The part of " + one.id + " that drives " + target + " to " + one.shown + ".", class: Math.max(look.width, look.height) <= 96 ? "small" : null });
    const box = make("span", { class: "patch" }, picture);
    crop(picture, left * look.width, top * look.height, (right - left) * look.width, (bottom - top) * look.height);
    return box;
  }
  const cut = (one, look) => look && look.framed && one.window && one.window.length === 2 && one.window.every(([from, to]) => to > from);
  const share = (one) => (one.window[0][1] - one.window[0][0]) * (one.window[1][1] - one.window[1][0]);
  /* Return the samples whose patches are shown: none if one covers half of the input or more, since it shows little new. */
  function narrow(list, seen) {
    const known = list.filter((one) => cut(one, seen.looks[one.id]));
    return known.every((one) => share(one) < 0.5) ? known : [];
  }

  function wave(target, one, look, limit) {
    const [width, height] = [look.lines[0][0].length, 60];
    const [least, most] = limit;
    const y = (value) => (height * (0.96 - 0.92 * (most > least ? (value - least) / (most - least) : 0.5))).toFixed(2);
    const lines = look.lines.map(([low, high], number) => {
      // The outline stays visible where the lowest and the highest value are equal.
      const upper = high.map((value, place) => place + 0.5 + " " + y(value));
      const lower = low.map((value, place) => place + 0.5 + " " + y(value)).reverse();
      return draw("path", { class: "wave wave-" + number, d: "M" + [...upper, ...lower].join("L") + "Z", "vector-effect": "non-scaling-stroke" });
    });
    const edges = one.window && one.window.length === 1 ? one.window[0] : null;
    return draw("svg", { class: "wave-box", viewBox: "0 0 " + width + " " + height, preserveAspectRatio: "none", role: "img", "aria-label": sight(target, one) + (edges ? "; shaded: the receptive field of the maximum" : "") },
      ...(edges ? [draw("rect", { class: "seen", x: edges[0] * width, y: 0, width: Math.max(0.8, (edges[1] - edges[0]) * width), height })] : []),
      ...(least <= 0 && most >= 0 ? [draw("path", { class: "zero", d: "M0 " + y(0) + "H" + width, "vector-effect": "non-scaling-stroke" })] : []), ...lines);
  }

  /* Return rows of a table. Each feature is shaded by its distance from the mean of the rows on the tensor's page. */
  function rows(target, shown, seen, spread) {
    const columns = seen.columns.length === spread.length ? seen.columns : spread.map((_, place) => "[" + place + "]");
    const shade = (value, place) => {
      const [mean, deviation] = spread[place];
      const steps = deviation > 0 && typeof value === "number" ? Math.round((value - mean) / deviation * 2) : 0;
      return "number" + (steps ? " far far-" + (steps > 0 ? "above" : "below") + "-" + Math.min(4, Math.abs(steps)) : "");
    };
    const labeled = shown.some(([, one]) => one.label);
    let before = "";
    return make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Rows with the highest and lowest scores of " + target },
      make("table", { class: "rows" },
        make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "number" }, "score"), labeled ? make("th", { scope: "col" }, "class") : "",
          ...columns.map((name) => make("th", { scope: "col", class: "number" }, name)), make("th", { scope: "col" }, "row"))),
        make("tbody", {}, ...shown.map(([kind, one]) => {
          const first = before && kind !== before;
          before = kind;
          return make("tr", { class: first ? "apart" : null }, make("td", { class: "number score" }, one.shown), labeled ? make("td", {}, one.label) : "",
            ...seen.looks[one.id].values.map((value, place) => make("td", { class: shade(value, place) }, typeof value === "number" ? brief(value) : value ?? "–")), make("td", { class: "quiet" }, one.id.startsWith(seen.data + "#") ? one.id.slice(seen.data.length) : one.id));
        }))));
  }

  /* Values that all samples of a page share are computed once. */
  function once(compute) {
    const kept = new WeakMap();
    return (looks) => { if (!kept.has(looks)) kept.set(looks, compute(looks)); return kept.get(looks); };
  }

  const spreadOf = once((looks) => {
    const every = Object.values(looks).filter((look) => look.kind === "row");
    if (!every.length) return [];
    return every[0].values.map((_, place) => {
      const values = every.map((look) => look.values[place]).filter((value) => typeof value === "number");
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return [mean, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)];
    });
  });

  /* All waves of a tensor's page share one scale, so that a quiet sample looks quiet. */
  const limitOf = once((looks) => {
    const limit = [Infinity, -Infinity];
    for (const look of Object.values(looks)) {
      if (look.kind === "wave") for (const value of look.lines.flat(2)) { limit[0] = Math.min(limit[0], value); limit[1] = Math.max(limit[1], value); }
    }
    return limit;
  });

  /* Return the histogram of the samples' scores, with the score of the input that the search found. */
  function histogram(unit) {
    const real = unit.real;
    const [width, height, base] = [320, 132, 96];
    const span = real.high - real.low || 1;
    const beyond = unit.score !== null && unit.score > real.high + 1.2 * span;
    const from = unit.score === null ? real.low : Math.max(Math.min(real.low, unit.score), real.low - 1.2 * span);
    const to = unit.score === null ? real.high : beyond ? real.high + 0.45 * span : Math.max(real.high, unit.score);
    const x = (value) => 10 + (value - from) / (to - from || 1) * (width - 20);
    const most = Math.max(...real.histogram, 1);
    const step = (x(real.high) - x(real.low)) / real.histogram.length || 4;
    const bars = real.high > real.low ? real.histogram.map((count, place) => count === 0 ? null :
      draw("rect", { class: "bar-count", x: (x(real.low) + place * step).toFixed(2), y: (base - Math.max(2, count / most * (base - 24))).toFixed(2), width: Math.max(1, step - 0.8).toFixed(2), height: Math.max(2, count / most * (base - 24)).toFixed(2) })).filter(Boolean)
      : [draw("rect", { class: "bar-count", x: x(real.low) - 3, y: 24, width: 6, height: base - 24 })];
    const marks = real.highest.map((one) => draw("path", { class: "mark", d: "M" + x(one.score).toFixed(2) + " " + (base + 2) + "v7" }));
    const label = (value, place, anchor, extra) => draw("text", { x: place, y: base + 24, "text-anchor": anchor, class: extra || "" }, brief(value));
    const texts = [label(real.low, Math.max(10, x(real.low)), "start")];
    if (real.high > real.low) texts.push(label(real.high, Math.min(width - 10, x(real.high)), x(real.high) > width - 60 ? "end" : "middle"));
    const found = [];
    if (unit.score !== null) {
      const place = beyond ? width - 12 : Math.min(width - 10, Math.max(10, x(unit.score)));
      found.push(draw("path", { class: "found", d: "M" + place + " 16V" + base + (beyond ? "M" + (place - 4) + " " + (base - 30) + "l7 -4l-7 -4" : "") }),
        draw("text", { class: "found-text", x: place, y: 11, "text-anchor": place > width - 70 ? "end" : place < 70 ? "start" : "middle" }, "found " + unit.shown));
    }
    const said = "Scores of " + real.count + (real.count === 1 ? " sample: " : " samples: ") + brief(real.low) + " to " + brief(real.high) + ", mean " + real.mean + ". Score of the input that the search found for " + unit.target + ": " + unit.shown + (real.stands ? ", " + real.stands : "") + ".";
    return draw("svg", { class: "histogram", viewBox: "0 0 " + width + " " + height, role: "img", "aria-label": said },
      ...bars, draw("path", { class: "zero", d: "M10 " + base + "H" + (width - 10) }), ...marks, ...texts, ...found);
  }

  /* Return the parts of a unit's page about real data. */
  function parts(unit, seen) {
    const real = unit.real;
    if (!real) return [];
    const known = (list) => list.filter((one) => seen.looks[one.id]);
    const [highest, lowest] = [known(real.highest), known(real.lowest)];
    const found = [];
    const heading = (text) => make("h3", {}, text);
    const spread = spreadOf(seen.looks);
    if (real.message) found.push(make("p", { class: "note" }, real.message));
    if (spread.length) {
      if (highest.length) found.push(heading("Highest rows" + (lowest.length ? " and lowest rows" : "")), rows(unit.target, [...highest.map((one) => ["highest", one]), ...lowest.map((one) => ["lowest", one])], seen, spread));
    } else {
      const limit = limitOf(seen.looks);
      const tiles = (list) => make("ul", { class: "samples" + (list.length && seen.looks[list[0].id].kind !== "picture" ? " waves" : "") }, ...list.map((one) =>
        make("li", {}, make("figure", {}, whole(unit.target, one, seen.looks[one.id], limit), make("figcaption", { title: one.id }, make("b", {}, one.shown), one.label && !one.id.startsWith(one.label + "/") ? " " + one.label : "", make("span", { class: "id" }, one.id))))));
      if (highest.length) found.push(heading("Highest samples"), tiles(highest));
      const patches = narrow(highest, seen);
      if (patches.length) found.push(heading("Their parts in the receptive field of the maximum"), make("ul", { class: "patches" }, ...patches.map((one) => make("li", { title: one.id + ", " + words(one) }, patch(unit.target, one, seen.looks[one.id])))));
      if (lowest.length) found.push(heading("Lowest samples"), tiles(lowest));
    }
    if (real.count) found.push(heading("Scores of " + real.count.toLocaleString("en") + (real.count === 1 ? " sample of " : " samples of ") + seen.data), histogram(unit),
      make("p", { class: "quiet" }, "Mean " + real.mean + (real.zeros > 0 ? ", " + Math.round(real.zeros * 100) + " % exactly 0" : "") + (real.stands ? "; score of the found input: " + real.stands : "") + ". Ticks mark the highest samples." + (seen.complete ? "" : " Not all samples are scored yet.")));
    return found;
  }

  /* Return a few of the unit's highest samples, for the grid. */
  function strip(unit, seen, count) {
    const best = unit.real ? unit.real.highest.filter((one) => seen.looks[one.id] && !["row", "tokens"].includes(seen.looks[one.id].kind)).slice(0, count) : [];
    if (!best.length) return "";
    const limit = limitOf(seen.looks);
    const patches = narrow(best, seen);
    return make("span", { class: "best" + (seen.looks[best[0].id].kind === "wave" ? " waves" : "") }, ...best.map((one) => {
      const look = seen.looks[one.id];
      return patches.includes(one) ? patch(unit.target, one, look) : whole(unit.target, { ...one, window: null }, look, limit);
    }));
  }

  for (const picture of document.querySelectorAll("[data-box]")) crop(picture, ...picture.dataset.box.split(" ").map(Number));
  return { parts, strip };
};
