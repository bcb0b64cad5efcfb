// LoRAs that act: a box and a weight for each that the model has; none acts unless it is chosen.

import {byId, make} from "../common/dom.js";

export class LoraChoice {
  constructor(changed) {
    this.changed = changed;
    this.rows = [];
  }

  load(card) {
    this.rows = (card.loras ?? []).map((lora) => this._row(lora));
    byId("loras").hidden = !this.rows.length;
    byId("lora-list").replaceChildren(...this.rows.flatMap(({label, weight}) => [label, weight]));
  }

  // Weights of those that act, by name. An empty field is the usual weight.
  get chosen() {
    const acting = this.rows.filter(({box}) => box.checked);
    return Object.fromEntries(acting.map(({lora, weight}) => [lora.name, weight.value === "" ? lora.weight : Number(weight.value)]));
  }

  choose(loras) {
    for (const {lora, box, weight} of this.rows) {
      box.checked = lora.name in loras;
      weight.value = String(loras[lora.name] ?? lora.weight);
      weight.disabled = !box.checked;
    }
  }

  _row(lora) {
    const box = make("input", {type: "checkbox", onchange: () => { weight.disabled = !box.checked; this.changed(); }});
    const weight = make("input", {type: "number", step: "0.1", inputMode: "decimal", value: String(lora.weight),
      disabled: true, ariaLabel: `Weight of ${lora.name}`, oninput: () => this.changed()});
    return {lora, box, weight, label: make("label", {className: "check"}, box, make("span", {}, lora.name))};
  }
}

const words = (loras) => Object.entries(loras).map(([name, weight]) => `${name} ${weight}`).join(" and ");

// The model with the front that the server takes for these LoRAs: its own for none, a LoRA's where that acts alone as
// usual. For others no front says anything: `acting` is then what acts, and `context` what does where it was measured.
export function withFrontFor(card, loras) {
  const names = Object.keys(loras);
  if (!names.length) return {...card, acting: {}};
  const own = card.loras.filter((lora) => names.includes(lora.name) && lora.points.length);
  if (names.length === 1 && own.length && own[0].weight === loras[names[0]])
    return {...card, points: own[0].points, context: own[0].context, acting: {}};
  const measured = own.map((lora) => `${lora.name} ${lora.weight} alone`).join(" or ") || "none";
  const points = own.length ? own[0].points : card.points;
  return {...card, points, context: {...card.context, LoRA: measured}, acting: {LoRA: words(loras)}};
}

export const areServed = (card, loras) => Object.keys(loras).every((name) => card.loras.some((lora) => lora.name === name));
