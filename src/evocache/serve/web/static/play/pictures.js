// Pictures on the stage: one, or two side by side, and the difference of the two.

import {byId, decibels, make} from "../common/dom.js";

const SMALL = 192;
const STRONGER = 4;

export class Pictures {
  constructor() {
    this.place = byId("pictures");
    this.button = byId("difference");
    this.urls = [];
    this.button.addEventListener("click", () => this._toggle());
    this.clear("connecting …");
  }

  clear(text) {
    this._release();
    this.place.className = "";
    this.place.replaceChildren(make("figure", {}, make("div", {className: "frame"}, make("p", {}, text))));
    byId("compare").hidden = true;
  }

  // Frames for so many pictures, each with the title under it.
  begin(titles) {
    this._release();
    this.place.className = titles.length > 1 ? "two" : "";
    this.frames = titles.map((title) => {
      const frame = make("div", {className: "frame"}, make("p", {}, "waiting …"));
      const caption = make("figcaption", {}, title);
      this.place.append(make("figure", {}, frame, caption));
      return {frame, caption, title};
    });
    byId("compare").hidden = true;
  }

  // Put a picture into a frame; resolves when it is there.
  async put(at, blob, {partial = false, caption = null, prompt = ""} = {}) {
    const {frame, title} = this.frames[at], url = URL.createObjectURL(blob), caption_ = this.frames[at].caption;
    this.urls.push(url);
    const image = make("img", {alt: partial ? `Preview, ${title}` : `${title}: ${prompt}`});
    image.src = url;
    try {
      await image.decode();
    } catch {
      return; // it was replaced meanwhile
    }
    if (!frame.isConnected || (partial && frame.dataset.done)) return;
    if (!partial) frame.dataset.done = "true";
    image.classList.toggle("small", !partial && image.naturalWidth <= SMALL);
    image.classList.toggle("partial", partial);
    frame.replaceChildren(image);
    if (caption) caption_.textContent = caption;
  }

  // Offer the difference of two pictures that are there, with how far they are apart.
  compare() {
    const images = this.frames.map(({frame}) => frame.querySelector("img"));
    if (images.length !== 2 || images.some((image) => !image) || !sameSize(...images)) return;
    const {canvas, quality} = difference(...images);
    this.pair = {image: images[0], canvas};
    this.button.setAttribute("aria-pressed", "false");
    byId("measured").textContent = quality === Infinity ? "Measured: equal to the bit."
      : `Measured: ${decibels(quality)} to uncached.`;
    byId("compare").hidden = false;
  }

  _toggle() {
    const {frame, caption, title} = this.frames[0], show = this.button.getAttribute("aria-pressed") !== "true";
    this.button.setAttribute("aria-pressed", String(show));
    caption.dataset.plain ??= caption.textContent;
    caption.textContent = show ? `Difference to uncached, ${STRONGER} times as strong; grey is none` : caption.dataset.plain;
    this.pair.canvas.setAttribute("aria-label", `Difference of ${title} to uncached`);
    frame.replaceChildren(show ? this.pair.canvas : this.pair.image);
  }

  _release() {
    for (const url of this.urls) URL.revokeObjectURL(url);
    this.urls = [];
    this.frames = [];
    this.place.replaceChildren();
  }
}

const sameSize = (one, other) => one.naturalWidth === other.naturalWidth && one.naturalHeight === other.naturalHeight;

function pixelsOf(image) {
  const canvas = make("canvas", {width: image.naturalWidth, height: image.naturalHeight});
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

// The difference of two pictures around grey, and its PSNR in dB.
export function difference(one, other) {
  const [first, second] = [pixelsOf(one), pixelsOf(other)], canvas = make("canvas", {width: first.width, height: first.height});
  canvas.setAttribute("role", "img");
  canvas.className = first.width <= SMALL ? "small" : "";
  const shown = new ImageData(first.width, first.height);
  let squares = 0;
  for (let at = 0; at < first.data.length; at += 1) {
    const gap = first.data[at] - second.data[at];
    shown.data[at] = at % 4 === 3 ? 255 : 128 + STRONGER * gap;
    if (at % 4 !== 3) squares += gap * gap;
  }
  canvas.getContext("2d").putImageData(shown, 0, 0);
  const mean = squares / (first.width * first.height * 3);
  return {canvas, quality: 10 * Math.log10(255 ** 2 / mean)};
}
