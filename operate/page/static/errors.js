// Errors across runs: what Finance refuses, grouped by what it says, the largest group first.

import { h } from "./dom.js";
import { group, loadGroups } from "./rejected.js";

export const title = () => "Errors";
export const seconds = 15;
export const load = () => loadGroups();

export function render(groups) {
  const advice = h("p", { class: "quiet" }, "The same error on every row of an invoice points to configuration. On some rows only, it points to their data. Fix the cause first, then send again.");
  return [h("h1", {}, "Errors"), groups.length ? [advice, groups.map((each) => group(each))] : h("p", { class: "card quiet" }, "No rejected rows.")];
}
