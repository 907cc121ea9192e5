// Rejected rows by group, with the rows beneath: what they say, how many say so, and what can be done about them.

import { get } from "./api.js";
import { h } from "./dom.js";
import { date, number, plural, when } from "./format.js";
import { MAPS } from "./words.js";

export const opened = new Set();

// The groups of one invoice or of all, each with its rows where it is opened.
export async function loadGroups(invoiceId) {
  const { groups } = await get("errors", { invoiceId });
  const wanted = groups.filter((group) => opened.has(group.group));
  const rows = await Promise.all(wanted.map((group) => get(`errors/${group.group}`, { invoiceId }).catch(() => null)));
  return groups.map((group) => ({ ...group, found: rows[wanted.indexOf(group)]?.rows }));
}

export function group(each, invoiceId) {
  const selection = { group: each.group, ...(invoiceId ? { invoiceId } : {}) };
  const open = each.rows - each.dismissed;
  return h(
    "section",
    { class: "card group", "data-key": each.group, "aria-labelledby": `group-${each.group}` },
    h(invoiceId ? "h3" : "h2", { id: `group-${each.group}`, class: "pattern" }, each.pattern),
    h("p", { class: "facts" }, `${MAPS[each.map] ?? each.map}, ${each.class}: ${plural(each.rows, "row")} of ${plural(each.invoiceCount, "invoice")}${each.dismissed ? `, ${number(each.dismissed)} dismissed` : ""}, first ${when(each.firstSeen)}, last ${when(each.lastSeen)}`),
    h("p", { class: "hint" }, each.hint),
    invoiceId ? null : h("p", { class: "small" }, `Invoices: ${each.invoices.join(", ")}${each.invoiceCount > each.invoices.length ? " …" : ""}`),
    open ? h("p", { class: "buttons" }, act("replay", selection, "Send again …"), act("dismiss", selection, "Dismiss …")) : null,
    h("details", { "data-group": each.group, open: opened.has(each.group) }, h("summary", {}, `The ${plural(each.rows, "row")}`), each.found ? table(each, selection) : h("p", { class: "quiet" }, "Loading …")),
  );
}

export function act(name, values, text, kind = "") {
  return h("button", { type: "button", class: kind, "data-act": name, "data-values": JSON.stringify(values) }, text);
}

function table(each, selection) {
  const heads = ["Chosen", "Invoice", "Key", "Line", "Tries", "Last seen", "What Finance says"].map((name) => h("th", { scope: "col" }, name));
  return [
    h("p", { class: "buttons" }, chosen("replay", selection, "Send the chosen again …"), chosen("dismiss", selection, "Dismiss the chosen …")),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Rows: ${each.pattern}` }, h("table", { class: "rejected" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, each.found.map(row)))),
  ];
}

const chosen = (name, selection, text) => h("button", { type: "button", "data-act": name, "data-values": JSON.stringify(selection), "data-chosen": true }, text);

function row(each) {
  const name = each.invoiceNumber || each.invoiceId;
  const gone = each.dismissed ? h("div", { class: "small" }, `Dismissed by ${each.dismissed.by}, ${date(each.dismissed.at)}: ${each.dismissed.reason}`) : null;
  return h(
    "tr",
    { "data-key": `${each.invoiceId} ${each.map} ${each.key}` },
    h("td", {}, each.dismissed ? "–" : h("input", { type: "checkbox", "data-row": each.key, "aria-label": `Choose ${each.key}` })),
    h("td", {}, h("a", { href: `#/runs/${each.invoiceId}` }, name)),
    h("td", { class: "mono" }, each.key),
    h("td", {}, each.line || "–"),
    h("td", { class: "count" }, number(each.tries)),
    h("td", {}, each.lastSeen ? when(each.lastSeen) : "–"),
    h("td", {}, each.text, gone),
  );
}
