"use strict";
/* The report's page. Data arrive by onnxvizReport(key, value). The address after # selects the content.
   Every text from the model is set as text, never as markup. */
(function () {
  const values = new Map();
  const waiting = new Map();
  const overview = document.getElementById("overview");
  const view = document.getElementById("tensor");
  const list = document.getElementById("tensors");
  const found = document.getElementById("found");
  const search = document.getElementById("search");
  let shown = null;
  let order = "unit";

  window.onnxvizReport = function (key, value) {
    values.set(key, value);
    const ready = waiting.get(key);
    waiting.delete(key);
    if (ready) ready(value);
    if (key === "report") { listTensors(); route(); }
    if (key === "seconds") showSeconds(value);
  };

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== ""));
    return element;
  }

  /* A single file holds each picture once: in the overview, or else under the key "pictures". */
  const standing = new Map([...document.querySelectorAll("img[data-file]")].map((one) => [one.dataset.file, one]));
  function source(file) {
    const kept = values.get("pictures");
    return standing.has(file) ? standing.get(file).src : (kept && kept[file]) || file;
  }
  const examples = window.onnxvizExamples(make, source);

  function image(panel, large) {
    return make("img", {
      src: source(panel.file), width: panel.width, height: panel.height, alt: panel.alt,
      loading: large ? null : "lazy", decoding: "async",
      class: shown.tensor.chart ? "chart" : Math.max(panel.width, panel.height) <= 64 ? "small" : null,
    });
  }

  /* A picture links to its file, since a chart's words need its full size. In a single file pictures have no address. */
  function whole(panel) { return source(panel.file) === panel.file ? make("a", { href: panel.file }, image(panel, true)) : image(panel, true); }

  /* The theme is the system's, unless the button was used. */
  function themed(name) { document.documentElement.dataset.theme = name; }
  try { const kept = localStorage.getItem("onnxviz-theme"); if (kept) themed(kept); } catch (error) { /* the browser allows no storage */ }
  document.getElementById("theme").addEventListener("click", () => {
    const current = document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const next = current === "dark" ? "light" : "dark";
    themed(next);
    try { localStorage.setItem("onnxviz-theme", next); } catch (error) { /* as above */ }
  });

  /* The list of tensors, and the search in it. */
  const MOST = 60;
  function listTensors() {
    const every = values.get("report").tensors;
    const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (one) => words.every((word) => (one.name + " " + one.operator).toLowerCase().includes(word));
    const rows = words.length ? every.filter(fits) : every.filter((one) => one.shown);
    rows.sort((one, other) => Number(other.shown) - Number(one.shown));
    list.replaceChildren(...rows.slice(0, MOST).map((one) =>
      make("li", {}, make("a", { href: "#" + one.link, title: one.name + " (" + one.operator + ")", "data-link": one.link },
        make("span", { class: "name" }, make("bdi", {}, one.name)), make("span", { class: "count" }, one.shown ? String(one.done) : "–")))));
    const more = rows.length - MOST;
    found.textContent = words.length ? rows.length + (rows.length === 1 ? " tensor fits" : " tensors fit") + (more > 0 ? ", the first " + MOST + " are listed" : "")
      : more > 0 ? more + " more; use the search" : "";
    mark();
  }
  search.addEventListener("input", () => { if (values.has("report")) listTensors(); });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { const first = list.querySelector("a"); if (first) { location.hash = first.getAttribute("href"); search.blur(); } }
    if (event.key === "ArrowDown") { const first = list.querySelector("a"); if (first) { first.focus(); event.preventDefault(); } }
  });

  function mark() {
    const place = where();
    for (const link of document.querySelectorAll(".side a")) {
      const here = link.dataset.link ? link.dataset.link === place.link : link.getAttribute("href") === "#section:" + place.section;
      if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    }
  }

  /* The address: #section:NAME, #TENSOR or #TENSOR/UNIT. */
  function where() {
    let text = location.hash.slice(1);
    try { text = decodeURIComponent(text); } catch (error) { /* not encoded: taken unchanged */ }
    if (text.startsWith("section:")) return { section: text.slice(8) };
    const [link, unit] = text.split("/");
    return link ? { link, unit: unit === undefined ? null : Number(unit) } : {};
  }

  /* Move the focus to the new content, for readers with a keyboard or a screen reader. */
  function refocus() {
    const active = document.activeElement;
    if (!active || active === document.body || active.closest("[hidden]")) document.getElementById("main").focus({ preventScroll: true });
  }

  function route() {
    const place = where();
    if (!values.has("report")) return;
    const known = place.link && values.get("report").tensors.find((one) => one.link === place.link);
    if (!known) {
      overview.hidden = false;
      view.hidden = true;
      shown = null;
      document.title = values.get("report").title + " – what it has learned";
      const target = place.section && document.getElementById("section:" + place.section);
      if (target) target.scrollIntoView();
      mark();
      refocus();
      return;
    }
    overview.hidden = true;
    view.hidden = false;
    document.title = known.name + " – " + values.get("report").title;
    mark();
    refocus();
    if (!known.shown) { showUnsearched(known); return; }
    load(known.link, (tensor) => { if (where().link === known.link) showTensor(tensor, where().unit); });
  }
  window.addEventListener("hashchange", route);

  function load(key, ready) {
    if (values.has(key)) { ready(values.get(key)); return; }
    waiting.set(key, ready);
    view.replaceChildren(crumbs(), make("p", { class: "quiet", role: "status" }, "Loading …"));
    const script = make("script", { src: "data/" + encodeURIComponent(key) + ".js" });
    script.addEventListener("error", () => {
      waiting.delete(key);
      view.replaceChildren(crumbs(), make("p", { class: "note" }, "The folder does not hold the data of this tensor: " + script.getAttribute("src")));
    });
    document.body.append(script);
  }

  function crumbs() {
    return make("p", { class: "crumbs" }, make("a", { href: "#section:units" }, "← " + values.get("report").title));
  }

  function showUnsearched(known) {
    shown = null;
    const command = values.get("report").command + " --tensors '" + known.name.replaceAll("'", "'\\''") + "' -o DIR --resume";
    view.replaceChildren(crumbs(), make("h1", {}, make("code", {}, known.name)),
      make("p", { class: "quiet" }, known.operator + ", " + known.shape),
      known.reason ? make("p", { class: "note" }, "No gradient from this tensor reaches the input: " + known.reason + ".") : "",
      make("p", {}, "This report has no units of this tensor. To add some:"), make("pre", { tabindex: "0" }, make("code", {}, command)));
    scrollTo({ top: 0, behavior: "instant" });
  }

  const ORDERS = {
    unit: (one, other) => one.unit - other.unit,
    score: (one, other) => (other.score ?? -Infinity) - (one.score ?? -Infinity),
    verdict: (one, other) => one.verdict.localeCompare(other.verdict) || one.unit - other.unit,
  };

  /* A tensor may have thousands of units. Only those near the reader are on the page; others are added when the reader comes near, or prints. */
  const AT_ONCE = 150;
  const BEFORE = 40;
  const below = watcher("0px 0px 2000px", (shown) => { later(); return shown.to < shown.units.length; });
  /* Earlier units are added only out of sight, so that nothing moves. At the top of the list, the button adds them. */
  const above = watcher("2000px 0px -100%", (shown) => { earlier(); return shown.from > 0; });
  function watcher(rootMargin, extend) {
    const made = new IntersectionObserver((seen) => {
      if (!shown || !seen.some((one) => one.isIntersecting && one.target.isConnected)) return;
      const more = extend(shown);
      /* Observing again tells whether the end is still in sight. */
      made.disconnect();
      if (more) made.observe(made === above ? shown.head : shown.end);
    }, { rootMargin });
    return made;
  }
  window.addEventListener("beforeprint", () => {
    while (shown && shown.from > 0) earlier();
    while (shown && shown.to < shown.units.length) later();
  });

  function cards(from, to) { return shown.units.slice(from, to).map((one) => card(shown.tensor, one)); }

  function columns() { return getComputedStyle(shown.grid).gridTemplateColumns.split(" ").length; }

  function later() {
    const to = Math.min(shown.to + AT_ONCE, shown.units.length);
    shown.grid.append(...cards(shown.to, to));
    shown.to = to;
  }

  /* Add whole rows before the others, which keep their columns and their place in the window. */
  function earlier() {
    const wide = columns();
    const from = Math.max(0, shown.from - Math.max(wide, AT_ONCE - AT_ONCE % wide));
    const first = shown.grid.firstElementChild;
    const top = first.getBoundingClientRect().top;
    const hidden = shown.head.getBoundingClientRect().bottom <= 0;
    shown.grid.prepend(...cards(from, shown.from));
    shown.from = from;
    shown.head.hidden = from === 0;
    if (hidden) scrollBy({ top: first.getBoundingClientRect().top - top, behavior: "instant" });
  }

  /* Put a unit on the page: next to the units that are there, or with its neighbors instead of them. */
  function reach(place) {
    if (place >= shown.from && place < shown.to) return;
    if (shown.to > 0 && place >= shown.to && place < shown.to + AT_ONCE) { later(); return; }
    if (place < shown.from && place >= shown.from - AT_ONCE / 2) { earlier(); return; }
    unwatch();
    shown.from = shown.to = Math.max(0, place - BEFORE);
    shown.from = shown.to = shown.from - shown.from % columns();
    shown.grid.replaceChildren();
    later();
    shown.head.hidden = shown.from === 0;
    if (shown.from > 0) above.observe(shown.head);
    if (shown.to < shown.units.length) below.observe(shown.end);
  }

  function unwatch() { above.disconnect(); below.disconnect(); }

  function card(tensor, one) {
    return make("li", {}, make("a", { class: "unit", href: "#" + tensor.link + "/" + one.unit, "data-unit": one.unit },
      image(one.panels[0], false), tensor.seen ? examples.strip(one, tensor.seen, 3) : "",
      make("span", { class: "caption" }, make("b", {}, one.label || String(one.unit)), " " + one.shown + " ",
        one.verdict === "ok" ? "" : make("i", { class: "verdict" }, one.verdict))));
  }

  function showTensor(tensor, unit) {
    if (!shown || shown.tensor !== tensor || shown.order !== order) {
      const select = make("select", {}, ...[["unit", "number"], ["score", "score"], ["verdict", "verdict"]].map(([value, text]) =>
        make("option", { value, selected: value === order }, text)));
      select.addEventListener("change", () => { order = select.value; showTensor(tensor, where().unit); });
      const grid = make("ul", { class: "units" + (tensor.chart ? " charts" : ""), "aria-label": "Units" });
      const [head, end] = [make("button", { type: "button", class: "head", hidden: true }, "Earlier units"), make("div", { class: "end" })];
      head.addEventListener("click", earlier);
      unwatch();
      shown = { tensor, order, grid, head, end, units: [...tensor.units].sort(ORDERS[order]), from: 0, to: 0 };
      const left = tensor.wanted - tensor.units.length - tensor.refused;
      view.replaceChildren(crumbs(), make("h1", {}, make("code", {}, tensor.name)),
        make("div", { class: "about" },
          make("p", { class: "quiet" }, tensor.operator + ", " + tensor.dtype + " " + tensor.shape + "; " + tensor.units.length + " of " + tensor.of + (tensor.of === 1 ? " unit" : " units") +
            (tensor.axis ? "; " + tensor.axis : "")),
          tensor.units.length > 1 ? make("label", { class: "sort" }, "Sort by ", select) : ""),
        ...tensor.effort.map((text) => make("p", { class: "quiet" }, text)),
        ...tensor.messages.map((text) => make("p", { class: "note" }, text)),
        left > 0 ? make("p", { class: "note" }, "The time ran out: " + left + (left === 1 ? " unit is" : " units are") + " not searched yet. To continue, repeat the command with ", make("code", {}, "--resume"), ".") : "",
        make("p", { class: "note absent", hidden: true, role: "status" }),
        make("div", { class: "units-view" + (tensor.chart ? " charts" : "") }, make("div", {}, head, grid, end), make("aside", { class: "detail", hidden: true, "aria-label": "The unit", tabindex: "-1" })));
      if (unit === null) { reach(0); scrollTo({ top: 0, behavior: "instant" }); }
    }
    showUnit(unit);
  }

  function showUnit(number) {
    const detail = view.querySelector(".detail");
    const absent = view.querySelector(".absent");
    const one = shown.units.find((other) => other.unit === number);
    for (const link of view.querySelectorAll(".unit[aria-current]")) link.removeAttribute("aria-current");
    detail.hidden = !one;
    absent.hidden = Boolean(one) || number === null;
    absent.textContent = absent.hidden ? "" : "Unit " + number + " is not in this report. To add units, repeat the command with --resume and a larger --units.";
    view.querySelector(".units-view").classList.toggle("open", Boolean(one));
    if (!one) { if (shown.to === 0) reach(0); return; }
    const place = shown.units.indexOf(one);
    reach(place);
    const step = (by, text, label) => {
      const other = shown.units[place + by];
      const button = make("button", { type: "button", disabled: !other, "aria-label": label }, text);
      if (other) button.addEventListener("click", () => { location.hash = shown.tensor.link + "/" + other.unit; });
      return button;
    };
    const close = make("button", { type: "button", "aria-label": "Close (Escape)" }, "×");
    close.addEventListener("click", () => { location.hash = shown.tensor.link; });
    detail.replaceChildren(
      make("div", { class: "row" }, make("span", {}, step(-1, "←", "The previous unit"), " ", step(1, "→", "The next unit")), close),
      make("h2", {}, make("code", {}, one.target), one.label ? " " + one.label : ""),
      ...one.panels.map((panel) => make("figure", { class: shown.tensor.chart ? "wide" : null }, whole(panel), make("figcaption", {}, panel.title))),
      ...(shown.tensor.seen ? examples.parts(one, shown.tensor.seen) : []),
      make("dl", { class: "told" }, ...one.told.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)])),
      make("p", { class: "quiet" }, "To search this unit again and save its arrays:"), make("pre", { tabindex: "0" }, make("code", {}, one.command + " -o DIR")));
    detail.scrollTop = 0;
    document.getElementById("said").textContent = one.panels[0].alt;
    const link = view.querySelector('.unit[data-unit="' + one.unit + '"]');
    link.setAttribute("aria-current", "true");
    if (matchMedia("(max-width: 60rem)").matches) detail.scrollIntoView({ block: "start", behavior: "instant" });
    else link.scrollIntoView({ block: "nearest", behavior: "instant" });
  }

  /* Keys: / opens the search, Escape goes back, arrows go to the next unit: left and right by one, up and down by a row. */
  document.addEventListener("keydown", (event) => {
    const typing = /^(input|select|textarea)$/i.test(event.target.tagName);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !typing) { event.preventDefault(); search.focus(); search.select(); return; }
    if (event.key === "Escape") {
      const place = where();
      if (typing) { search.value = ""; listTensors(); event.target.blur(); }
      else if (place.link) location.hash = place.unit === null ? "section:units" : place.link;
      return;
    }
    if (typing || !shown || !shown.units.length || event.target.closest(".side, .wide, pre")) return;
    /* Without an open unit, up and down scroll the page. */
    if (/Up|Down/.test(event.key) && where().unit === null) return;
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() }[event.key];
    if (!by) return;
    const place = shown.units.findIndex((one) => one.unit === where().unit);
    const next = shown.units[place < 0 ? 0 : Math.min(Math.max(place + by, 0), shown.units.length - 1)];
    event.preventDefault();
    location.hash = shown.tensor.link + "/" + next.unit;
  });

  /* The graph can be scrolled, dragged and zoomed. */
  const frame = document.querySelector(".graph-frame");
  if (frame) {
    const drawing = frame.querySelector("svg");
    const [width, height] = [Number(drawing.getAttribute("width")), Number(drawing.getAttribute("height"))];
    let scale = 1;
    const zoom = (next, x, y) => {
      next = Math.min(4, Math.max(0.02, next));
      const [left, top] = [(frame.scrollLeft + x) / scale, (frame.scrollTop + y) / scale];
      scale = next;
      drawing.setAttribute("width", width * scale);
      drawing.setAttribute("height", height * scale);
      frame.scrollTo({ left: left * scale - x, top: top * scale - y, behavior: "instant" });
    };
    const center = () => [frame.clientWidth / 2, frame.clientHeight / 2];
    const fits = () => Math.min(frame.clientWidth / width, frame.clientHeight / height, 1);
    const start = () => { zoom(Math.max(0.55, Math.min(1, frame.clientWidth / width)), 0, 0); frame.scrollLeft = (width * scale - frame.clientWidth) / 2; };
    for (const button of document.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => {
        const how = button.dataset.zoom;
        if (how === "fit") { if (scale > fits() * 1.01) zoom(fits(), 0, 0); else start(); } else zoom(scale * (how === "in" ? 1.3 : 1 / 1.3), ...center());
      });
    }
    frame.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = frame.getBoundingClientRect();
      zoom(scale * Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    let held = null;
    frame.addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse" && event.button === 0) held = { x: event.clientX, y: event.clientY, left: frame.scrollLeft, top: frame.scrollTop, moved: false }; });
    window.addEventListener("pointermove", (event) => {
      if (!held) return;
      if (Math.abs(event.clientX - held.x) + Math.abs(event.clientY - held.y) > 4) { held.moved = true; frame.classList.add("held"); }
      if (held.moved) frame.scrollTo({ left: held.left - event.clientX + held.x, top: held.top - event.clientY + held.y, behavior: "instant" });
    });
    window.addEventListener("pointerup", () => { const moved = held && held.moved; held = null; frame.classList.remove("held"); if (moved) frame.addEventListener("click", (event) => event.preventDefault(), { once: true, capture: true }); });
    frame.addEventListener("dragstart", (event) => event.preventDefault());
    start();
  }

  /* Sort the filters. */
  const sorted = document.getElementById("filter-sort");
  if (sorted) {
    sorted.addEventListener("change", () => {
      const box = document.getElementById("filters");
      const rows = [...box.children].sort((one, other) => Number(one.dataset[sorted.value]) - Number(other.dataset[sorted.value]) || Number(one.dataset.place) - Number(other.dataset.place));
      box.replaceChildren(...rows);
    });
  }

  for (const picture of document.querySelectorAll(".strip img")) {
    if (Math.max(picture.width, picture.height) && Math.max(Number(picture.getAttribute("width")), Number(picture.getAttribute("height"))) <= 64) picture.classList.add("small");
  }

  function showSeconds(value) {
    const box = document.getElementById("seconds");
    if (!box) return;
    const brief = (seconds) => Number(seconds.toPrecision(3)) + " s";
    const versions = Object.entries(value.versions).map(([name, text]) => name + " " + text).join(", ");
    const parts = Object.entries(value.sections).map(([name, seconds]) => name + " " + brief(seconds)).join(", ");
    const cell = (tag, text, number) => make(tag, { class: number ? "number" : null, scope: tag === "th" ? "col" : null }, text);
    box.replaceChildren(make("p", {}, value.units + (value.units === 1 ? " unit was" : " units were") + " searched in " + brief(value.searching) + (parts ? "; " + parts : "") + "."),
      value.tensors.length ? make("details", {}, make("summary", {}, "Seconds of each tensor"), make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Seconds" }, make("table", {},
        make("thead", {}, make("tr", {}, cell("th", "tensor"), cell("th", "units", true), cell("th", "seconds", true))),
        make("tbody", {}, ...value.tensors.map((row) => make("tr", {}, make("td", {}, make("code", {}, row.name)), cell("td", String(row.units), true), cell("td", String(Number(row.seconds.toPrecision(3))), true))))))) : "",
      make("p", { class: "quiet" }, versions + "."));
  }
})();
