"use strict";
// Everything that a file may have named is put in by textContent, or goes through `plain` on its way to Plotly,
// which reads some tags in its labels.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const entries = new Map(data.entries.map((entry) => [entry.name, entry]));
const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const symbols = {front: "circle", beaten: "x", seed: "diamond", steps: "square", uncached: "star"};
const settings = {responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"]};
let kept = data.entries.length ? data.entries[data.first].name : null;

function axis(title, more) {
  return {title: {text: plain(title)}, gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("line"),
    automargin: true, ...more};
}

function layout(more) {
  return {paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: {l: 60, r: 12, t: 10, b: 46},
    font: {family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("ink")}, hovermode: "closest",
    hoverlabel: {bgcolor: colour("wash"), bordercolor: colour("line"), font: {color: colour("ink")}},
    modebar: {bgcolor: "rgba(0,0,0,0)", color: colour("line"), activecolor: colour("ink")},
    legend: {orientation: "h", y: 1.02, yanchor: "bottom", x: 0, bgcolor: "rgba(0,0,0,0)"}, ...more};
}

function errors(group, axisName, shade) {
  const low = group.map((e) => Math.max(0, e[axisName] - (e[axisName + "1"] ?? e[axisName])));
  const high = group.map((e) => Math.max(0, (e[axisName + "3"] ?? e[axisName]) - e[axisName]));
  return {type: "data", symmetric: false, array: high, arrayminus: low, thickness: 1, width: 0, color: shade};
}

function marks(x, y, groups, hover) {
  return groups.map((group) => {
    const mine = data.entries.filter((e) => e.group === group && e[x] != null && e[y] != null);
    const shade = colour(group);
    const line = group === "front" || group === "steps";
    return {type: "scatter", mode: line ? "lines+markers" : "markers", name: data.groups[group],
      x: mine.map((e) => e[x]), y: mine.map((e) => e[y]), customdata: mine.map((e) => e.name),
      text: mine.map((e) => plain(e.name)), hovertemplate: hover,
      error_x: x === "speedup" ? errors(mine, x, shade + "66") : undefined,
      error_y: y === "quality" ? errors(mine, y, shade + "66") : undefined,
      line: {color: shade, width: 1.2, dash: group === "steps" ? "dot" : "solid"},
      marker: {color: shade, size: 10, symbol: symbols[group], line: {color: colour("paper"), width: 1}}};
  }).filter((trace) => trace.x.length);
}

function ring(entry) {
  const seen = entry && entry.quality != null && !entry.off;
  return {type: "scatter", mode: "markers", x: seen ? [entry.speedup] : [], y: seen ? [entry.quality] : [],
    hoverinfo: "skip", showlegend: false,
    marker: {size: 19, symbol: "circle-open", color: colour("ink"), line: {width: 2, color: colour("ink")}}};
}

function pareto() {
  const groups = ["beaten", "seed", "steps", "front"].concat(data.residual ? [] : ["uncached"]);
  const traces = marks("speedup", "quality", groups,
    "<b>%{text}</b><br>%{x:.2f}x, %{y:.3~g} " + plain(data.unit) + "<extra></extra>");
  const exact = data.residual && data.proven;
  const shapes = exact ? [{type: "line", x0: 1, x1: 1, y0: 0, y1: 1, yref: "paper",
    line: {color: colour("uncached"), width: 1.5, dash: "dash"}}] : [];
  const annotations = exact ? [{x: 1, y: 0, yref: "paper", text: "uncached: exact", textangle: -90, showarrow: false,
    xanchor: "right", yanchor: "bottom", font: {color: colour("faint"), size: 12}}] : [];
  const speed = data.proven ? "speed-up over the uncached pipeline, by the clock" : "predicted speed-up";
  const quality = data.axis + " on " + data.side;
  traces.push(ring(entries.get(kept)));
  const plot = byId("pareto");
  Plotly.react(plot, traces, layout({shapes, annotations,
    xaxis: axis(speed, {ticksuffix: "x"}), yaxis: axis(quality)}), settings);
  plot.removeAllListeners("plotly_hover");
  plot.removeAllListeners("plotly_unhover");
  plot.removeAllListeners("plotly_click");
  plot.on("plotly_hover", (event) => show(event.points[0].customdata));
  plot.on("plotly_unhover", () => show(kept));
  plot.on("plotly_click", (event) => keep(event.points[0].customdata));
}

function keep(name) {
  if (!entries.has(name)) return;
  kept = name;
  byId("choice").value = name;
  for (const row of document.querySelectorAll("tr[data-name]"))
    row.setAttribute("aria-selected", String(row.dataset.name === name));
  const plot = byId("pareto"), {x, y} = ring(entries.get(name));
  Plotly.restyle(plot, {x: [x], y: [y]}, [plot.data.length - 1]);
  show(name);
}

let shown = null;
function show(name, again) {
  if (!entries.has(name) || (name === shown && !again)) return;
  shown = name;
  const entry = entries.get(name);
  byId("name").textContent = name;
  byId("figures").textContent = entry.summary;
  byId("words").textContent = entry.words;
  byId("heat").setAttribute("aria-label", "Heat map of the schedule. " + entry.words);
  heat(entry);
  pictures(entry);
}

const level = {".": 0, "R": 1, "C": 2};
function heat(entry) {
  const plot = byId("heat"), map = entry.cells;
  plot.style.display = map ? "" : "none";
  byId("legend").style.display = map ? "" : "none";
  if (!map) return;
  const names = {"C": "compute", "R": "reuse", ".": "within what is skipped"};
  const z = [], text = [];
  map.letters.forEach((letters, row) => {
    let number = 0;
    z.push([]);
    text.push([]);
    [...letters].forEach((letter, step) => {
      const forecast = !(letter in level), gain = forecast ? map.gains[row][number++] : 0;
      z[row].push(forecast ? 3 + (Math.min(2, Math.max(-0.5, gain)) + 0.5) / 2.5 : level[letter]);
      const what = forecast ? "forecast of order " + letter + ", gain " + gain.toFixed(2) : names[letter];
      text[row].push("step " + step + ", " + plain(map.rows[row]) + ": " + what);
    });
  });
  const scale = [["idle", 0, 0.125], ["reuse", 0.125, 0.375], ["compute", 0.375, 0.625], ["low", 0.625, 0.75]]
    .flatMap(([name, from, to]) => [[from, colour(name)], [to, colour(name)]]).concat([[1, colour("high")]]);
  const ends = map.bands.map((band, i) => i + 1 === map.bands.length || map.bands[i + 1] !== band ? i : -1)
    .filter((i) => i >= 0);
  const starts = [0, ...ends.slice(0, -1).map((i) => i + 1)];
  const edges = map.heights.reduce((sum, height) => [...sum, sum[sum.length - 1] + height], [0]);
  const labels = ends.map((end, i) => plain(map.bands[end]) + (end > starts[i] ? " ×" + (end - starts[i] + 1) : ""));
  const shapes = ends.slice(0, -1).map((end) => ({type: "line", x0: 0, x1: 1, xref: "paper", y0: edges[end + 1], y1: edges[end + 1],
    line: {color: colour("ink"), width: 1}}));
  Plotly.react(plot, [{type: "heatmap", z, text, y: edges, hovertemplate: "%{text}<extra></extra>", colorscale: scale, zmin: 0,
    zmax: 4, showscale: false, xgap: 1, ygap: map.rows.length > 40 ? 0 : 1}],
  layout({shapes, margin: {l: 90, r: 6, t: 4, b: 36}, xaxis: axis("step", {dtick: 5, showgrid: false, zeroline: false}),
    yaxis: axis("", {autorange: "reversed", tickvals: ends.map((end, i) => (edges[end + 1] + edges[starts[i]]) / 2), ticktext: labels,
      showgrid: false, zeroline: false})}), {...settings, displayModeBar: false});
}

function figure(name, entry) {
  const made = document.createElement("figure"), caption = document.createElement("figcaption");
  caption.textContent = name;
  const image = document.createElement("img");
  image.src = entry.strip;
  image.alt = "Pictures of " + name + ": " + data.prompts.join("; ");
  made.append(caption, image);
  return made;
}

function pictures(entry) {
  const place = byId("pictures"), uncached = entries.get("uncached");
  place.replaceChildren();
  if (!uncached || !uncached.strip) return;
  place.style.maxWidth = 172 * Math.max(4, data.prompts.length) + "px";
  place.append(figure("uncached", uncached));
  if (entry.strip && entry !== uncached) place.append(figure(entry.name, entry));
  const list = document.createElement("ol");
  for (const prompt of data.prompts) {
    const item = document.createElement("li");
    item.textContent = prompt;
    list.append(item);
  }
  place.append(list);
}

function legend() {
  const place = byId("legend");
  place.replaceChildren();
  for (const [name, label] of [["compute", "compute"], ["reuse", "reuse"], ["idle", "within what is skipped"],
    ["wide", "forecast, gain −0.5 to 2"]]) {
    const part = document.createElement("span"), box = document.createElement("i");
    if (name === "wide") box.className = "wide";
    else box.style.background = "var(--" + name + ")";
    part.append(box, label);
    place.append(part);
  }
}

function hypervolume() {
  const found = data.hypervolume;
  if (!found || !byId("hypervolume")) return;
  Plotly.react(byId("hypervolume"), [{type: "scatter", mode: "lines+markers", x: found.steps, y: found.volume,
    text: found.text, hovertemplate: "%{text}<extra></extra>", line: {color: colour("front"), shape: "hv"},
    marker: {size: 5}}], layout({xaxis: axis("denoiser steps of one prompt, evaluated so far", {rangemode: "tozero"}),
    yaxis: axis("hypervolume")}), settings);
}

function importance() {
  const found = data.importance;
  if (!found) return;
  const most = Math.max(0.05, ...found.lift.flat().map(Math.abs));
  const text = found.rows.map((row, i) => found.good[i].map((good, step) => plain(row) + ", step " + step +
    ": executed by " + Math.round(100 * good) + " % of the good, " +
    Math.round(100 * (good - found.lift[i][step])) + " % of all"));
  Plotly.react(byId("cells"), [{type: "heatmap", z: found.lift.map((row) => row.map((v) => 100 * v)), y: found.rows.map(plain),
    text, hovertemplate: "%{text}<extra></extra>", zmin: -100 * most, zmax: 100 * most, xgap: 1,
    ygap: found.rows.length > 40 ? 0 : 1, colorscale: [[0, colour("seed")], [0.5, colour("idle")], [1, colour("front")]],
    colorbar: {title: {text: "points of per cent", side: "right"}, thickness: 12, outlinewidth: 0}}],
  layout({xaxis: axis("step", {dtick: 5, showgrid: false, zeroline: false}),
    yaxis: axis("", {autorange: "reversed", showgrid: false, zeroline: false})}), settings);
  const bar = (name, values, shade) => ({type: "bar", name, x: found.kinds.map(plain), y: values.map((v) => 100 * v),
    marker: {color: shade}, hovertemplate: "%{x}: %{y:.0f} %<extra>" + name + "</extra>"});
  Plotly.react(byId("kinds"), [bar("good schedules", found.kindGood, colour("front")),
    bar("all of the same cost", found.kindAll, colour("reuse"))],
  layout({xaxis: axis("", {}), yaxis: axis("executed cells (%)", {rangemode: "tozero"}), barmode: "group"}), settings);
}

function overfitting() {
  const groups = ["seed", "front"], plot = byId("overfitting");
  if (!plot) return;
  const traces = marks("calibration", "quality", groups,
    "<b>%{text}</b><br>calibration %{x:.3~g}, " + data.head + " %{y:.3~g}<extra></extra>");
  const all = data.entries.filter((e) => e.calibration != null && groups.includes(e.group));
  const values = all.flatMap((e) => [e.calibration, e.quality]);
  const low = Math.min(...values), high = Math.max(...values);
  traces.forEach((trace) => { trace.mode = "markers"; trace.error_y = undefined; });
  traces.push({type: "scatter", mode: "lines", x: [low, high], y: [low, high], hoverinfo: "skip", name: "equal",
    line: {color: colour("faint"), width: 1, dash: "dash"}});
  Plotly.react(plot, traces, layout({xaxis: axis(data.axis + " on calibration prompts"),
    yaxis: axis("on " + data.side)}), settings);
  plot.removeAllListeners("plotly_click");
  plot.on("plotly_click", (event) => keep(event.points[0].customdata));
}

function memory() {
  const plot = byId("memory");
  if (!plot) return;
  const traces = marks("megabytes", "quality", ["seed", "front"],
    `<b>%{text}</b><br>%{x:.3~g} MB${data.whole ? "" : " cached"}, %{y:.3~g}<extra></extra>`);
  traces.forEach((trace) => { trace.mode = "markers"; trace.error_y = undefined; });
  Plotly.react(plot, traces, layout({xaxis: axis(data.whole ? "held at the peak (MB)" : "cached features at their peak (MB)",
    data.whole ? {} : {rangemode: "tozero"}),
    yaxis: axis(data.axis)}), settings);
  plot.removeAllListeners("plotly_click");
  plot.on("plotly_click", (event) => keep(event.points[0].customdata));
}

function draw() {
  pareto();
  hypervolume();
  importance();
  overfitting();
  memory();
  show(kept, true);
}

const choice = byId("choice");
for (const [group, label] of Object.entries(data.groups)) {
  const part = document.createElement("optgroup");
  part.label = label;
  for (const entry of data.entries.filter((e) => e.group === group)) {
    const option = document.createElement("option");
    option.value = option.textContent = entry.name;
    part.append(option);
  }
  if (part.children.length) choice.append(part);
}
choice.addEventListener("change", () => keep(choice.value));
for (const row of document.querySelectorAll("tr[data-name]")) {
  const go = () => { keep(row.dataset.name); byId("explorer").scrollIntoView({block: "start"}); };
  row.addEventListener("click", go);
  row.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); go(); }
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
for (const [event, printing] of [["beforeprint", true], ["afterprint", false]])
  addEventListener(event, () => {
    document.documentElement.classList.toggle("printing", printing);
    draw();
    // what responsive plots do by themselves comes too late for paper
    for (const plot of document.querySelectorAll(".js-plotly-plot")) {
      const size = {width: plot.clientWidth || null, height: plot.clientHeight || null};
      Plotly.relayout(plot, printing ? size : {width: null, height: null, autosize: true});
    }
  });
legend();
draw();
keep(kept);
