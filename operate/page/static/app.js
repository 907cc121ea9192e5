// The page: who is here, which screen the address names, and refreshing it while the tab is visible.

import { get, NotAllowed, session } from "./api.js";
import { h, morphChildren, template } from "./dom.js";
import { clock } from "./format.js";
import { ACTIONS } from "./actions.js";
import { whenDone } from "./dialog.js";
import * as errors from "./errors.js";
import * as health from "./health.js";
import { opened } from "./rejected.js";
import * as run from "./run.js";
import * as runs from "./runs.js";
import * as setup from "./setup.js";
import * as strays from "./strays.js";
import { learnMaps } from "./words.js";

const SCREENS = { runs, errors, health, setup, "out-of-sync": strays };
const DEEDS = { ...ACTIONS, syncStrays: strays.syncStrays };
const main = document.getElementById("main");
const parts = Object.fromEntries(["screens", "clock", "refresh", "stop", "leave", "theme", "trouble", "news"].map((id) => [id, document.getElementById(id)]));
const view = { screen: null, path: [], query: new URLSearchParams(), shown: null, turn: 0, timer: 0, still: false };

export function tell(text) {
  parts.news.textContent = text;
}

export async function refresh({ aloud = false } = {}) {
  clearTimeout(view.timer);
  const turn = ++view.turn;
  try {
    const data = await view.screen.load(view.path, view.query);
    if (turn !== view.turn) return;
    show(data);
    if (aloud) tell(`Updated ${clock(Date.now())}`);
  } catch (error) {
    if (turn !== view.turn) return;
    if (error instanceof NotAllowed) return enter(error.message);
    complain(error.message);
  }
  plan();
}

function show(data) {
  complain("");
  const fresh = h("main", {}, view.screen.render(data, view.path, view.query));
  const [screen, address] = [view.path.join("/"), location.hash];
  if (view.shown?.screen !== screen) {
    main.replaceChildren(...fresh.childNodes);
    // After a link, focus moves to the new content for screen readers. A newly opened page starts at its top.
    if (view.shown) main.focus();
  } else {
    morphChildren(main, fresh);
    if (view.shown.address !== address) view.screen.follow?.(view.query);
  }
  view.shown = { screen, address };
  main.dataset.screen = screen;
  parts.clock.textContent = `Updated ${clock(Date.now())}`;
  document.title = `${view.screen.title(data)} – Invoice relay`;
}

function plan() {
  clearTimeout(view.timer);
  if (view.screen?.seconds && !view.still && !document.hidden) view.timer = setTimeout(refresh, view.screen.seconds * 1000);
}

function complain(text) {
  parts.trouble.textContent = text;
  parts.trouble.hidden = !text;
}

function go() {
  const [path, query] = location.hash.slice(2).split("?");
  view.path = (path || "runs").split("/").map(decodeURIComponent);
  view.query = new URLSearchParams(query);
  const name = view.path[0] in SCREENS ? view.path[0] : "runs";
  view.screen = name === "runs" && view.path[1] ? run : SCREENS[name];
  for (const link of parts.screens.children) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  return refresh();
}

function enter(text = "") {
  clearTimeout(view.timer);
  session.forget();
  view.shown = { screen: "sign-in" };
  for (const part of [parts.screens, parts.refresh, parts.stop, parts.leave]) part.hidden = true;
  main.replaceChildren(template(session.signIn === "key" ? "sign-in-by-key" : "sign-in-by-platform"));
  const refused = document.getElementById("sign-in-refused");
  refused.textContent = text;
  refused.hidden = !text;
  parts.clock.textContent = "";
  main.querySelector("input, a")?.focus();
}

// The target of a button. A button for chosen rows adds the keys of the ticked rows.
function wanted(button) {
  const values = JSON.parse(button.dataset.values);
  if (button.dataset.chosen === undefined) return values;
  const ticked = button.closest("details").querySelectorAll("[data-row]:checked");
  return { ...values, keys: [...ticked].map((box) => box.dataset.row) };
}

function heard(event) {
  const group = event.target.dataset?.group;
  if (!group || event.target.open === opened.has(group)) return;
  if (event.target.open) opened.add(group);
  else opened.delete(group);
  refresh();
}

async function start() {
  const known = await get("sign-in");
  session.signIn = known.signIn;
  learnMaps(known.maps);
  if (session.signIn === "key" && !session.key) return enter();
  try {
    await get("operator");
  } catch (error) {
    return enter(error.message);
  }
  for (const part of [parts.screens, parts.refresh, parts.stop]) part.hidden = false;
  parts.leave.hidden = session.signIn !== "key";
  return go();
}

main.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  if (form.id === "sign-in") {
    session.keep(form.elements.name.value.trim(), form.elements.key.value.trim());
    start();
  } else if (form.id === "runs-filter") {
    location.hash = runs.filtered(form);
  } else if (form.id === "strays-filter") {
    strays.look(form).then((address) => (location.hash = address)).catch((error) => complain(error.message));
  } else if (form.id === "doctor-run") {
    setup.run().then((address) => (location.hash = address)).catch((error) => complain(error.message));
  }
});
main.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act], [data-copy]");
  if (button?.dataset.copy) navigator.clipboard.writeText(button.dataset.copy).then(() => tell("Copied"));
  else if (button) DEEDS[button.dataset.act](wanted(button));
});
// `toggle` does not bubble, so the listener is called in the capture phase.
main.addEventListener("toggle", heard, true);
main.addEventListener("change", (event) => {
  if (event.target.form?.id === "runs-filter" && event.target.name !== "search") location.hash = runs.filtered(event.target.form);
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
parts.refresh.addEventListener("click", () => refresh({ aloud: true }));
parts.stop.addEventListener("click", () => {
  view.still = !view.still;
  parts.stop.setAttribute("aria-pressed", String(view.still));
  tell(view.still ? "Automatic updates are off." : "Automatic updates are on.");
  plan();
});
parts.leave.addEventListener("click", () => enter());
parts.theme.value = document.documentElement.dataset.theme;
parts.theme.addEventListener("change", () => {
  localStorage.setItem("theme", parts.theme.value);
  document.documentElement.dataset.theme = parts.theme.value;
});
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(view.timer) : view.screen && !view.still && refresh()));
window.addEventListener("hashchange", go);
whenDone(() => refresh());
start().catch((error) => complain(error.message));
