// What was made before, in this browser's own database: pictures, accounts, and what was asked for.

import {byId, make, times} from "../common/dom.js";

const MOST = 60;

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function open() {
  const request = indexedDB.open("evocache", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("made", {keyPath: "id", autoIncrement: true});
  return done(request);
}

export class History {
  // `chosen` takes an entry {asked, shots, at} that is to be shown again.
  constructor(chosen) {
    this.chosen = chosen;
    this.entries = [];
    this.urls = [];
    byId("forget").addEventListener("click", () => this.clear());
  }

  async load() {
    try {
      this.database = await open();
      this.entries = (await done(this._store("readonly").getAll())).reverse();
    } catch {
      this.database = null; // private windows may keep nothing: then it lasts as long as the page
    }
    this._draw();
  }

  async add(entry) {
    const files = {image: null, mask: null};
    const kept = {...entry, asked: {...entry.asked, files}, at: Date.now()};
    this.entries.unshift(kept);
    try {
      if (this.database) kept.id = await done(this._store("readwrite").add(kept));
      for (const old of this.entries.splice(MOST))
        if (this.database && old.id !== undefined) this._store("readwrite").delete(old.id);
    } catch {
      this.database = null; // no room: go on without
    }
    this._draw();
  }

  async clear() {
    this.entries = [];
    if (this.database) await done(this._store("readwrite").clear());
    this._draw();
  }

  _store(mode) { return this.database.transaction("made", mode).objectStore("made"); }

  _draw() {
    for (const url of this.urls) URL.revokeObjectURL(url);
    this.urls = [];
    byId("history").hidden = !this.entries.length;
    byId("history-list").replaceChildren(...this.entries.map((entry) => this._item(entry)));
  }

  _item(entry) {
    const shot = entry.shots[0], url = URL.createObjectURL(shot.blob);
    this.urls.push(url);
    const words = make("span", {className: "words"}, entry.asked.prompt);
    const speed = shot.account.speedup ? times(shot.account.speedup) : "uncached";
    const which = make("span", {className: "which"}, entry.shots.length > 1 ? `${speed} | uncached` : speed);
    const image = make("img", {alt: "", loading: "lazy"});
    image.src = url;
    return make("li", {}, make("button", {type: "button", title: new Date(entry.at).toLocaleString(),
      onclick: () => this.chosen(entry)}, image, words, which));
  }
}
