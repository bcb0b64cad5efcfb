// Lines over the last minutes, drawn as SVG.

import {make} from "../common/dom.js";

const WIDTH = 340, HEIGHT = 110, LEFT = 42, BOTTOM = 18, TOP = 8;
const SHORTEST = 60;
const CLASSES = ["first", "second", "third", "fourth"];

function draw(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// The least of 1, 2, 5, 10, 20, 50 ... that is no less than a value.
export function roof(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= value - 1e-9);
}

export class Chart {
  // `series` are names of lines; `told` makes a text of a value; `span` is in seconds.
  constructor(name, series, told, span) {
    Object.assign(this, {name, series, told, span});
    this.samples = [];
    this.caption = make("figcaption");
    this.svg = draw("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img"});
    this.place = make("figure", {}, this.caption, this.svg);
  }

  // Take a sample: a time in seconds, and a value of each line; null where there is none.
  take(time, values) {
    this.samples.push({time, values});
    while (this.samples.length && this.samples[0].time < time - this.span) this.samples.shift();
    this._draw(time);
  }

  _draw(now) {
    const all = this.samples.flatMap((sample) => sample.values).filter((value) => value !== null);
    const span = Math.min(this.span, Math.max(SHORTEST, now - this.samples[0].time));
    const top = roof(Math.max(0, ...all)), high = HEIGHT - BOTTOM - TOP;
    const x = (time) => LEFT + (WIDTH - LEFT - 4) * (1 - (now - time) / span);
    const y = (value) => TOP + high * (1 - value / top);
    const parts = [0, top / 2, top].flatMap((value) => [
      draw("line", {x1: LEFT, x2: WIDTH - 4, y1: y(value), y2: y(value)}),
      draw("text", {x: LEFT - 5, y: y(value) + 4, "text-anchor": "end"}, this.told(value))]);
    parts.push(draw("text", {x: LEFT, y: HEIGHT - 5}, span < 90 ? `${Math.round(span)} s ago` : `${Math.round(span / 60)} min ago`),
      draw("text", {x: WIDTH - 4, y: HEIGHT - 5, "text-anchor": "end"}, "now"));
    for (const at of this.series.keys()) {
      const points = this.samples.filter((sample) => sample.values[at] !== null)
        .map((sample) => `${x(sample.time).toFixed(1)},${y(sample.values[at]).toFixed(1)}`);
      parts.push(draw("polyline", {class: CLASSES[at % CLASSES.length], points: points.join(" ")}));
    }
    this.svg.replaceChildren(...parts);
    const latest = this.samples.at(-1).values;
    const texts = this.series.map((name, at) => `${name} ${latest[at] === null ? "–" : this.told(latest[at])}`);
    this.svg.setAttribute("aria-label", `${this.name}: now ${texts.join(", ")}; at most ${this.told(Math.max(0, ...all))}`);
    this.caption.replaceChildren(make("span", {className: "name"}, this.name), ...texts.map((text, at) =>
      make("span", {className: `key ${CLASSES[at % CLASSES.length]}`}, make("i"), text)));
  }
}
