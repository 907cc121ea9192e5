// What can be changed from the page. Each is an endpoint that `relay` uses too. Each shows its effect and asks before it acts.

import { get, post } from "./api.js";
import { propose } from "./dialog.js";
import { h } from "./dom.js";
import { amounts, number, plural } from "./format.js";
import { MAPS } from "./words.js";

const EVERY = 1000;
const SHOWN = 20;

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const paragraph = (...texts) => h("p", {}, ...texts);

export const ACTIONS = { replay, dismiss, reconcile, reconcilePeriod, writeBack, pause, resume, sweep, financePage };

function replay(selection) {
  propose({
    title: "Send again",
    plan: () => post("replays", { ...selection, dryRun: true }),
    empty: (plan) => (plan.runs.length ? "" : "There is nothing to send: the selection has no rejected row."),
    describe: (plan) => [plan.rows ? paragraph(`${plural(plan.rows, "rejected row")} will be read from Dataverse again and sent to Finance.`) : null, runList(plan.runs)],
    button: (plan) => (plan.rows ? `Send ${plural(plan.rows, "row")}` : "Go on"),
    act: () => post("replays", selection),
    report: (done) => paragraph(`${plural(done.rows, "row")} of ${plural(done.runs.length, "run")} put to work. The run’s page shows its progress.`),
  });
}

function dismiss(selection) {
  propose({
    title: "Dismiss",
    plan: () => post("dismissals", { ...selection, reason: "dry run", dryRun: true }),
    empty: (plan) => (plan.rows ? "" : "The selection has no open rejected row."),
    describe: (plan) => [paragraph(`${plural(plan.rows, "row")} will be marked as dismissed and never sent. Runs without other open rows go on.`), runList(plan.runs)],
    reason: "Reason, for the audit",
    button: (plan) => `Dismiss ${plural(plan.rows, "row")}`,
    act: ({ reason }) => post("dismissals", { ...selection, reason }),
    report: (done) => paragraph(`${plural(done.rows, "row")} dismissed.`),
  });
}

function runList(runs) {
  const items = runs.slice(0, SHOWN).map((run) => {
    const sends = run.sends?.map((send) => `${number(send.rows)} ${MAPS[send.map] ?? send.map}: ${keys(send.keys)}`) ?? [keys(run.keys)];
    return h("li", {}, h("strong", {}, run.invoiceNumber || run.invoiceId), ` (${run.state}) ${run.note ?? ""}`, sends.map((text) => h("div", { class: "small mono" }, text)));
  });
  const more = runs.length > SHOWN ? paragraph(`and ${plural(runs.length - SHOWN, "more run")}`) : null;
  return [h("ul", {}, items), more];
}

const keys = (all) => all.slice(0, 5).join(", ") + (all.length > 5 ? ` and ${number(all.length - 5)} more` : "");

function reconcile({ invoiceId }) {
  propose({
    title: "Reconcile",
    describe: () => paragraph("The invoice is read from Dataverse again and compared with Finance row by row and column by column. Nothing is changed."),
    button: () => "Compare",
    act: () => compare({ invoiceId, fix: false }),
    report: (job) => differences(job, { invoiceId }),
  });
}

function reconcilePeriod(period) {
  propose({
    title: "Reconcile a period",
    describe: () => paragraph("All project invoices confirmed in this period are read from Dataverse again and compared with Finance row by row. Nothing is changed. This may take a while."),
    button: () => "Compare",
    act: () => compare({ ...period, fix: false }),
    report: (job) => differences(job, period),
  });
}

async function compare(what) {
  const { id } = await post("reconciliations", what);
  for (;;) {
    const job = await get(`reconciliations/${id}`);
    if (job.state !== "running") return job;
    await wait(EVERY);
  }
}

// What a comparison found; where the systems differ, the next step is to send what Finance lacks.
function differences(job, what) {
  const unequal = job.invoices.filter((invoice) => !invoice.equal);
  const content = job.invoices.length ? h("ul", {}, [...unequal, ...job.invoices.filter((invoice) => invoice.equal)].slice(0, SHOWN).map(finding)) : null;
  const summary = paragraph(`${job.summary}.`);
  if (!job.of) return summary;
  if (!unequal.length) return h("div", {}, paragraph(`${plural(job.invoices.length, "invoice")} compared: Dataverse and Finance agree.`), summary, content);
  return {
    title: "Dataverse and Finance differ",
    describe: () => [summary, content, paragraph("Rows that are missing or different in Finance can be sent again now. Rows that only Finance holds stay there.")],
    button: () => "Send what differs",
    act: () => compare({ ...what, fix: true }),
    report: (fixed) => paragraph(`${plural(fixed.invoices.reduce((sum, each) => sum + each.fixed, 0), "row")} sent again. Compare once more when the run has completed.`),
  };
}

function finding(invoice) {
  const name = h("strong", {}, invoice.invoiceNumber || invoice.invoiceId);
  if (invoice.problem) return h("li", {}, name, ` could not be compared: ${invoice.problem}`);
  const notes = invoice.maps.filter((map) => map.note).map((map) => h("div", { class: "small" }, `${MAPS[map.map] ?? map.map}: ${map.note}`));
  if (invoice.equal) return h("li", {}, name, " agrees", notes);
  if (invoice.doubt) return h("li", {}, name, `: ${invoice.doubt}`);
  const { missing = invoice.missing.length, surplus = invoice.surplus.length, different = invoice.different.length } = invoice.counts ?? {};
  const maps = invoice.maps.map((map) => h("div", { class: "small" }, `${MAPS[map.map] ?? map.map}: Dataverse ${plural(map.source.rows, "row")} ${amounts(map.source.amounts)}, Finance ${plural(map.target?.rows ?? 0, "row")} ${amounts(map.target?.amounts)}`));
  const fields = invoice.different.slice(0, 5).map((each) => h("div", { class: "small" }, `${each.key} ${each.field}: ${each.source} in Dataverse, ${each.target} in Finance`));
  return h("li", {}, name, ` ${number(missing)} missing, ${number(surplus)} surplus, ${number(different)} different`, maps, notes, fields);
}

function writeBack({ invoiceId, name }) {
  propose({
    title: "Write back",
    plan: () => get(`runs/${invoiceId}`),
    describe: (run) => paragraph(`The app asks Finance what is posted of ${name} and writes it to its actuals in Dataverse. State: ${run.posting}. ${run.postingDetail ?? ""}`),
    button: () => "Write back now",
    act: () => post("write-backs", { invoiceId }),
    report: () => paragraph("The write-back has started. The run’s page shows its progress."),
  });
}

function pause({ map }) {
  const what = map ? `the map ${MAPS[map]}` : "all maps";
  propose({
    title: `Pause ${what}`,
    describe: () => paragraph(`Reading and sending stop for ${what} until you resume. New work waits on its queue. Imports that Finance already has are still settled.`),
    reason: "Reason, shown to all operators",
    button: () => "Pause",
    act: ({ reason }) => post("pauses", { map, reason }),
    report: () => paragraph("Paused."),
  });
}

function resume({ map }) {
  const what = map ? `the map ${MAPS[map] ?? map}` : "everything";
  propose({
    title: `Resume ${what}`,
    describe: () => paragraph(`${map ? MAPS[map] ?? map : "Everything"} goes on with the work that has waited.`),
    button: () => "Resume",
    act: () => post("resumes", { map }),
    report: () => paragraph("Resumed."),
  });
}

function sweep() {
  propose({
    title: "Sweep now",
    describe: () => paragraph("Confirmed invoices without a run get one, and runs that have stopped are put to work again. The app does this every ten minutes."),
    button: () => "Sweep",
    act: () => post("sweeps", {}),
    report: (done) => paragraph(`${plural(done.started.length, "run")} started, ${number(done.revived.length)} put to work again. ${done.problem ?? ""}`),
  });
}

function financePage({ executionId }) {
  propose({
    title: "The import in Finance",
    plan: () => get(`imports/${encodeURIComponent(executionId)}`),
    describe: (found) => [paragraph("Finance shows the execution, its log and its staging rows at:"), paragraph(h("a", { href: found.page, target: "_blank", rel: "noreferrer noopener" }, found.page))],
    button: () => "Copy the address",
    act: async () => navigator.clipboard.writeText(dialogLink()),
    report: () => paragraph("Copied."),
  });
}

const dialogLink = () => document.querySelector("#dialog a").href;
