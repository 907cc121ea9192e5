// One bar for the maps and the write-back: a track each, with what is done, rejected, dismissed and to do.

import { h } from "./dom.js";
import { number } from "./format.js";
import { describeMap, journey, measured } from "./words.js";

const WIDTH = 38;
const GAP = 3;
const HEIGHT = 10;

export function bar(run) {
  const maps = journey(run);
  const label = maps.map(describeMap).join("; ");
  const whole = maps.length * (WIDTH + GAP) - GAP;
  return h("svg", { class: "bar", role: "img", "aria-label": label, viewBox: `0 0 ${whole} ${HEIGHT}`, preserveAspectRatio: "xMinYMid" }, h("title", {}, label), maps.map(track));
}

function track(map, place) {
  const left = place * (WIDTH + GAP);
  const length = (count) => (map.rows ? Math.min(WIDTH, (count / map.rows) * WIDTH) : 0);
  const done = length(map.done);
  // One rejected row among thousands must still be seen.
  const rejected = map.rejected ? Math.max(4, length(map.rejected)) : 0;
  const dismissed = length(map.dismissed);
  return [
    h("rect", { class: "todo", x: left + 0.5, y: 2.5, width: WIDTH - 1, height: HEIGHT - 5 }),
    h("rect", { class: "taken", x: left, y: 2, width: Math.min(done, WIDTH - rejected), height: HEIGHT - 4 }),
    h("rect", { class: "dismissed", x: left + done, y: 2, width: dismissed, height: HEIGHT - 4 }),
    rejected ? h("rect", { class: "refused", x: left + Math.min(done + dismissed, WIDTH - rejected), y: 0, width: rejected, height: HEIGHT }) : null,
  ];
}

// The progress in words: the first map that is not done, or the total.
export function progressWords(run) {
  const maps = journey(run);
  const refused = maps.reduce((sum, map) => sum + (map.rejected ?? 0), 0);
  const current = maps.find((map) => map.done < map.rows && map.map !== "write-back");
  const main = measured(maps);
  const text = current ? `${current.title} ${number(current.done)} of ${number(current.rows)}` : `${number(main?.done)} ${main?.title.toLowerCase()}`;
  return refused ? `${text}, ${number(refused)} rejected` : text;
}
