// The operator's endpoints. The key lives in this tab's session storage and goes into a header, nowhere else.

const KEY = "operator-key";
const NAME = "operator-name";

export class NotAllowed extends Error {}

export const session = {
  signIn: "key",
  get key() { return sessionStorage.getItem(KEY) ?? ""; },
  get name() { return sessionStorage.getItem(NAME) ?? ""; },
  keep(name, key) {
    sessionStorage.setItem(NAME, name);
    sessionStorage.setItem(KEY, key);
  },
  forget() {
    sessionStorage.removeItem(NAME);
    sessionStorage.removeItem(KEY);
  },
};

export async function get(path, query = {}) {
  const text = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one) text.append(name, one);
  }
  return call(text.size ? `${path}?${text}` : path, {});
}

// Every change says who makes it; with App Service authentication the app knows better and overwrites the name.
export async function post(path, body) {
  const content = JSON.stringify({ ...body, by: session.name || "page" });
  return call(path, { method: "POST", headers: { "content-type": "application/json" }, body: content });
}

async function call(path, options) {
  const headers = { accept: "application/json", ...options.headers };
  if (session.key) headers["x-functions-key"] = session.key;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, redirect: "error", cache: "no-store" });
  } catch {
    throw new Error("The app cannot be reached. What you see dates from the time shown above. The page keeps trying.");
  }
  const document = await answer.json().catch(() => null);
  if (answer.ok && document) return document;
  const text = document?.error?.message;
  if (answer.status === 401) throw new NotAllowed(text ?? "The key was refused.");
  if (answer.status === 403) throw new NotAllowed(text ?? "You are not allowed to do that.");
  throw Object.assign(new Error(text ?? `The app answered ${answer.status}.`), { status: answer.status });
}
