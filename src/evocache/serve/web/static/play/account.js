// How a picture was made: what the server says in `evocache`, beside what was promised.

import {decibels, make, seconds, times} from "../common/dom.js";
import {commandOf, pythonOf} from "./code.js";

const REUSE = {none: "made for this request", exact: "the stored result of an equal request",
  joined: "joined an equal request in flight"};
const STAGES = {queue: "Waited for a worker", wait: "Waited in the worker", compute: "Computed"};

export function describePoint(account) {
  if (!account.point || account.point === "uncached") return "uncached";
  return account.speedup ? `${times(account.speedup)} (${account.point})` : account.point;
}

export function accountOf({title, account, took}) {
  const rows = [["Point", describePoint(account)]];
  if (account.quality !== undefined) rows.push(["Predicted quality", `${decibels(account.quality)} to uncached`]);
  if (account.measured !== undefined) {
    rows.push(["Measured quality", `${decibels(account.measured.quality)} to uncached, mean of ${account.measured.samples}`]);
  }
  rows.push(["Reuse", REUSE[account.reuse] ?? account.reuse ?? "–"], ["Seed", String(account.seed ?? "–")]);
  if (took !== undefined) rows.push(["Time, seen from here", seconds(took)]);
  const {predicted, ...stages} = account.seconds ?? {};
  const order = Object.keys(STAGES), all = Object.entries(stages).filter(([, value]) => value > 0);
  for (const [stage, value] of all.sort(([one], [other]) => order.indexOf(one) - order.indexOf(other))) {
    const more = stage === "compute" && predicted ? ` (${seconds(predicted)} predicted)` : "";
    rows.push([STAGES[stage] ?? stage, seconds(value) + more]);
  }
  const list = make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  const notes = (account.notes ?? []).map((note) => make("p", {className: "note"}, note));
  return make("div", {className: "account"}, make("h3", {}, title), list, ...notes);
}

export function codeOf(asked) {
  const part = (name, text) => {
    const copy = make("button", {type: "button", onclick: async () => {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    }}, "Copy");
    return [make("div", {className: "line"}, make("span", {className: "hint"}, name), copy), make("pre", {tabIndex: 0}, text)];
  };
  return make("details", {className: "code"}, make("summary", {}, "The same from a program"),
    ...part("In a shell", commandOf(asked)), ...part("In Python, with OpenAI's client", pythonOf(asked)));
}
