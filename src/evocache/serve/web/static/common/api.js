// Requests to the server: the key, errors in one form, and streams of events.

const KEY = "evocache key";

export class Problem extends Error {
  constructor(what, status = 0, {code = null, param = null, wait = null, id = null} = {}) {
    super(what);
    Object.assign(this, {status, code, param, wait, id});
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY)),
};

export async function ask(path, {method = "GET", json, form, signal} = {}) {
  const headers = {};
  if (key.get()) headers.authorization = `Bearer ${key.get()}`;
  if (json !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {method, headers, signal, body: json === undefined ? form : JSON.stringify(json),
      credentials: "omit", cache: "no-store"});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server does not answer. Does it still run?");
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

export const read = async (path, options) => (await ask(path, options)).json();

async function problemOf(answer) {
  let said = {};
  try {
    said = (await answer.json()).error ?? {};
  } catch {
    // no JSON: a proxy answered
  }
  const after = Number.parseFloat(answer.headers.get("retry-after") ?? "");
  return new Problem(said.message ?? `The answer was ${answer.status} ${answer.statusText}.`, answer.status,
    {code: said.code, param: said.param, wait: Number.isFinite(after) ? after : null,
      id: answer.headers.get("x-request-id")});
}

// Lines of a stream, as {comment} or {data}; ends with the stream, or throws what it says went wrong.
export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const {value, done} = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith(":")) yield {comment: line.slice(1).trim()};
        if (!line.startsWith("data:")) continue;
        const text = line.slice(5).trim();
        if (text === "[DONE]") return;
        const data = JSON.parse(text);
        if (data.error) throw new Problem(data.error.message, 200, data.error);
        yield {data};
      }
    }
  } catch (error) {
    if (error instanceof Problem || error.name === "AbortError") throw error;
    throw new Problem("The connection to the server was lost on the way.");
  } finally {
    reader.cancel().catch(() => {});
  }
}
