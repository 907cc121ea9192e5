// Out of sync: actuals that are missing in Finance, unposted there, or posted and not written back, of any invoice or
// they belong to. A search asks both services, so it starts on request only and does not repeat.

import { get, post } from "./api.js";
import { propose } from "./dialog.js";
import { h, template } from "./dom.js";
import { amounts, number, plural, when } from "./format.js";
import { act } from "./rejected.js";

export const title = () => "Out of sync";
export const seconds = 2;
const DAYS = { "1d": 1, "7d": 7, "31d": 31, "92d": 92 };
const KINDS = ["missing", "not written back"];

export async function load(_path, query) {
  return query.get("job") ? get(`out-of-sync/${encodeURIComponent(query.get("job"))}`) : null;
}

export function render(found, _path, query) {
  const form = template("strays").firstElementChild;
  form.dataset.keep = "";
  form.elements.period.value = query.get("period") ?? "31d";
  form.elements.grace.value = query.get("grace") ?? "1";
  const period = sinceOf(form.elements.period.value);
  return [h("h1", {}, "Out of sync"), form, found ? report(found, query) : null, h("h2", {}, "Confirmed invoices, row by row"), h("p", { class: "buttons" }, act("reconcilePeriod", { since: period }, "Reconcile all confirmed in this period …"))];
}

const sinceOf = (period) => new Date(Date.now() - (DAYS[period] ?? 31) * 86400_000).toISOString().replace(/\.\d+/, "");

export async function look(form) {
  const values = { period: form.elements.period.value, grace: form.elements.grace.value };
  const { id } = await post("out-of-sync", { since: sinceOf(values.period), graceHours: Number(values.grace), sync: [] });
  return `#/out-of-sync?${new URLSearchParams({ ...values, job: id })}`;
}

function report(found, query) {
  const running = !["done", "failed"].includes(found.state);
  const state = running ? `Looking: ${plural(found.examined, "actual")} examined so far …` : `${plural(found.examined, "actual")} examined, ${number(found.rows)} out of sync.${found.detail ? ` ${found.detail}` : ""}`;
  const wanting = found.groups.filter((each) => KINDS.includes(each.kind)).reduce((sum, each) => sum + each.rows, 0);
  const values = { since: found.since, until: found.until, graceHours: Number(query.get("grace") ?? 1), rows: wanting };
  return h(
    "section",
    { "aria-label": "What was found" },
    h("p", { role: "status" }, state),
    found.groups.length ? table(found.groups) : null,
    !running && wanting ? h("p", { class: "buttons" }, act("syncStrays", values, `Send or write back ${plural(wanting, "actual")} …`, "primary")) : null,
    found.sync ? h("p", {}, `Asked for: ${found.sync.kinds.join(", ")}; ${number(found.sync.writtenBack)} written back so far, ${number(found.sync.refusals)} refused.`) : null,
  );
}

function table(groups) {
  const heads = [["What"], ["Project"], ["Invoice"], ["Rows", "count"], ["Amount", "count"], ["Oldest"]].map(([name, kind]) => h("th", { scope: "col", class: kind }, name));
  const rows = groups.map((each) =>
    h(
      "tr",
      { "data-key": `${each.kind} ${each.project} ${each.invoiceId}` },
      h("th", { scope: "row" }, each.kind),
      h("td", {}, each.project || "–"),
      h("td", {}, each.invoiceId ? h("a", { href: `#/runs/${each.invoiceId}` }, each.invoiceNumber || each.invoiceId) : "–"),
      h("td", { class: "count" }, number(each.rows)),
      h("td", { class: "count" }, amounts(each.amounts)),
      h("td", {}, when(each.oldest)),
    ),
  );
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Groups" }, h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows)));
}

export function syncStrays({ rows, ...period }) {
  propose({
    title: "Bring in sync",
    describe: () => h("p", {}, `The period is searched once more. Actuals that are then missing in Finance are sent, and posted ones are written back to Dataverse: ${plural(rows, "actual")} as of this search. Unposted ones are left to Finance.`),
    button: () => `Bring ${plural(rows, "actual")} in sync`,
    act: () => post("out-of-sync", { ...period, sync: KINDS }),
    report: ({ id }) => {
      location.hash = `#/out-of-sync?${new URLSearchParams({ grace: period.graceHours, job: id })}`;
      return h("p", {}, "Started. The screen behind this dialog shows what was found and done.");
    },
  });
}
