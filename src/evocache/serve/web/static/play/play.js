// The page to play with a server's models: it puts form, stream, pictures, videos and history together.

import {ask, Problem, read} from "../common/api.js";
import {byId, make, seconds} from "../common/dom.js";
import {askForKey} from "../common/key_form.js";
import {ProblemBox} from "../common/problem.js";
import {accountOf, codeOf, describePoint} from "./account.js";
import {UNCACHED} from "./front.js";
import {generate} from "./generate.js";
import {History} from "./history.js";
import {Pictures} from "./pictures.js";
import {Settings, uncached} from "./settings.js";
import {Videos} from "./videos.js";

const box = new ProblemBox(byId("problem"));
const pictures = new Pictures();
const settings = new Settings(changedModel);
const history = new History(showAgain);
const videos = new Videos({failed: fail, remix: beginRemix, said});
let running = null, remixOf = null;

function said(text) { byId("announce").textContent = text; }

function status(text) { byId("status").textContent = text; }

// On a phone the result lies below the form.
const reveal = () => byId("stage").scrollIntoView({block: "nearest"});

function fail(problem, again = null) {
  if (problem.name === "AbortError") return;
  if (problem.status === 401) askForKey(again ?? start);
  box.show(problem, problem.status === 401 ? null : again);
  reveal();
}

async function start() {
  try {
    const models = (await read("/v1/models")).data;
    if (!models.length) {
      await ask("/readyz"); // says why there is none
      throw new Problem("It has no models.", 503, {wait: 2});
    }
    settings.offer(models);
    byId("more").hidden = false;
    pictures.clear("Your picture will appear here.");
    status(models.length === 1 ? "ready" : `ready, ${models.length} models`);
    box.clear();
    byId("go").disabled = false;
  } catch (problem) {
    byId("go").disabled = true;
    if (problem.status === 503) {
      status(problem.message);
      pictures.clear(`Not ready yet: ${problem.message}.`);
      setTimeout(start, 1000);
      return;
    }
    status("not ready");
    fail(problem, start);
  }
}

function changedModel(card) {
  leaveRemix();
  byId("stage").classList.toggle("film", card.kind === "video");
  byId("pictures").hidden = card.kind === "video";
  byId("account").hidden ||= card.kind === "video";
  byId("compare").hidden ||= card.kind === "video";
  byId("videos").hidden = card.kind !== "video";
  if (card.kind === "video") videos.start().catch((problem) => fail(problem, start));
}

async function submit() {
  if (running || byId("go").disabled) return;
  const asked = settings.take();
  if (!asked.prompt) {
    byId("prompt").focus();
    box.show(new Problem("Write a prompt first: what is to be seen?", 400));
    return;
  }
  box.clear();
  settings.describe();
  running = new AbortController();
  busy(true);
  try {
    if (asked.kind === "video") await makeVideo(asked);
    else await makePictures(asked, running.signal);
  } catch (problem) {
    if (problem.name === "AbortError") stopped();
    else {
      if (asked.kind !== "video") pictures.clear("No picture came of it.");
      fail(problem, submit);
    }
  } finally {
    running = null;
    busy(false);
  }
}

function busy(on) {
  const [from, to] = on ? [byId("go"), byId("stop")] : [byId("stop"), byId("go")], held = document.activeElement === from;
  byId("go").hidden = on;
  byId("stop").hidden = !on;
  byId("running").hidden = !on;
  byId("stage").setAttribute("aria-busy", String(on));
  if (held) to.focus({preventScroll: true});
}

function progress(text, share) {
  byId("progress-said").textContent = text;
  if (share === null) byId("progress").removeAttribute("value");
  else byId("progress").value = share;
}

async function makeVideo(asked) {
  progress("the server takes the video on …", null);
  if (remixOf) await videos.remixed(remixOf.id, asked.prompt);
  else await videos.create(asked);
  leaveRemix();
  said("The video is taken on.");
}

async function makePictures(asked, signal) {
  const beside = byId("beside").checked && !byId("beside-field").hidden && asked.point.label !== UNCACHED;
  const all = beside ? [asked, uncached(asked)] : [asked];
  const titles = all.map((one) => (one.point.label === UNCACHED ? "uncached" : beside ? "this point" : "picture"));
  const shots = [];
  byId("account").hidden = true;
  pictures.begin(titles);
  reveal();
  for (const [at, one] of all.entries()) {
    const which = all.length > 1 ? `${titles[at]}: ` : "", began = performance.now();
    progress(`${which}waits for its turn …`, null);
    const shot = await generate(one, signal, ({step, steps, preview}) => {
      if (preview) pictures.put(at, preview, {partial: true});
      const took = seconds((performance.now() - began) / 1000);
      if (steps) progress(`${which}step ${step} of ${steps}, ${took}`, (at + step / steps) / all.length);
    });
    shots.push({title: titles[at], ...shot});
    await pictures.put(at, shot.blob, {prompt: asked.prompt, caption: captionOf(shot)});
  }
  present(asked, shots);
  said("The picture is done.");
  await history.add({asked, shots});
}

const captionOf = ({account, took}) => `${describePoint(account)}${took === undefined ? "" : ` – ${seconds(took)}`}`;

function present(asked, shots) {
  const columns = make("div", {className: "accounts"}, ...shots.map((shot) =>
    accountOf({...shot, title: shots.length > 1 ? shot.title : "How it was made"})));
  byId("account").replaceChildren(columns, codeOf(asked));
  byId("account").hidden = false;
  pictures.compare();
}

function stopped() {
  pictures.clear("Cancelled. Nothing more is computed for it.");
  said("Cancelled.");
}

async function showAgain({asked, shots}) {
  if (running) return;
  box.clear();
  const there = settings.restore(asked);
  const names = Object.keys(asked.loras ?? {}), what = names.length ? `${asked.model} with ${names.join(" and ")}` : asked.model;
  if (!there) box.show(new Problem(`The model ${what} is served no more; the picture is still here.`, 404));
  byId("beside").checked = shots.length > 1;
  byId("pictures").hidden = false;
  pictures.begin(shots.map((shot) => shot.title));
  for (const [at, shot] of shots.entries()) await pictures.put(at, shot.blob, {prompt: asked.prompt, caption: captionOf(shot)});
  present(asked, shots);
  reveal();
  said("Settings are as they were for this picture.");
}

function beginRemix(video) {
  if (settings.cards.has(video.model)) settings.load(video.model);
  remixOf = video;
  byId("remix").querySelector("span").textContent = `A remix: seed and settings stay as in “${video.prompt ?? video.id}”.`;
  byId("remix").hidden = false;
  byId("front").hidden = byId("loras").hidden = byId("more").hidden = true;
  byId("prompt").value = video.prompt ?? "";
  byId("prompt").focus();
  byId("prompt").select();
}

function leaveRemix() {
  if (!remixOf) return;
  remixOf = null;
  byId("remix").hidden = true;
  byId("more").hidden = false;
  byId("front").hidden = !settings.card.points.length;
  byId("loras").hidden = !settings.card.loras.length;
}

byId("go").disabled = true;
byId("more").open = matchMedia("(min-width: 901px)").matches;
byId("ask").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
byId("stop").addEventListener("click", () => running?.abort());
byId("remix").querySelector("button").addEventListener("click", leaveRemix);
byId("prompt").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
addEventListener("keydown", (event) => { if (event.key === "Escape") running?.abort(); });
history.load();
start();
