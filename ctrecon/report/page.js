// What paper cannot do: hide series, ask a point for its numbers, compare pictures, go image by image. Nothing is fetched.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const minus = (number) => number.replace("-", "\u2212");

for (const element of document.querySelectorAll("[data-live]")) element.hidden = false;
for (const element of document.querySelectorAll("[data-plain]")) element.hidden = true;

/* The tip: one box that goes to whichever point is pointed at, focused or tapped. */

const tip = byId("tip");
let told = null;

function place() {
  if (!told) return;
  const at = told.getBoundingClientRect();
  const left = at.left + at.width / 2 - tip.offsetWidth / 2;
  const above = at.top - tip.offsetHeight - 8;
  tip.style.left = `${Math.max(8, Math.min(left, document.documentElement.clientWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${above < 8 ? at.bottom + 8 : above}px`;
}

function tell(point) {
  told = point;
  tip.hidden = !point;
  if (!point) return;
  tip.textContent = point.getAttribute("aria-label");
  tip.style.left = "0"; // at the right rim the box would be measured squeezed
  place();
}

addEventListener("scroll", place, { capture: true, passive: true });
addEventListener("resize", place);
addEventListener("keydown", (event) => event.key === "Escape" && tell(null));

/** Makes the points of a drawing one stop of Tab, with arrow keys between them. Returns what to call when points come or go. */
function explore(svg) {
  const points = () => [...svg.querySelectorAll(".point:not(.off)")];
  const settle = (chosen = null) => {
    const shown = points();
    const stop = chosen ?? shown.find((point) => point.getAttribute("tabindex") === "0") ?? shown[0];
    for (const point of shown) point.setAttribute("tabindex", point === stop ? "0" : "-1");
    if (told && svg.contains(told) && !shown.includes(told)) tell(null);
  };
  // Marks are a few pixels wide, fingers are not: the nearest point within reach is meant.
  const nearest = (event, reach) => {
    let best = null;
    for (const point of points()) {
      const at = point.getBoundingClientRect();
      const distance = Math.hypot(event.clientX - at.left - at.width / 2, event.clientY - at.top - at.height / 2);
      if (distance < reach) [best, reach] = [point, distance];
    }
    return best;
  };
  const focused = () => (svg.contains(document.activeElement) ? document.activeElement.closest(".point") : null);

  svg.addEventListener("pointermove", (event) => event.pointerType === "mouse" && tell(nearest(event, 12) ?? focused()));
  svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && tell(focused()));
  svg.addEventListener("click", (event) => {
    const point = nearest(event, 24);
    if (point) point.focus({ preventScroll: true });
    else focused()?.blur();
  });
  // On the drawing itself, a listener for focus would make Chromium stop there.
  svg.parentElement.addEventListener("focusin", () => {
    if (!focused()) return;
    settle(focused());
    tell(focused());
  });
  svg.parentElement.addEventListener("focusout", () => tell(null));
  svg.addEventListener("keydown", (event) => {
    const series = Object.values(Object.groupBy(points(), (point) => point.dataset.series));
    const row = series.findIndex((some) => some.includes(focused()));
    if (row < 0) return;
    const column = series[row].indexOf(focused());
    const goals = {
      ArrowLeft: () => series[row][column - 1],
      ArrowRight: () => series[row][column + 1],
      ArrowUp: () => series[row - 1]?.[Math.min(column, series[row - 1].length - 1)],
      ArrowDown: () => series[row + 1]?.[Math.min(column, series[row + 1].length - 1)],
      Home: () => series[row][0],
      End: () => series[row].at(-1),
    };
    if (!(event.key in goals)) return;
    event.preventDefault(); // the page stays where it is
    goals[event.key]()?.focus();
  });
  settle();
  return settle;
}

/* Charts: tick boxes show and hide the artists of a series; pointing at a label brings its series forward. */

for (const chart of document.querySelectorAll(".chart")) {
  const artists = [...chart.querySelectorAll("svg [data-series]")];
  const boxes = [...chart.querySelectorAll("fieldset input")];
  const settle = explore(chart.querySelector("svg"));
  const show = () => {
    const hidden = new Set(boxes.filter((box) => !box.checked).map((box) => box.value));
    for (const artist of artists) artist.classList.toggle("off", hidden.has(artist.dataset.series));
    settle();
  };
  const bring = (series) => {
    for (const artist of artists) artist.classList.toggle("faint", series !== null && artist.dataset.series !== series);
  };
  for (const box of boxes) {
    const label = box.closest("label");
    box.addEventListener("change", () => {
      show();
      bring(null);
    });
    label.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && bring(box.checked ? box.value : null));
    label.addEventListener("pointerleave", () => bring(null));
  }
  for (const button of chart.querySelectorAll("fieldset button")) {
    button.addEventListener("click", () => {
      for (const box of boxes) box.checked = button.value === "all";
      show();
    });
  }
}

/* Pictures: two of one slice on top of each other, the left one cut at the divider. */

function unpack(picture) {
  const bytes = Uint8Array.from(atob(picture.pixels), (character) => character.charCodeAt(0));
  const step = (picture.high - picture.low) / 65535;
  return Float32Array.from(new Uint16Array(bytes.buffer), (value) => picture.low + value * step);
}

/** 511 colours, so that one is the middle, packed as canvases store them. */
function palette(colour) {
  return Uint32Array.from({ length: 511 }, (_, k) => {
    const [red, green, blue] = colour(k / 510);
    return (255 << 24) | (blue << 16) | (green << 8) | red;
  });
}

const GREY = palette((t) => Array(3).fill(Math.round(255 * t)));
// White at 0, red above, blue below: legible for readers who do not see red and green apart.
const DIVERGING = palette((t) => {
  const end = t < 0.5 ? [33, 102, 172] : [178, 24, 43];
  return end.map((channel) => Math.round(247 + Math.abs(2 * t - 1) * (channel - 247)));
});

function paint(canvas, values, { width, height }, low, high, colours) {
  [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let k = 0; k < values.length; k++) {
    pixels[k] = colours[Math.round(510 * Math.min(1, Math.max(0, (values[k] - low) / (high - low))))];
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function fill(select, names, chosen) {
  select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
}

function pictures({ slides, window, limits }) {
  const frame = byId("frame");
  const choice = { slice: byId("slice"), left: byId("left"), right: byId("right") };
  const dial = Object.fromEntries(["low", "high", "limit", "zoom", "across", "down"].map((id) => [id, byId(id)]));
  let shown = {}; // the two pictures, unpacked

  function open() {
    const slide = slides[choice.slice.value];
    const names = slide.pictures.map((picture) => picture.name);
    for (const [side, usual] of [["left", names[0]], ["right", names.at(-1)]]) {
      fill(choice[side], names, names.includes(choice[side].value) ? choice[side].value : usual);
    }
    look();
  }

  function look() {
    const slide = slides[choice.slice.value];
    for (const side of ["left", "right"]) {
      const picture = slide.pictures.find(({ name }) => name === choice[side].value);
      shown[side] = { name: picture.name, picture, values: unpack(picture) };
      const strong = document.createElement("strong");
      strong.textContent = picture.name;
      byId(`${side}-caption`).replaceChildren(strong, picture.caption);
    }
    frame.style.aspectRatio = `${shown.left.picture.width} / ${shown.left.picture.height}`;
    draw();
  }

  function draw() {
    const { left, right } = shown;
    const difference = byId("difference").checked;
    const [low, limit] = [+dial.low.value, +dial.limit.value];
    const high = Math.max(+dial.high.value, low + (dial.high.max - dial.high.min) / 1000);
    const ends = difference ? [-limit, limit] : [low, high];
    const values = difference ? right.values.map((value, k) => value - left.values[k]) : right.values;
    paint(byId("left-canvas"), left.values, left.picture, low, high, GREY);
    paint(byId("right-canvas"), values, right.picture, ...ends, difference ? DIVERGING : GREY);
    byId("left-canvas").setAttribute("aria-label", `Left: ${left.name}`);
    byId("right-canvas").setAttribute("aria-label", difference ? `${right.name} minus ${left.name}` : `Right: ${right.name}`);

    frame.classList.toggle("difference", difference);
    byId("divider").disabled = difference;
    dial.limit.disabled = !difference;
    dial.low.disabled = dial.high.disabled = difference;
    dial.across.disabled = dial.down.disabled = dial.zoom.value === "1";
    const [from, bar, to] = byId("scale").children;
    [from.textContent, to.textContent] = ends.map((value) => minus(value.toPrecision(3)));
    bar.style.background = difference ? "linear-gradient(to right, #2166ac, #f7f7f7, #b2182b)" : "linear-gradient(to right, #000000, #ffffff)";
    byId("low-shown").value = minus(low.toPrecision(3));
    byId("high-shown").value = minus(high.toPrecision(3));
    byId("limit-shown").value = limit.toPrecision(3);
    move();
  }

  function move() {
    for (const name of ["across", "down"]) {
      frame.style.setProperty(`--${name}`, dial[name].value / 100);
      byId(`${name}-shown`).value = `${dial[name].value} %`;
    }
    frame.style.setProperty("--zoom", dial.zoom.value);
    frame.style.setProperty("--divider", `${byId("divider").value}%`);
    byId("zoom-shown").value = `${dial.zoom.value} ×`;
  }

  function drag(event) {
    const box = frame.getBoundingClientRect();
    byId("divider").value = (100 * (event.clientX - box.left)) / box.width;
    move();
  }

  /** The values of both pictures where the mouse is. */
  function read(event) {
    const { left, right } = shown;
    const box = byId("right-canvas").getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * left.picture.width);
    const row = Math.floor(((event.clientY - box.top) / box.height) * left.picture.height);
    const k = row * left.picture.width + column;
    if (!(k in left.values)) return;
    const [one, other] = [left, right].map(({ values }) => minus(values[k].toPrecision(4)));
    byId("pixel").textContent = `row ${row}, column ${column}: ${left.name} ${one}, ${right.name} ${other}`;
  }

  const span = window[1] - window[0];
  Object.assign(dial.low, { min: limits[0], max: limits[1], defaultValue: window[0] });
  Object.assign(dial.high, { min: limits[0], max: limits[1], defaultValue: window[1] });
  Object.assign(dial.limit, { min: span / 100, max: span, defaultValue: span / 8 });
  frame.addEventListener("pointerdown", (event) => {
    if (event.button || byId("difference").checked) return;
    frame.setPointerCapture(event.pointerId);
    drag(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (frame.hasPointerCapture(event.pointerId)) drag(event);
    if (event.pointerType === "mouse") read(event);
  });
  byId("divider").addEventListener("input", move);
  choice.slice.addEventListener("change", open);
  for (const side of ["left", "right"]) choice[side].addEventListener("change", look);
  byId("dials").addEventListener("input", draw);
  byId("reset-view").addEventListener("click", () => {
    byId("dials").reset();
    byId("divider").value = 50;
    draw();
  });
  open();
}

/* Image by image: the baseline's PSNR across, the chosen contestant's upwards. */

function scatter({ baseline, names, turns, labels, values }) {
  const [name, turn, svg] = [byId("scatter-name"), byId("scatter-turn"), byId("scatter-chart")];
  const settle = explore(svg);
  const others = names.filter((other) => other !== baseline);
  fill(name, others, others[0]);
  turn.replaceChildren(...turns.map((angle) => new Option(Number(angle) === 0 ? "upright" : `turned by ${angle} degrees`, angle)));

  function add(kind, attributes, text = "") {
    const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    svg.append(element);
  }

  function draw() {
    svg.replaceChildren();
    const [across, upwards] = [values[baseline][turn.value], values[name.value][turn.value]];
    const images = labels
      .map((label, k) => ({ label, x: across[k], y: upwards[k] }))
      .filter(({ x, y }) => x !== null && y !== null)
      .sort((a, b) => a.x - b.x); // arrow keys go from left to right
    const count = images.filter(({ x, y }) => y > x).length;
    const left = labels.length - images.length;
    byId("scatter-count").textContent =
      `${name.value} is above the diagonal, ahead of ${baseline}, on ${count} of ${images.length} images, ${turn.selectedOptions[0].text}.` +
      (left ? ` ${left} without a finite PSNR left out.` : "");
    if (!images.length) return;

    const all = images.flatMap(({ x, y }) => [x, y]);
    const [least, most] = [Math.min(...all), Math.max(...all)];
    const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((size) => (most - least) / size <= 7) ?? 100;
    const low = Math.floor(least / step - 0.15) * step;
    const high = Math.ceil(most / step + 0.15) * step;
    const at = (value) => (360 * (value - low)) / (high - low);
    for (let value = low; value < high + step / 2; value += step) {
      const text = minus(String(Number(value.toFixed(2))));
      add("line", { class: "grid", x1: 70 + at(value), x2: 70 + at(value), y1: 20, y2: 380 });
      add("line", { class: "grid", x1: 70, x2: 430, y1: 380 - at(value), y2: 380 - at(value) });
      add("text", { x: 70 + at(value), y: 398, "text-anchor": "middle" }, text);
      add("text", { x: 62, y: 384 - at(value), "text-anchor": "end" }, text);
    }
    add("line", { class: "diagonal", x1: 70, y1: 380, x2: 430, y2: 20 });
    add("text", { x: 250, y: 426, "text-anchor": "middle" }, `${baseline}, PSNR in dB`);
    add("text", { transform: "translate(22 200) rotate(-90)", "text-anchor": "middle" }, `${name.value}, PSNR in dB`);
    for (const { label, x, y } of images) {
      const gain = (y < x ? "" : "+") + minus((y - x).toFixed(2));
      const note = `${label}: ${name.value} ${minus(y.toFixed(2))} dB, ${baseline} ${minus(x.toFixed(2))} dB, ${gain} dB`;
      const side = y > x ? "point above" : "point";
      add("circle", { class: side, cx: 70 + at(x), cy: 380 - at(y), r: 4.5, role: "img", "aria-label": note, "data-series": "images" });
    }
    settle();
  }

  name.addEventListener("change", draw);
  turn.addEventListener("change", draw);
  draw();
}

if (data.slides.length) pictures(data);
if (data.scatter) scatter(data.scatter);
