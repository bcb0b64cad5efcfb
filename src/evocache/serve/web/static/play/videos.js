// Videos: promised, made in the background, played, remixed and deleted.

import {ask, read} from "../common/api.js";
import {byId, make, seconds} from "../common/dom.js";
import {accountOf} from "./account.js";
import {bodyOf} from "./settings.js";

const PAGE = 12;
const WORDS = {queued: "waits for its turn", in_progress: "is being made", completed: "done", failed: "failed"};
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Videos {
  // `failed` takes a problem; `remix` a video whose prompt is to be changed; `said` a text for those who listen.
  constructor({failed, remix, said}) {
    Object.assign(this, {failed, remix, said});
    this.items = new Map();
    this.place = byId("video-list");
    byId("older").addEventListener("click", () => this.more().catch(this.failed));
  }

  async start() {
    byId("videos").hidden = false;
    if (!this.items.size) await this.more();
  }

  async more() {
    const after = [...this.items.keys()].at(-1);
    const page = await read(`/v1/videos?limit=${PAGE}${after ? `&after=${encodeURIComponent(after)}` : ""}`);
    for (const video of page.data) this._show(video, false);
    byId("older").hidden = !page.has_more;
    this._empty();
  }

  async create(asked) {
    this._show(await read("/v1/videos", {method: "POST", json: bodyOf(asked)}), true);
  }

  async remixed(id, prompt) {
    this._show(await read(`/v1/videos/${encodeURIComponent(id)}/remix`, {method: "POST", json: {prompt}}), true);
  }

  _empty() { byId("no-videos").hidden = this.items.size > 0; }

  _show(video, fresh) {
    const item = new VideoItem(video, fresh, this);
    this.items.set(video.id, item);
    if (fresh) this.place.prepend(item.place);
    else this.place.append(item.place);
    this._empty();
    if (fresh) {
      // the newest stand first in the order that pages go on from, too
      this.items = new Map([[video.id, item], ...this.items]);
      item.place.scrollIntoView({block: "nearest"});
    }
  }

  gone(id) {
    this.items.get(id)?.place.remove();
    this.items.delete(id);
    this._empty();
  }
}

class VideoItem {
  constructor(video, fresh, list) {
    this.list = list;
    this.fresh = fresh;
    this.picture = make("div", {className: "frame"}, make("p", {}, "not made yet"));
    this.words = make("p", {className: "words"}, video.prompt ?? "");
    this.bar = make("progress", {max: 100, value: 0, "aria-label": "Progress of the video"});
    this.state = make("span", {className: "hint"});
    this.more = make("details", {}, make("summary", {}, "How it was made"));
    this.play = make("button", {type: "button", onclick: () => this._guard(() => this._play(true))}, "Play");
    this.again = make("button", {type: "button", onclick: () => list.remix(this.video)}, "Remix");
    const remove = make("button", {type: "button", onclick: () => this._guard(() => this._remove())}, "Delete");
    this.place = make("li", {}, this.picture, this.words, this.bar, this.state, this.more,
      make("div", {className: "line"}, this.play, this.again, remove));
    this.place.dataset.id = video.id;
    this._take(video);
  }

  async _guard(action) {
    try {
      await action();
    } catch (problem) {
      this.list.failed(problem);
    }
  }

  _take(video, after = 1000) {
    this.video = video;
    const open = video.status === "queued" || video.status === "in_progress";
    this.place.dataset.status = video.status;
    this.bar.hidden = !open;
    this.bar.value = video.progress;
    this.play.hidden = video.status !== "completed";
    const about = `${video.size}, ${seconds(Number(video.seconds))}`;
    this.state.textContent = video.error ? `${WORDS.failed}: ${video.error.message}`
      : open ? `${WORDS[video.status]}, ${video.progress} %` : about;
    const accounts = video.evocache?.pictures ?? [];
    this.more.hidden = !accounts.length;
    this.more.replaceChildren(this.more.firstChild,
      ...accounts.map((account) => accountOf({title: "", account})));
    if (open) {
      setTimeout(() => this._look(), after);
      return;
    }
    if (this.fresh) this.list.said(video.status === "completed" ? "The video is done." : "The video failed.");
    if (video.status === "completed") this._guard(() => (this.fresh && !still.matches ? this._play(false) : this._still()));
    else this.picture.replaceChildren(make("p", {}, "no video"));
  }

  async _look() {
    if (!this.place.isConnected) return;
    try {
      const answer = await ask(`/v1/videos/${encodeURIComponent(this.video.id)}`);
      this._take(await answer.json(), Number(answer.headers.get("openai-poll-after-ms") ?? 1000));
    } catch (problem) {
      if (problem.status === 404) this.list.gone(this.video.id);
      else setTimeout(() => this._look(), 1000 * (problem.wait ?? 3));
    }
  }

  async _content(variant) {
    const answer = await ask(`/v1/videos/${encodeURIComponent(this.video.id)}/content?variant=${variant}`);
    const blob = await answer.blob();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(blob);
    return blob.type;
  }

  async _still() {
    await this._content("thumbnail");
    this._put(make("img", {alt: `First frame: ${this.video.prompt ?? ""}`, src: this.url}));
  }

  async _play(asked) {
    const film = (await this._content("video")).startsWith("video/");
    const properties = {src: this.url, controls: true, loop: true, muted: true, playsInline: true};
    this._put(film ? make("video", {...properties, "aria-label": this.video.prompt ?? ""})
      : make("img", {alt: this.video.prompt ?? "", src: this.url}));
    if (film) await this.picture.firstChild.play().catch(() => {});
    this.play.hidden = true;
    if (asked) this.picture.scrollIntoView({block: "nearest"});
  }

  _put(shown) {
    const width = Number(this.video.size.split("x")[0]);
    shown.classList.toggle("small", width > 0 && width <= 192);
    this.picture.replaceChildren(shown);
  }

  async _remove() {
    await ask(`/v1/videos/${encodeURIComponent(this.video.id)}`, {method: "DELETE"});
    if (this.url) URL.revokeObjectURL(this.url);
    this.list.gone(this.video.id);
  }
}
