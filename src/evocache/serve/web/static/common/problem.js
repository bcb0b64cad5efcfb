// What went wrong, in plain words, with the seconds until it may be tried again counted down.

import {make} from "./dom.js";

const WORDS = {
  0: "No connection.",
  400: "The server does not take this.",
  401: "This server needs an API key.",
  403: "This is not allowed for you.",
  404: "This is not there.",
  409: "This is not ready yet.",
  413: "This is too large.",
  415: "This file is of another type.",
  429: "The server has too much to do just now.",
  500: "A fault of the server.",
  503: "The server is not ready.",
  507: "The disk of the server is full.",
};

const CODES = {
  generation_failed: "The generation failed.",
  cancelled: "The generation was cancelled.",
  worker_lost: "The process that computed this died.",
  too_much_memory: "There is too little memory for this.",
  model_not_found: "There is no such model.",
};

export const inWords = (problem) => CODES[problem.code] ?? WORDS[problem.status] ?? (problem.status >= 400 && problem.status < 500 ? WORDS[400] : WORDS[500]);

export class ProblemBox {
  constructor(place) {
    this.place = place;
    this.timer = null;
  }

  clear() {
    clearInterval(this.timer);
    this.place.replaceChildren();
    this.place.hidden = true;
  }

  show(problem, again = null) {
    this.clear();
    if (!("status" in problem)) console.error(problem);
    const what = make("p", {className: "what"}, "status" in problem ? inWords(problem) : "A fault of this page.");
    const said = make("p", {}, problem.message);
    this.place.append(make("div", {className: "problem"}, what, said));
    this.place.hidden = false;
    if (again) this._offer(problem, again);
  }

  _offer(problem, again) {
    const line = make("p", {className: "hint"});
    const button = make("button", {type: "button", onclick: () => { this.clear(); again(); }}, "Try again");
    this.place.firstChild.append(line, button);
    let left = Math.ceil(problem.wait ?? 0);
    if (!left) { line.remove(); return; }
    const until = Date.now() + 1000 * left;
    const count = () => {
      left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      line.textContent = left ? `There will be room in ${left} s.` : "There should be room now.";
      button.disabled = left > 0;
      if (!left) clearInterval(this.timer);
    };
    count();
    this.timer = setInterval(count, 250);
  }
}
