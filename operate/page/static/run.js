// One run: how it stands and what to do, its maps, the money on both sides, what was rejected, and what happened when.

import { get } from "./api.js";
import { bar } from "./bar.js";
import { h } from "./dom.js";
import { amounts, date, money, number, when } from "./format.js";
import { act, group, loadGroups } from "./rejected.js";
import { stateCell } from "./runs.js";
import { entries } from "./timeline.js";
import { describeMap, isFinal, journey, MAPS, nameOf, reason, sold, standing } from "./words.js";

export const title = ({ run }) => nameOf(run);
export const seconds = 3;

export async function load([, invoiceId]) {
  const id = encodeURIComponent(invoiceId);
  const [run, timeline, groups] = await Promise.all([get(`runs/${id}`), get(`runs/${id}/timeline`), loadGroups(invoiceId)]);
  return { run, timeline: timeline.entries, groups };
}

export function render({ run, timeline, groups }) {
  return [
    h("p", { class: "small" }, h("a", { href: "#/runs" }, "Runs"), " / ", nameOf(run)),
    h("h1", {}, "Invoice ", nameOf(run)),
    h("div", { class: `card verdict ${standing(run).tone}` }, h("p", {}, stateCell(standing(run))), h("p", { class: "why" }, reason(run)), bar(run), h("p", { class: "small" }, journey(run).map(describeMap).join("; ")), actions(run, groups)),
    h("div", { class: "columns" }, facts(run), h("div", {}, maps(run))),
    h("section", {}, accounts(run)),
    groups.length ? h("section", {}, h("h2", {}, "Rejected rows"), groups.map((each) => group(each, run.invoiceId))) : null,
    h("section", {}, h("h2", {}, "What happened"), entries(timeline)),
  ];
}

function actions(run, groups) {
  const rejected = groups.some((each) => each.rows > each.dismissed);
  const chosen = { invoiceId: run.invoiceId };
  const open = run.maps.filter((map) => map.rejected > 0);
  return h(
    "p",
    { class: "buttons" },
    run.state !== "completed" || rejected ? act("replay", chosen, isFinal(run) ? "Replay the run …" : "Put to work again …", rejected ? "primary" : "") : null,
    open.length > 1 ? open.map((map) => act("replay", { ...chosen, map: map.map }, `Replay ${MAPS[map.map]} …`)) : null,
    rejected ? act("dismiss", chosen, "Dismiss all its rows …") : null,
    act("reconcile", chosen, "Reconcile …"),
    run.state === "completed" ? act("writeBack", { ...chosen, name: nameOf(run) }, "Write back now …") : null,
  );
}

function facts(run) {
  const all = {
    Customer: run.customer || "–",
    Project: run.project || "–",
    Company: run.company || "–",
    "Billed sales": `${number(run.rows)} rows, ${sold(run)}`,
    Accepted: date(run.acceptedAt),
    "Last moved": date(run.updatedAt),
    Posted: date(run.postedAt),
    "Written back": date(run.writtenBackAt),
    ...(run.oddDays ? { "Days in question": `${number(run.oddDays)} rows have a date that is not midnight in a known time zone; the nearest midnight was used` } : {}),
  };
  const ids = { "Invoice id": run.invoiceId, "Run id": run.runId };
  return h(
    "dl",
    { class: "card" },
    Object.entries(all).map(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]),
    Object.entries(ids).map(([name, text]) => [h("dt", {}, name), h("dd", {}, copied(text))]),
  );
}

export function copied(text) {
  return h("span", { class: "copied" }, h("code", {}, text), h("button", { type: "button", class: "plain", "data-copy": text, "aria-label": `Copy ${text}` }, "Copy"));
}

function maps(run) {
  const rows = run.maps.map((map) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, MAPS[map.map] ?? map.map),
      h("td", {}, map.state),
      [map.rows, map.done, map.rejected, map.dismissed, Math.max(0, map.rows - map.done - map.rejected - map.dismissed)].map((count) => h("td", { class: "count" }, number(count))),
    ),
  );
  const back = h("tr", {}, h("th", { scope: "row" }, MAPS["write-back"]), h("td", { colspan: 6 }, `${run.posting}${run.postingDetail ? `: ${run.postingDetail}` : ""}`));
  return table("Rows of each map", [["Map"], ["State"], ["Known", "count"], ["In Finance", "count"], ["Rejected", "count"], ["Dismissed", "count"], ["To do", "count"]], [...rows, back]);
}

// Dataverse against Finance in rows and money, per currency.
function accounts(run) {
  const rows = run.accounts.flatMap((account) => {
    const currencies = Object.keys(account.read.amounts);
    return (currencies.length ? currencies : [""]).map((currency, place) => {
      const sums = ["read", "taken", "underWay", "rejected", "dismissed"].map((name) => h("td", { class: "count" }, currency ? money(account[name].amounts[currency] ?? "0", currency) : "–"));
      const counts = `${number(account.taken.rows)} of ${number(account.read.rows)}`;
      return h("tr", {}, h("th", { scope: "row" }, place ? "" : account.what), h("td", { class: "count" }, place ? "" : counts), sums);
    });
  });
  return table("Money on both sides", [["Actuals"], ["Rows", "count"], ["Read in Dataverse", "count"], ["In Finance", "count"], ["Under way", "count"], ["Rejected", "count"], ["Dismissed", "count"]], rows);
}

function table(caption, heads, rows) {
  const head = h("tr", {}, heads.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, h("table", {}, h("caption", {}, caption), h("thead", {}, head), h("tbody", {}, rows)));
}
