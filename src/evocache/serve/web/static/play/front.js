// The front as a slider: uncached at its left end, then the model's points from the slowest to the fastest.

import {byId, decibels, seconds, times} from "../common/dom.js";

export const UNCACHED = "uncached", AUTO = "auto";

// What a request has to say for a point. The quality beside the speed-up keeps the server at this very point.
export function wishesOf(chosen) {
  if (chosen.label === AUTO) return {};
  if (chosen.label === UNCACHED) return {speedup: 1, quality: "max"};
  return chosen.quality === null || chosen.quality === undefined ? {speedup: chosen.speedup}
    : {speedup: chosen.speedup, quality: chosen.quality};
}

// What of a call differs from where the front was measured, in words; empty if nothing does.
export function outsideOf(card, values) {
  if (!card.points.length) return "";
  const given = {...card.defaults, ...values};
  return Object.entries(card.context ?? {})
    .filter(([name, value]) => name in given && given[name] !== value)
    .map(([name, value]) => `${name.replaceAll("_", " ")} is ${given[name]}, measured at ${value}`)
    .join("; ");
}

// Seconds of an uncached generation of these values, as far as one that was measured says: work grows with steps and pixels.
export function uncachedSeconds(card, values) {
  let share = 1;
  for (const name of ["num_inference_steps", "width", "height", "num_frames"]) {
    const usual = card.defaults[name], given = values[name];
    if (Number.isFinite(usual) && usual > 0 && Number.isFinite(given)) share *= given / usual;
  }
  return card.seconds * share;
}

export class FrontSlider {
  constructor(changed) {
    this.slider = byId("point");
    this.auto = byId("auto");
    this.points = [];
    this.slider.addEventListener("input", () => { this.auto.checked = false; changed(); });
    this.auto.addEventListener("change", changed);
  }

  load(card) {
    this.points = [{label: UNCACHED, speedup: 1, quality: null}, ...card.points];
    byId("front").hidden = !card.points.length;
    this.slider.max = String(this.points.length - 1);
    byId("fastest").textContent = `fastest, ${times(this.points.at(-1).speedup)}`;
    const near = (point) => Math.abs(Math.log(point.speedup / 2));
    this.choose(this.points.slice(1).sort((one, other) => near(one) - near(other))[0] ?? this.points[0]);
  }

  // The point of that label, or, where the front is another one by now, the nearest in speed.
  choose(chosen) {
    this.auto.checked = chosen.label === AUTO;
    if (chosen.label === AUTO) return;
    let at = this.points.findIndex((point) => point.label === chosen.label);
    if (at < 0) {
      const gaps = this.points.map((point) => Math.abs(point.speedup - (chosen.speedup ?? 1)));
      at = gaps.indexOf(Math.min(...gaps));
    }
    this.slider.value = String(at);
  }

  get chosen() {
    return this.auto.checked ? {label: AUTO} : this.points[Number(this.slider.value)];
  }

  describe(card, values) {
    const chosen = this.chosen, whole = uncachedSeconds(card, values), outside = outsideOf(card, values);
    const exact = outside || chosen.label === UNCACHED;
    let title = exact ? "uncached" : times(chosen.speedup ?? 1), more;
    if (chosen.label === AUTO) {
      title = "auto";
      more = outside ? `everything is computed, about ${seconds(whole)}` : `at most about ${seconds(whole)} once it begins`;
    } else if (exact) {
      more = `everything is computed, about ${seconds(whole)}`;
    } else {
      const quality = chosen.quality === null ? "quality not known" : `${decibels(chosen.quality)} to uncached`;
      more = `${quality}, about ${seconds(whole / chosen.speedup)} instead of ${seconds(whole)}`;
    }
    byId("front").classList.toggle("auto", chosen.label === AUTO);
    byId("point-said").querySelector("strong").textContent = title;
    byId("point-said").querySelector("span").textContent = more;
    this.slider.setAttribute("aria-valuetext", `${title}: ${more}`);
    const note = byId("outside");
    note.hidden = !outside || chosen.label === UNCACHED;
    note.textContent = `Everything will be computed, since the front says nothing here: ${outside}.`;
  }
}
