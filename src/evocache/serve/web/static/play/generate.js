// One picture, as a stream: progress and previews on the way, the picture and its account at the end.

import {ask, events, Problem} from "../common/api.js";
import {bodyOf, fieldsOf} from "./settings.js";

const STEP = /^picture \d+ step (\d+)\/(\d+)$/;
const PREVIEWS = 3;

export function blobOf(base64, type) {
  const text = atob(base64), content = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) content[at] = text.charCodeAt(at);
  return new Blob([content], {type});
}

// `told` takes {step, steps} and {preview: Blob}; returns {blob, account, took} with `took` in seconds as seen from here.
export async function generate(asked, signal, told) {
  const began = performance.now();
  for await (const {comment, data} of events(await begin(asked, signal))) {
    const step = STEP.exec(comment ?? "");
    if (step) told({step: Number(step[1]), steps: Number(step[2])});
    if (data?.type?.endsWith(".partial_image")) told({preview: blobOf(data.b64_json, "image/png")});
    if (data?.type?.endsWith(".completed")) {
      const blob = blobOf(data.b64_json, `image/${data.output_format}`);
      return {blob, account: data.evocache?.pictures?.[0] ?? {}, took: (performance.now() - began) / 1000};
    }
  }
  throw new Problem("The connection to the server was lost before the picture came.");
}

function begin(asked, signal) {
  const streamed = {stream: true, partial_images: PREVIEWS};
  if (!asked.files?.image)
    return ask("/v1/images/generations", {method: "POST", json: {...bodyOf(asked), ...streamed}, signal});
  const form = new FormData();
  for (const [name, value] of [...fieldsOf(asked), ...Object.entries(streamed)]) form.append(name, String(value));
  form.append("image", asked.files.image);
  if (asked.files.mask) form.append("mask", asked.files.mask);
  return ask("/v1/images/edits", {method: "POST", form, signal});
}
