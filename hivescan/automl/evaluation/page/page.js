"use strict";
// The page itself: controls, figures, curves and the matrix follow the head, the class and the threshold.

const TILES = [
  ["balanced_accuracy", "balanced accuracy"],
  ["precision", "precision"],
  ["recall", "recall"],
  ["f1", "F1"],
  ["accuracy", "accuracy"],
];
const COLUMNS = ["precision", "recall", "f1", "balanced_accuracy"];
const SIDE = 300;
const MARGIN = 44;
const OTHERS_MOST = 12; // the curves of more classes than that would hide the one that matters

const byId = (id) => document.getElementById(id);
const show = (value) => (value === null || value === undefined ? "–" : value.toFixed(4));

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== null) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function drawing(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const across = (value) => MARGIN + value * (SIDE - MARGIN - 8);
const upward = (value) => SIDE - MARGIN - value * (SIDE - MARGIN - 8);

function axes(svg, across_title, upward_title) {
  svg.replaceChildren();
  for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(
      drawing("line", { class: "grid", x1: across(tick), x2: across(tick), y1: upward(0), y2: upward(1) }),
      drawing("line", { class: "grid", x1: across(0), x2: across(1), y1: upward(tick), y2: upward(tick) }));
    const below = drawing("text", { x: across(tick), y: SIDE - 20, "text-anchor": "middle" });
    below.textContent = String(tick);
    const beside = drawing("text", { x: MARGIN - 5, y: upward(tick) + 4, "text-anchor": "end" });
    beside.textContent = String(tick);
    svg.append(below, beside);
  }
  const title = drawing("text", { x: across(0.5), y: SIDE - 4, "text-anchor": "middle" });
  title.textContent = across_title;
  const side = drawing("text", { x: 0, y: 0, "text-anchor": "middle",
    transform: `translate(10 ${upward(0.5)}) rotate(-90)` });
  side.textContent = upward_title;
  svg.append(title, side);
}

function line(svg, points, x, y, kind) {
  const path = thinned(points, x, y)
    .map((point, i) => `${i ? "L" : "M"}${across(point[x]).toFixed(1)} ${upward(point[y]).toFixed(1)}`)
    .join("");
  if (path) svg.append(drawing("path", { class: kind, d: path }));
}

const CHARTS = [
  { id: "pr", x: "recall", y: "precision", across: "recall", upward: "precision" },
  { id: "roc", x: "false_positive_rate", y: "recall", across: "false-positive rate", upward: "recall" },
];

const state = { head: null, chosen: null, t: 0 };
const unpacked = new Map();
const curves = new Map();

async function headOf(data, index) {
  if (!unpacked.has(index)) unpacked.set(index, await unpackHead(data.heads[index]));
  return unpacked.get(index);
}

function curveOf(head, chosen) {
  const key = `${head.head} ${chosen}`;
  if (!curves.has(key)) curves.set(key, chosen === null ? headCurve(head) : classCurve(head, chosen));
  return curves.get(key);
}

function drawCurves() {
  const { head, chosen } = state;
  for (const chart of CHARTS) {
    const svg = byId(chart.id);
    axes(svg, chart.across, chart.upward);
    if (head.scored <= OTHERS_MOST) {
      for (let c = 0; c < head.scored; c++) line(svg, curveOf(head, c), chart.x, chart.y, "other");
    }
    line(svg, curveOf(head, chosen), chart.x, chart.y, "curve");
    svg.append(drawing("circle", { class: "marker", r: 5, hidden: "" }));
  }
  const name = chosen === null ? "means over the classes" : head.classes[chosen];
  const others = head.scored <= OTHERS_MOST ? " Grey: the single classes." : "";
  byId("curves-of").textContent = `Blue: ${name}.${others} The dot is the threshold.`;
}

function moveMarkers(now) {
  for (const chart of CHARTS) {
    const svg = byId(chart.id);
    const marker = svg.querySelector(".marker");
    const defined = now[chart.x] !== null && now[chart.y] !== null;
    marker.toggleAttribute("hidden", !defined);
    if (defined) {
      marker.setAttribute("cx", across(now[chart.x]));
      marker.setAttribute("cy", upward(now[chart.y]));
    }
    svg.setAttribute("aria-label",
      `${chart.upward} ${show(now[chart.y])} at ${chart.across} ${show(now[chart.x])}`);
  }
}

function buildTables() {
  const { head } = state;
  const size = head.classes.length;
  const body = byId("classes");
  body.replaceChildren();
  head.classes.forEach((label, c) => {
    const row = element("tr", null);
    const name = element("th", null, { scope: "row" });
    const button = element("button", label, { type: "button" });
    button.disabled = c >= head.scored;
    button.addEventListener("click", () => choose(c));
    name.append(button);
    row.append(name);
    for (let k = 0; k < COLUMNS.length + 3; k++) row.append(element("td", ""));
    body.append(row);
  });
  const table = byId("matrix");
  table.replaceChildren();
  const top = element("tr", null);
  top.append(element("th", "true ↓ said →", { scope: "col" }));
  for (const label of [...head.classes, "(none)"]) top.append(element("th", label, { scope: "col" }));
  const headings = element("thead", null);
  headings.append(top);
  const rows = element("tbody", null);
  for (let r = 0; r < size; r++) {
    const row = element("tr", null);
    row.append(element("th", head.classes[r], { scope: "row" }));
    for (let c = 0; c <= size; c++) row.append(element("td", "", { class: r === c ? "right" : "wrong" }));
    rows.append(row);
  }
  table.append(headings, rows);
}

function fillTables(matrix, overall) {
  const { head } = state;
  const size = head.classes.length;
  [...byId("classes").rows].forEach((row, c) => {
    const cells = row.cells;
    row.classList.toggle("chosen", c === state.chosen);
    const counts = countsOf(matrix, size, c);
    cells[1].textContent = (counts.tp + counts.fn).toLocaleString("en");
    COLUMNS.forEach((name, k) => { cells[k + 2].textContent = show(overall.classes[c][name]); });
    cells[COLUMNS.length + 2].textContent = show(head.average_precision[c]);
    cells[COLUMNS.length + 3].textContent = show(head.roc_auc[c]);
  });
  [...byId("matrix").tBodies[0].rows].forEach((row, r) => {
    let items = 0;
    for (let c = 0; c <= size; c++) items += matrix[r * (size + 1) + c];
    for (let c = 0; c <= size; c++) {
      const n = matrix[r * (size + 1) + c];
      row.cells[c + 1].textContent = n === 0 ? "·" : n.toLocaleString("en");
      row.cells[c + 1].style.setProperty("--share", items === 0 ? 0 : Math.min(1, n / items));
    }
  });
}

function update() {
  const { head, chosen, t } = state;
  const size = head.classes.length;
  const matrix = matrixAt(head, chosen, t);
  const overall = overallOf(matrix, size);
  const counts = chosen === null ? null : countsOf(matrix, size, chosen);
  const now = chosen === null ? overall : { ...measuresOf(counts), accuracy: overall.accuracy };
  for (const [name] of TILES) byId(`tile-${name}`).textContent = show(now[name]);
  byId("counts").textContent = counts === null
    ? (t === 0 ? "The highest score is said." : `The highest score is said if it is ${t / SCALE} or more.`)
    : `Said of ${(counts.tp + counts.fp).toLocaleString("en")}: ${counts.tp.toLocaleString("en")} rightly, `
      + `${counts.fp.toLocaleString("en")} wrongly. Missed: ${counts.fn.toLocaleString("en")}. `
      + `Rightly not said: ${counts.tn.toLocaleString("en")}.`;
  byId("slider").value = t;
  byId("slider").setAttribute("aria-valuetext",
    `${t / SCALE}: precision ${show(now.precision)}, recall ${show(now.recall)}`);
  if (document.activeElement !== byId("exact")) byId("exact").value = t / SCALE;
  fillTables(matrix, overall);
  moveMarkers(now);
}

let asked = false;
function updateSoon() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; update(); });
}

function filterMistakes() {
  const label = state.chosen === null ? null : state.head.classes[state.chosen];
  for (const row of document.querySelectorAll("tr[data-said]")) {
    row.hidden = label !== null && row.dataset.said !== label && row.dataset.truth !== label;
  }
}

function choose(chosen, t = chosen === null ? 0 : SCALE / 2) {
  state.chosen = chosen;
  state.t = t;
  byId("class").value = chosen === null ? "" : String(chosen);
  drawCurves();
  filterMistakes();
  update();
}

async function chooseHead(data, index) {
  state.head = await headOf(data, index);
  byId("head").value = String(index);
  const list = byId("class");
  list.replaceChildren(element("option", "all classes", { value: "" }));
  for (let c = 0; c < state.head.scored; c++) {
    list.append(element("option", state.head.classes[c], { value: String(c) }));
  }
  for (const part of document.querySelectorAll("section[data-head]")) {
    part.hidden = part.dataset.head !== String(index);
  }
  buildTables();
  choose(state.head.start.chosen, state.head.start.t);
}

async function start() {
  const data = JSON.parse(byId("data").textContent);
  data.heads.forEach((head, i) => byId("head").append(element("option", head.head, { value: String(i) })));
  for (const [name, title] of TILES) {
    const tile = element("div", null, { class: "tile" });
    tile.append(element("span", title), element("output", "–", { id: `tile-${name}`, for: "slider" }));
    byId("tiles").append(tile);
  }
  byId("head").addEventListener("change", (event) => chooseHead(data, Number(event.target.value)));
  byId("class").addEventListener("change", (event) =>
    choose(event.target.value === "" ? null : Number(event.target.value)));
  byId("slider").addEventListener("input", (event) => {
    state.t = Number(event.target.value);
    updateSoon();
  });
  byId("exact").addEventListener("input", (event) => {
    const value = Number(event.target.value);
    if (event.target.value === "" || !(value >= 0 && value <= 1)) return;
    state.t = Math.round(value * SCALE);
    updateSoon();
  });
  await chooseHead(data, 0);
  byId("live").hidden = false;
}

start().catch((error) => {
  byId("failed").hidden = false;
  byId("failed").textContent = `The figures below cannot be moved in this browser (${error.message}).`;
});
