// Tables and bars of the operator's page.

import {make, whole} from "../common/dom.js";

export function fillTable(table, heads, rows) {
  const head = make("tr", {}, ...heads.map((text) => make("th", {scope: "col"}, text)));
  const body = rows.map(([name, ...cells]) => make("tr", {}, make("th", {scope: "row"}, name),
    ...cells.map((cell) => make("td", {}, cell))));
  table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
}

// Counts as bars, each beside its name; `rows` are [name, count, text?].
export function bars(rows, none) {
  if (!rows.length) return make("p", {className: "hint"}, none);
  const most = Math.max(1, ...rows.map(([, count]) => count));
  return make("div", {className: "bars"}, ...rows.flatMap(([name, count, text]) => [
    make("span", {className: "what"}, name),
    make("meter", {min: 0, max: most, value: count, "aria-label": name}),
    make("span", {className: "count"}, text ?? whole(count))]));
}

export function tiles(place, pairs) {
  place.replaceChildren(...pairs.map(([name, value]) => make("li", {}, make("strong", {}, value), make("span", {}, name))));
}

export const words = (name) => name.replaceAll("_", " ");
