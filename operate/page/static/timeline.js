// What happened to a run, the latest first: states, imports, waits, rejections, and what operators did.

import { h, shape } from "./dom.js";
import { clock, date, number, plural, span, when } from "./format.js";
import { copied } from "./run.js";
import { act } from "./rejected.js";
import { MAPS } from "./words.js";

const SHAPES = { state: "running", import: "done", rejected: "attention", operator: "person", wait: "waiting" };
const FINAL = { completed: "done", "written back": "done", "needs attention": "attention", failed: "failed", refused: "attention", rejected: "rejected", waits: "waiting" };

export function entries(timeline) {
  const items = [...timeline].reverse().map((entry, place) => item(entry, timeline.length - place));
  return h("ol", { class: "timeline", reversed: true }, items);
}

function item(entry, place) {
  return h(
    "li",
    { "data-key": `${entry.at} ${place}` },
    h("time", { datetime: entry.at, title: date(entry.at) }, when(entry.at)),
    shape(FINAL[entry.what] ?? SHAPES[entry.kind] ?? "running"),
    h("div", {}, content(entry)),
  );
}

function content(entry) {
  if (entry.kind === "import") return imported(entry);
  if (entry.kind === "wait") return waited(entry);
  if (entry.kind === "rejected") return [h("strong", {}, `${MAPS[entry.map] ?? entry.map}: ${plural(entry.rows, "row")} rejected`), text(entry)];
  if (entry.kind === "operator") return [h("strong", {}, `${plural(entry.rows, "row")}: ${entry.what}`), ` by ${entry.by}`, text(entry)];
  return [h("strong", {}, entry.what), text(entry)];
}

const text = (entry) => (entry.text ? h("span", { class: "small" }, ` ${entry.text}`) : null);

function imported(entry) {
  const lasted = entry.landedAt ? `, ${span((new Date(entry.at) - new Date(entry.landedAt)) / 1000)} after it was read` : "";
  const rejected = entry.rejected ? `, ${number(entry.rejected)} of them rejected` : "";
  return [
    h("strong", {}, `${MAPS[entry.map] ?? entry.map} imported`),
    ` ${plural(entry.rows, "row")} in ${plural(entry.parts, "part")}${rejected}${lasted} `,
    h("span", { class: "small execution" }, copied(entry.executionId), act("financePage", { executionId: entry.executionId }, "In Finance …", "plain")),
  ];
}

function waited(entry) {
  const times = entry.times > 1 ? `, ${number(entry.times)} times in a row` : "";
  const seconds = Math.round((new Date(entry.until) - new Date(entry.at)) / 1000);
  return [h("strong", {}, `${entry.what} until ${clock(entry.until)}`), ` by ${entry.service}: ${number(seconds)} s${times}`, text(entry)];
}
