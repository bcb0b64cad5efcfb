// The operator's page: figures of the server, each second, and lines of the last minutes.

import {read} from "../common/api.js";
import {byId, bytes, decibels, make, number, seconds, whole} from "../common/dom.js";
import {askForKey} from "../common/key_form.js";
import {ProblemBox} from "../common/problem.js";
import {Chart} from "./chart.js";
import {bars, fillTable, tiles, words} from "./parts.js";

const EVERY = 1000, SPAN = 300, SAMPLES = "evocache samples";
const box = new ProblemBox(byId("problem"));
const sum = (values) => values.reduce((one, other) => one + other, 0);
const total = (engines, name) => sum(engines.map((engine) => engine[name] ?? 0));
const LINES = ["queue", "wait", "level", "made", "batch"];
let charts = null, before = null;

async function look() {
  let again = EVERY;
  try {
    if (!document.hidden) show(await read("/v1/admin/state"));
  } catch (problem) {
    byId("status").textContent = "no figures";
    if (problem.status === 401 || problem.status === 403) {
      askForKey(look);
      box.show(problem);
      return;
    }
    again = 1000 * (problem.wait ?? 3);
    box.show(problem);
    before = null;
  }
  setTimeout(look, again);
}

function show(state) {
  const now = Date.now() / 1000, models = Object.entries(state.models);
  box.clear();
  document.querySelector("main").hidden = false;
  byId("status").textContent = state.unready || `ready, up ${seconds(Math.round(state.uptime))}`;
  const waiting = sum(models.map(([, model]) => model.waiting ?? 0)), running = sum(models.map(([, model]) => model.running ?? 0));
  const rates = ratesOf(state, now);
  tiles(byId("tiles"), [["waiting", whole(waiting)], ["running", whole(running)],
    ["made a minute", rates.made === null ? "–" : number(60 * rates.made)],
    ["calls a batch", rates.batch === null ? "–" : number(rates.batch)], ["workers", whole(state.workers ?? 0)],
    ["held by workers", bytes(total(state.engines, "bytes"))]]);
  drawCharts(now, models, waiting, running, rates);
  showModels(models);
  showLists(state, models);
}

// What happened in a second since the last look.
function ratesOf(state, now) {
  const counts = {time: now, made: state.ends?.made ?? 0, calls: total(state.engines, "calls"), turns: total(state.engines, "turns")};
  const rates = {made: null, batch: null};
  if (before && now > before.time && counts.made >= before.made) {
    rates.made = (counts.made - before.made) / (now - before.time);
    const turns = counts.turns - before.turns;
    rates.batch = turns > 0 ? (counts.calls - before.calls) / turns : null;
  }
  before = counts;
  return rates;
}

function drawCharts(now, models, waiting, running, rates) {
  const names = models.map(([name]) => name).slice(0, 4);
  if (!charts || charts.names.join() !== names.join()) {
    charts = {names, queue: new Chart("Queue", ["waiting", "running"], number, SPAN),
      wait: new Chart("Predicted wait", names, seconds, SPAN), level: new Chart("Level of the front", names, number, SPAN),
      made: new Chart("Made a second", ["made"], number, SPAN), batch: new Chart("Calls a batch", ["calls"], number, SPAN)};
    byId("charts").replaceChildren(...LINES.map((name) => charts[name].place));
    byId("span").textContent = `since this page was opened in this tab, at most ${SPAN / 60} minutes`;
    restoreSamples();
  }
  const of = (name) => models.slice(0, 4).map(([, model]) => model[name] ?? null);
  charts.queue.take(now, [waiting, running]);
  charts.wait.take(now, of("wait_seconds"));
  charts.level.take(now, of("level"));
  charts.made.take(now, [rates.made]);
  charts.batch.take(now, [rates.batch]);
}

// Samples outlive a visit to the other page.
function restoreSamples() {
  const kept = JSON.parse(sessionStorage.getItem(SAMPLES) ?? "null");
  sessionStorage.removeItem(SAMPLES);
  if (kept?.names.join() === charts.names.join()) for (const name of LINES) charts[name].samples = kept[name];
}

addEventListener("pagehide", () => {
  if (!charts) return;
  const kept = Object.fromEntries(LINES.map((name) => [name, charts[name].samples]));
  sessionStorage.setItem(SAMPLES, JSON.stringify({names: charts.names, ...kept}));
});

function showModels(models) {
  fillTable(byId("models"), ["model", "state", "level", "waiting", "running", "predicted wait", "one uncached"],
    models.map(([name, model]) => [name, make("span", {className: `state-${model.state}`}, model.state ?? "–"),
      model.levels ? `${model.level} of ${model.levels - 1}` : "–", whole(model.waiting ?? 0), whole(model.running ?? 0),
      seconds(model.wait_seconds), seconds(model.seconds)]));
}

function showLists(state, models) {
  byId("points").replaceChildren(...models.flatMap(([name, model]) => {
    const order = ["uncached", ...model.front], made = sum(Object.values(model.points));
    const rows = Object.entries(model.points).sort(([one], [other]) => order.indexOf(one) - order.indexOf(other))
      .map(([label, count]) => [label, count, `${whole(count)}, ${whole(100 * count / made)} %`]);
    return [make("h3", {}, name), bars(rows, "nothing made yet")];
  }));
  byId("changes").replaceChildren(...(state.transitions.length ? state.transitions.map(describeChange)
    : [make("li", {className: "hint"}, "none yet")]));
  byId("users").replaceChildren(bars((state.owners ?? []).map(([waits, runs], at) =>
    [`no. ${at + 1}`, waits + runs, `${whole(waits)} wait, ${whole(runs)} run`]), "nobody"));
  const count = (counts) => Object.entries(counts ?? {}).map(([name, value]) => [words(name), value]);
  const refused = count(state.refused).map(([name, value]) => [`refused: ${name}`, value]);
  byId("ends").replaceChildren(bars([...count(state.ends), ...refused], "none yet"));
  byId("jobs").replaceChildren(bars(count(state.jobs), "none"));
  showQuality(models);
  showReuse(state.reuse);
  showDrift(state.drift);
  fillTable(byId("workers"), ["worker", "open", "turns", "calls", "done", "failed", "cancelled", "memory"],
    state.engines.map((engine, at) => [`no. ${at + 1}`, ...["open", "turns", "calls", "done", "failed", "cancelled"]
      .map((name) => (name in engine ? whole(engine[name]) : "–")), "bytes" in engine ? bytes(engine.bytes) : "–"]));
}

// What points were predicted to give and what they gave, side by side.
function showQuality(models) {
  const rows = models.flatMap(([name, {measured}]) => Object.entries(measured ?? {}).map(([label, of]) => [`${name} ${label}`,
    of.predicted === null ? "–" : decibels(of.predicted), decibels(of.mean), decibels(of.worst), whole(of.samples)]));
  byId("quality-section").hidden = !rows.length;
  fillTable(byId("quality"), ["point", "predicted", "measured", "worst of late", "samples"], rows);
}

const ANSWERS = {hit: "a stored result", joined: "joined one in flight", miss: "made", skipped: "made, reuse not wanted",
  failed: "failed", shed: "refused"};

function showReuse(reuse) {
  byId("reuse-section").hidden = !reuse;
  if (!reuse) return;
  const {hit = 0, joined = 0, miss = 0} = reuse.counts, asked = hit + joined + miss;
  const rows = Object.keys(ANSWERS).filter((kind) => reuse.counts[kind]).map((kind) => [ANSWERS[kind], reuse.counts[kind]]);
  const rate = asked ? `${number(100 * (hit + joined) / asked)} % were there or on their way; ` : "";
  byId("reuse").replaceChildren(bars(rows, "nothing asked yet"),
    make("p", {}, `${rate}${seconds(reuse.seconds_saved ?? 0)} of computing saved.`),
    make("p", {className: "hint"}, `${whole(reuse.results ?? 0)} results kept, ${bytes(reuse.bytes ?? 0)}; ${whole(reuse.flights ?? 0)} in flight.`));
}

// Changes of the hit rate and of what is popular, the latest first.
function showDrift(drift) {
  byId("drift-section").hidden = !drift;
  const found = Object.entries(drift ?? {}).flatMap(([of, changes]) => changes.map((change) => ({of, ...change})));
  const lines = found.sort((one, other) => one.ago - other.ago).map(({of, ago, before: from, after}) =>
    make("p", {}, `${seconds(Math.round(ago))} ago: ${words(of)} ${number(100 * from)} → ${number(100 * after)} %`));
  byId("drift").replaceChildren(...(lines.length ? lines : [make("p", {className: "hint"}, "none found")]));
}

function describeChange({ago, model, before: from, after, wait}) {
  return make("li", {}, `${seconds(Math.round(ago))} ago, ${model}: `, make("span", {className: `state-${from[0]}`}, `${from[0]} ${from[1]}`), " → ",
    make("span", {className: `state-${after[0]}`}, `${after[0]} ${after[1]}`), `, at a predicted wait of ${seconds(wait)}`);
}

look();
