// What is asked for: the form's fields, as values that can be kept, put back, and sent.

import {byId} from "../common/dom.js";
import {FrontSlider, UNCACHED, wishesOf} from "./front.js";
import {areServed, LoraChoice, withFrontFor} from "./loras.js";

const NUMBERS = {num_inference_steps: "steps", guidance_scale: "guidance", width: "width", height: "height",
  num_frames: "frames", strength: "strength"};

export const drawSeed = () => crypto.getRandomValues(new Uint32Array(1))[0];

export class Settings {
  constructor(changed) {
    this.changed = changed;
    this.cards = new Map();
    this.front = new FrontSlider(() => this.describe());
    this.loras = new LoraChoice(() => this._changeFront());
    byId("model").addEventListener("change", () => this.load(byId("model").value));
    byId("reset").addEventListener("click", () => this.load(byId("model").value));
    byId("locked").addEventListener("change", () => this.describe());
    byId("seed").addEventListener("input", () => { byId("locked").checked = byId("seed").value !== ""; this.describe(); });
    for (const id of [...Object.values(NUMBERS), "image"]) byId(id).addEventListener("input", () => this.describe());
  }

  // The model, with the front that holds for the LoRAs that are chosen.
  get card() {
    const card = this.cards.get(byId("model").value);
    return card && withFrontFor(card, this.loras.chosen);
  }

  offer(models) {
    this.cards = new Map(models.map((model) => [model.id, {name: model.id, ...model.evocache}]));
    byId("model").replaceChildren(...models.map((model) =>
      new Option(model.evocache.kind === "video" ? `${model.id} (video)` : model.id, model.id)));
    this.load(models[0].id);
  }

  load(name) {
    byId("model").value = name;
    this.loras.load(this.cards.get(name));
    const card = this.card;
    for (const field of document.querySelectorAll("[data-argument]"))
      field.hidden = !card.arguments.includes(field.dataset.argument);
    if (card.kind === "video") document.querySelector(".files").hidden = true;
    for (const [argument, id] of Object.entries(NUMBERS)) byId(id).value = card.defaults[argument] ?? "";
    for (const id of ["image", "mask", "negative"]) byId(id).value = "";
    this._loadFront(card);
    this.describe();
    this.changed(card);
  }

  _loadFront(card) {
    byId("beside-field").hidden = card.kind === "video" || !card.points.length;
    this.front.load(card);
  }

  // Other LoRAs may have another front: take its point that is nearest to the one that was chosen.
  _changeFront() {
    const chosen = this.front.chosen;
    this._loadFront(this.card);
    this.front.choose(chosen);
    this.describe();
  }

  // Arguments of the call that differ from the model's own.
  get values() {
    const found = {};
    for (const [argument, id] of Object.entries(NUMBERS)) {
      if (!this.card.arguments.includes(argument) || byId(id).value === "") continue;
      if (argument === "strength" && !byId("image").files.length) continue;
      const value = Number(byId(id).value);
      if (value !== this.card.defaults[argument]) found[argument] = value;
    }
    return found;
  }

  describe() {
    const card = this.card;
    if (!card) return;
    const given = byId("image").files.length ? {image: "given"} : {};
    const context = {...card.context, ...(given.image ? {image: "none"} : {})};
    this.front.describe({...card, context}, {...this.values, ...given, ...card.acting});
    byId("seed-hint").textContent = byId("locked").checked ? "The same for each picture."
      : "Another one is drawn for each picture.";
  }

  // All that is asked for, with a seed drawn where it is not locked.
  take() {
    const locked = byId("locked").checked && byId("seed").value !== "";
    const seed = locked ? Number(byId("seed").value) : drawSeed();
    if (!locked) byId("seed").value = String(seed);
    const {label, speedup, quality} = this.front.chosen;
    return {model: this.card.name, kind: this.card.kind, prompt: byId("prompt").value.trim(),
      negative: this.card.arguments.includes("negative_prompt") ? byId("negative").value.trim() : "",
      seed, point: {label, speedup, quality}, values: this.values, loras: this.loras.chosen, sides: ["width", "height"].map((id) => byId(id).value),
      files: {image: byId("image").files[0] ?? null, mask: byId("mask").files[0] ?? null}};
  }

  // Put back what was asked for before; false if its model or LoRAs are not there any more. Files have to be chosen anew.
  restore(asked) {
    const loras = asked.loras ?? {};
    if (!this.cards.has(asked.model) || !areServed(this.cards.get(asked.model), loras)) return false;
    this.load(asked.model);
    this.loras.choose(loras);
    this._loadFront(this.card);
    byId("prompt").value = asked.prompt;
    byId("negative").value = asked.negative;
    byId("seed").value = String(asked.seed);
    byId("locked").checked = true;
    for (const [argument, value] of Object.entries(asked.values))
      if (argument in NUMBERS) byId(NUMBERS[argument]).value = String(value);
    this.front.choose(asked.point);
    this.describe();
    return true;
  }
}

export const uncached = (asked) => ({...asked, point: {label: UNCACHED, speedup: 1, quality: null}});

// The body of a request, as OpenAI's clients would send it with `extra_body`.
export function bodyOf(asked) {
  const {width, height, ...rest} = asked.values;
  const size = width || height ? {size: asked.sides.join("x")} : {};
  return {model: asked.model, prompt: asked.prompt, seed: asked.seed, ...(asked.negative ? {negative_prompt: asked.negative} : {}),
    ...size, ...rest, ...(Object.keys(asked.loras ?? {}).length ? {loras: asked.loras} : {}), ...wishesOf(asked.point)};
}

// The same as fields of a form, which has texts alone: parts of an object are fields of their own.
export const fieldsOf = (asked) => Object.entries(bodyOf(asked)).flatMap(([name, value]) => (typeof value === "object"
  ? Object.entries(value).map(([part, one]) => [`${name}[${part}]`, String(one)]) : [[name, String(value)]]));
