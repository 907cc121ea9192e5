// Health: problems first, then the facts behind them: queues, lanes, gates, pauses, the last sweep, the last day.

import { get } from "./api.js";
import { charts } from "./chart.js";
import { h, shape } from "./dom.js";
import { age, date, number, plural, span, when } from "./format.js";
import { act } from "./rejected.js";
import { describeWait, MAPS } from "./words.js";

export const title = () => "Health";
export const seconds = 10;
export const load = () => get("health");

export function render(health) {
  return [
    h("h1", {}, "Health"),
    verdict(health),
    h("section", {}, h("h2", {}, "The last day"), h("div", { class: "card" }, charts(health.throughput))),
    h("div", { class: "columns even" }, h("section", {}, h("h2", {}, "Queues"), queues(health)), h("section", {}, h("h2", {}, "Pauses"), pauses(health), h("h2", {}, "Sweep"), sweep(health))),
    h("section", {}, h("h2", {}, "Imports under way"), lanes(health)),
    h("p", { class: "small" }, `App ${health.app}; maps ${Object.entries(health.maps).map(([name, version]) => `${MAPS[name] ?? name} ${version}`).join(", ")}`),
  ];
}

function verdict(health) {
  if (health.healthy) return h("div", { class: "card verdict done" }, h("p", {}, h("span", { class: "standing done" }, shape("done"), "healthy")), oldest(health));
  return h(
    "div",
    { class: "card verdict attention" },
    h("p", {}, h("span", { class: "standing attention" }, shape("attention"), `${plural(health.problems.length, "thing")} to look at`)),
    h("ul", {}, health.problems.map((problem) => h("li", {}, problem))),
    oldest(health),
  );
}

function oldest(health) {
  const run = health.oldestUnfinishedRun;
  if (!run) return h("p", { class: "quiet" }, "No run is under way.");
  return h("p", { class: "quiet" }, "Oldest run under way: ", h("a", { href: `#/runs/${run.invoiceId}` }, run.invoiceNumber || run.invoiceId), `, ${run.state}, ${span(run.ageSeconds)}`);
}

function queues(health) {
  const poison = new Map(health.poison.map((queue) => [queue.name.replace(/-poison$/, ""), queue.count]));
  const rows = health.queues.map((queue) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, queue.name),
      h("td", { class: "count" }, queue.depth == null ? "?" : number(queue.depth)),
      h("td", { class: "count" }, queue.oldestSeconds == null ? "–" : span(queue.oldestSeconds)),
      h("td", { class: "count" }, poison.get(queue.name) ? h("span", { class: "standing attention" }, shape("attention"), number(poison.get(queue.name))) : "0"),
    ),
  );
  return table(["Queue", "Messages", "Oldest", "Poison"], rows, "Queues");
}

function lanes(health) {
  const gates = health.gates.map((gate) => h("p", {}, h("span", { class: "standing wait" }, shape("waiting"), describeWait(gate))));
  if (!health.lanes.length) return [gates, h("p", { class: "card quiet" }, "None. All lanes are free.")];
  const rows = health.lanes.map((lane) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, `${MAPS[lane.map] ?? lane.map} ${number(lane.lane)}`),
      h("td", {}, lane.step),
      h("td", { class: "count" }, number(lane.rows)),
      h("td", { class: "count" }, number(lane.looks)),
      h("td", { class: "mono" }, lane.executionId),
      h("td", {}, act("financePage", { executionId: lane.executionId }, "In Finance …", "plain")),
    ),
  );
  return [gates, table(["Lane", "Step", "Rows", "Looks", "Execution", "Finance"], rows, "Imports under way")];
}

function pauses(health) {
  const standing = health.paused.map((pause) =>
    h(
      "li",
      { "data-key": pause.map ?? "all" },
      h("span", { class: "standing wait" }, shape("paused"), pause.map ? MAPS[pause.map] : "Everything"),
      ` by ${pause.by}, ${when(pause.at)}: ${pause.reason} `,
      act("resume", { map: pause.map }, "Resume …"),
    ),
  );
  const choices = [[null, "everything"], ...Object.keys(health.maps).map((map) => [map, MAPS[map] ?? map])];
  return h(
    "div",
    { class: "card" },
    standing.length ? h("ul", { class: "plain-list" }, standing) : h("p", { class: "quiet" }, "Nothing is paused."),
    h("p", { class: "buttons" }, choices.map(([map, text]) => act("pause", { map }, `Pause ${text} …`))),
  );
}

function sweep(health) {
  const last = health.lastSweep;
  const text = last ? `Last ${age(last.at)} ago (${date(last.at)}): ${plural(last.started, "run")} started, ${number(last.revived)} put to work again.` : "None yet.";
  return h("div", { class: "card" }, h("p", {}, text), h("p", { class: "buttons" }, act("sweep", {}, "Sweep now …")));
}

function table(heads, rows, caption) {
  const first = heads.map((name) => h("th", { scope: "col", class: ["Messages", "Oldest", "Poison", "Rows", "Looks"].includes(name) ? "count" : "" }, name));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, h("table", {}, h("thead", {}, h("tr", {}, first)), h("tbody", {}, rows)));
}
