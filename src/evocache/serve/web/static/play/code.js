// What was asked for, as a command and as Python, for those who want it from a program.

import {bodyOf, fieldsOf} from "./settings.js";

const KNOWN = ["model", "prompt", "size", "quality"];

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function commandOf(asked) {
  const path = asked.kind === "video" ? "videos" : "images/generations";
  if (asked.files?.image) {
    const fields = fieldsOf(asked).map(([name, value]) => `-F ${quoted(`${name}=${value}`)}`);
    return `curl ${location.origin}/v1/images/edits -F image=@picture.png ${fields.join(" ")}`;
  }
  return `curl ${location.origin}/v1/${path} -H 'content-type: application/json' -d ${quoted(JSON.stringify(bodyOf(asked)))}`;
}

const python = (value) => (value === true ? "True" : value === false ? "False" : value === null ? "None" : JSON.stringify(value));

export function pythonOf(asked) {
  const all = Object.entries(bodyOf(asked));
  const plain = all.filter(([name, value]) => KNOWN.includes(name) && !(name === "quality" && asked.kind === "video"
    || name === "quality" && typeof value === "number"));
  const extra = all.filter((one) => !plain.includes(one));
  const call = asked.kind === "video" ? "videos.create" : asked.files?.image ? "images.edit" : "images.generate";
  const file = asked.files?.image ? ['image=open("picture.png", "rb")'] : [];
  const fields = [...file, ...plain.map(([name, value]) => `${name}=${python(value)}`),
    `extra_body={${extra.map(([name, value]) => `${JSON.stringify(name)}: ${python(value)}`).join(", ")}}`];
  return [`client = openai.OpenAI(base_url="${location.origin}/v1", api_key="...")`,
    `answer = client.${call}(${fields.join(", ")})`].join("\n");
}
