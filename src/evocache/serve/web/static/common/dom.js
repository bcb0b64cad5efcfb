// Elements of the page. Texts that people or servers gave become text nodes, never markup.

export const byId = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const digits = (value, most) => new Intl.NumberFormat("en", {maximumFractionDigits: most}).format(value);

export function seconds(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value < 1) return `${digits(value, value < 0.1 ? 3 : 2)} s`;
  if (value < 90) return `${digits(value, 1)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

export const times = (value) => `${digits(value, 2)}×`;
export const decibels = (value) => `${digits(value, 1)} dB`;
export const whole = (value) => digits(value, 0);
export const number = (value) => digits(value, Math.abs(value) < 10 ? 2 : 1);

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) [value, at] = [value / 1000, at + 1];
  return `${digits(value, at ? 1 : 0)} ${units[at]}`;
}
