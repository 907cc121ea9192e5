// Runs, newest first: one page of the list, and the filters from the address.

import { get } from "./api.js";
import { bar, progressWords } from "./bar.js";
import { h, shape, template } from "./dom.js";
import { age, date, number } from "./format.js";
import { isFinal, nameOf, OPEN, reason, sold, standing, STOPPED } from "./words.js";

const HOURS = { "1h": 1, "1d": 24, "7d": 168, "31d": 744 };
const STATES = { open: OPEN, stopped: STOPPED, completed: ["completed"], rejected: ["rejected"] };
const COLUMNS = [["State"], ["Invoice"], ["Customer", "wide"], ["Project", "wide"], ["Company", "wide"], ["Lines", "count"], ["Amount", "count"], ["Progress", "progress"], ["Age", "count"]];
const TOP = 50;

export const title = () => "Runs";
export const seconds = 5;

export async function load(_path, query) {
  const hours = HOURS[query.get("period")];
  const since = hours ? new Date(Date.now() - hours * 3600_000).toISOString() : "";
  return get("runs", { search: query.get("search"), state: STATES[query.get("show")] ?? [], since, top: TOP, continuation: query.get("after") });
}

export function render(found, _path, query) {
  return [h("h1", {}, "Runs"), filters(query), found.runs.length ? table(found.runs) : nothing(query, found), pager(found, query)];
}

function filters(query) {
  const form = template("filters").firstElementChild;
  form.dataset.keep = "";
  for (const name of ["search", "show", "period"]) form.elements[name].value = query.get(name) ?? "";
  return form;
}

function nothing(query, found) {
  const filtered = ["search", "show", "period"].some((name) => query.get(name));
  const text = found.continuation ? "None on this page. There are older runs." : filtered ? "No run matches." : "No invoice has been confirmed yet.";
  return h("p", { class: "card quiet" }, text);
}

function table(runs) {
  const heads = COLUMNS.map(([name, kind]) => h("th", { scope: "col", class: kind }, name));
  return h(
    "div",
    { class: "scroll" },
    h("table", { class: "runs" }, h("caption", { class: "unseen" }, "Runs, newest first"), h("thead", {}, h("tr", {}, heads)), h("tbody", {}, runs.flatMap(rows))),
  );
}

function rows(run) {
  const state = standing(run);
  const tells = state.tone === "attention" || state.tone === "wait" || (run.detail && !isFinal(run)) || run.state === "rejected";
  const key = run.invoiceId;
  return [
    h(
      "tr",
      { "data-key": key, class: `${state.tone}${tells ? " explained" : ""}` },
      h("td", { class: "state" }, stateCell(state)),
      h("th", { scope: "row" }, h("a", { href: `#/runs/${run.invoiceId}`, "data-run": run.invoiceId }, nameOf(run))),
      h("td", { class: "wide cut", title: run.customer }, run.customer || "–"),
      h("td", { class: "wide cut", title: run.project }, run.project || "–"),
      h("td", { class: "wide" }, run.company || "–"),
      h("td", { class: "count" }, number(run.rows)),
      h("td", { class: "count" }, sold(run)),
      h("td", { class: "progress" }, bar(run), h("span", { class: "small" }, progressWords(run))),
      h("td", { class: "count", title: `accepted ${date(run.acceptedAt)}` }, age(run.acceptedAt)),
    ),
    tells ? h("tr", { "data-key": `${key} why`, class: `why ${state.tone}` }, h("td", {}), h("td", { colspan: COLUMNS.length - 1 }, reason(run))) : null,
  ];
}

export function stateCell(state) {
  return h("span", { class: `standing ${state.tone}` }, shape(state.shape), h("span", {}, state.word, state.also ? h("span", { class: "small" }, ` ${state.also}`) : null));
}

function pager(found, query) {
  const older = new URLSearchParams(query);
  older.set("after", found.continuation ?? "");
  const newest = new URLSearchParams(query);
  newest.delete("after");
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages of runs" },
    query.get("after") ? h("a", { class: "button", href: `#/runs?${newest}` }, "Newest") : null,
    found.continuation ? h("a", { class: "button", href: `#/runs?${older}` }, "Older") : h("span", { class: "quiet" }, "These are all."),
  );
}

// After going back or forward, the filters must match the address.
export function follow(query) {
  const form = document.getElementById("runs-filter");
  for (const name of ["search", "show", "period"]) form.elements[name].value = query.get(name) ?? "";
}

export function filtered(form) {
  const values = [...new FormData(form)].filter(([, value]) => value);
  return `#/runs?${new URLSearchParams(values)}`;
}
