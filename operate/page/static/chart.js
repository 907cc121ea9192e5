// Two small charts of the last day, in quarters of an hour: rows per minute and imports per minute.

import { h } from "./dom.js";
import { clock, number, plural } from "./format.js";

const SLOTS = 96;
const WIDTH = 960;
const HEIGHT = 90;
const QUARTER = 15 * 60_000;

export function charts(slots) {
  const first = Math.floor(Date.now() / QUARTER) * QUARTER - (SLOTS - 1) * QUARTER;
  const day = Array.from({ length: SLOTS }, (_, place) => ({ at: first + place * QUARTER, imports: 0, rows: 0, rejected: 0 }));
  for (const slot of slots) {
    const standing = day[Math.round((new Date(slot.at) - first) / QUARTER)];
    if (standing) for (const name of ["imports", "rows", "rejected"]) standing[name] += slot[name];
  }
  return [chart("Rows per minute", day, (slot) => slot.rows / 15, (slot) => slot.rejected / 15), chart("Imports per minute", day, (slot) => slot.imports / 15, () => 0), table(day)];
}

function chart(title, day, measure, refuse) {
  const largest = Math.max(...day.map((slot) => measure(slot) + refuse(slot)));
  const scale = largest || 1;
  const label = largest ? `${title} over the last day: at most ${short(largest)}, now ${short(measure(day.at(-1)))}` : `${title} over the last day: nothing was imported`;
  const step = WIDTH / SLOTS;
  const bars = day.flatMap((slot, place) => {
    const taken = (measure(slot) / scale) * HEIGHT;
    const refused = (refuse(slot) / scale) * HEIGHT;
    const at = { x: place * step + 1, width: step - 2 };
    return [
      taken ? h("rect", { ...at, class: "taken", y: HEIGHT - Math.max(2, taken), height: Math.max(2, taken) }) : null,
      refused ? h("rect", { ...at, class: "refused", y: HEIGHT - taken - Math.max(3, refused), height: Math.max(3, refused) }) : null,
    ];
  });
  const hours = [0, 24, 48, 72, 95].map((place) => h("span", {}, clock(day[place].at).replace(/:\d\d(?=\D*$)/, "")));
  return h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, title, h("span", { class: "quiet" }, largest ? ` at most ${short(largest)}` : " none")),
    h("svg", { role: "img", "aria-label": label, viewBox: `0 0 ${WIDTH} ${HEIGHT + 2}`, preserveAspectRatio: "none" }, h("line", { class: "floor", x1: 0, x2: WIDTH, y1: HEIGHT + 1, y2: HEIGHT + 1 }), bars),
    h("div", { class: "hours small", "aria-hidden": "true" }, hours),
  );
}

const short = (value) => new Intl.NumberFormat(undefined, { maximumSignificantDigits: 2 }).format(value);

function table(day) {
  const rows = day.filter((slot) => slot.imports).reverse();
  const body = rows.map((slot) => h("tr", {}, h("th", { scope: "row" }, clock(slot.at)), [slot.imports, slot.rows, slot.rejected].map((count) => h("td", { class: "count" }, number(count)))));
  const heads = [["From"], ["Imports", "count"], ["Rows taken", "count"], ["Rows rejected", "count"]].map(([name, kind]) => h("th", { scope: "col", class: kind }, name));
  return h("details", {}, h("summary", {}, `The figures of ${plural(rows.length, "quarter")} of an hour`), h("table", { class: "narrow" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, body)));
}
