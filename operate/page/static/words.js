// The words and shapes of states, and for each state its cause and the next step.

import { amounts, clock, number } from "./format.js";

// What people call a map; the app says it of those of its job.
export const MAPS = { "write-back": "Write-back" };
// The maps whose rows Finance posts; their accounting detail is written back.
const MEASURED = new Set();
export const learnMaps = (maps) => maps.forEach((each) => {
  MAPS[each.map] = each.title;
  if (each.measured) MEASURED.add(each.map);
});
export const measured = (maps) => maps.find((each) => MEASURED.has(each.map));
export const STOPPED = ["needs attention", "failed"];
const STUCK = ["refused", "failed"];
export const OPEN = ["accepted", "syncing header", "syncing actuals", "linking", "verifying"];

const SHAPES = {
  accepted: "waiting",
  "syncing header": "running",
  "syncing actuals": "running",
  linking: "running",
  verifying: "running",
  completed: "done",
  "needs attention": "attention",
  failed: "failed",
  rejected: "rejected",
};
const UNDER_WAY = {
  accepted: "It waits on its queue.",
  "syncing header": "Its header is on the way to Finance.",
  "syncing actuals": "Its actuals are on the way to Finance.",
  linking: "The connections between its actuals are on the way to Finance.",
  verifying: "Everything was sent. Dataverse and Finance are being compared.",
};
const POSTED = {
  "not posted": "Everything is in Finance. Next: import from staging and post the proposal there. The accounting detail is then written back automatically.",
  posted: "Posted in Finance. The accounting detail is written back within a quarter of an hour.",
  "written back": "Posted in Finance, and the accounting detail is written back to Dataverse. Nothing is left to do.",
};

// {word, shape, tone}: how a run stands, in one word and one shape.
export function standing(run) {
  const wait = run.waitsFor?.[0];
  if (wait && !isFinal(run)) {
    return { word: wait.kind === "paused" ? "paused" : "waiting", shape: wait.kind === "paused" ? "paused" : "waiting", tone: "wait", also: run.state };
  }
  if (run.state === "completed" && STUCK.includes(run.posting)) {
    return { word: `write-back ${run.posting}`, shape: "attention", tone: "attention" };
  }
  const tone = { done: "done", attention: "attention", failed: "attention", rejected: "quiet" }[SHAPES[run.state]] ?? "run";
  const also = run.state === "completed" ? run.posting : "";
  return { word: run.state, shape: SHAPES[run.state] ?? "waiting", tone, also };
}

export const isFinal = (run) => !OPEN.includes(run.state);

// Why the run stands where it stands, and what to do next. The app's own words where it has some.
export function reason(run) {
  if (!isFinal(run)) return run.waitsFor?.length ? run.waitsFor.map(describeWait).join("; ") : (run.detail || UNDER_WAY[run.state]);
  if (run.state !== "completed") return run.detail || "No reason was kept.";
  if (STUCK.includes(run.posting)) return run.postingDetail || "Dataverse refused the accounting detail; the run’s page says why.";
  return [run.posting === "not posted" && run.postingDetail ? `${run.postingDetail}.` : "", POSTED[run.posting] ?? ""].join(" ").trim();
}

// "throttled until 14:02:10, Finance asked for 30 s: ...", with the instant in the reader's own time.
export function describeWait(wait) {
  if (!wait.until || !wait.text) return wait.reason;
  const asked = wait.kind === "throttled" && wait.asked ? ` asked for ${number(wait.asked)} s` : "";
  return `${wait.kind} until ${clock(wait.until)}, ${wait.service}${asked}: ${wait.text}`;
}

// The maps and the write-back as the bar and its words need them: rows, done, rejected, dismissed.
export function journey(run) {
  const maps = (run.maps ?? []).map((each) => ({ ...each, title: MAPS[each.map] ?? each.map }));
  const back = run.posting === "written back";
  const rows = measured(maps)?.done ?? 0;
  const refused = STUCK.includes(run.posting) ? (run.state === "completed" ? Math.max(1, run.rejected ?? 0) : 0) : 0;
  const last = { map: "write-back", title: MAPS["write-back"], rows: Math.max(rows, 1), done: back ? Math.max(rows, 1) : 0, rejected: back ? 0 : refused, dismissed: 0 };
  return [...maps, last];
}

export function describeMap(map) {
  const parts = [`${number(map.done)} of ${number(map.rows)} done`];
  if (map.rejected) parts.push(`${number(map.rejected)} rejected`);
  if (map.dismissed) parts.push(`${number(map.dismissed)} dismissed`);
  return `${map.title} ${parts.join(", ")}`;
}

export const nameOf = (run) => run.invoiceNumber || run.invoiceId;
export const sold = (run) => amounts(run.billedSales?.amounts);
