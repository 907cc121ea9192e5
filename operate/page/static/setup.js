// Setup: what the doctor found about both services and the app, and what to do about it. It only reads.

import { get, post } from "./api.js";
import { h, shape, template } from "./dom.js";
import { age, date, number, plural } from "./format.js";

export const title = () => "Setup";
export const seconds = 3;
const AREAS = { dataverse: "Dataverse", finance: "Finance", webhook: "Webhook", maps: "Table maps", app: "The app itself" };
const SHAPES = { ok: "done", warn: "attention", fail: "failed", unknown: "waiting" };
const WORST = ["fail", "warn", "unknown"];
const NEVER = 404;

export async function load(_path, query) {
  if (query.get("job")) return get(`doctor/${encodeURIComponent(query.get("job"))}`);
  try {
    return await get("doctor");
  } catch (error) {
    if (error.status === NEVER) return null;
    throw error;
  }
}

export async function run() {
  const { id } = await post("doctor", { only: [] });
  return `#/setup?${new URLSearchParams({ job: id })}`;
}

export function render(found) {
  const form = template("doctor").firstElementChild;
  form.querySelector("button").disabled = found?.state === "running";
  if (!found) return [h("h1", {}, "Setup"), h("p", { class: "card quiet" }, "The doctor has not run yet. It runs once a day, and now if you ask for it."), form];
  return [h("h1", {}, "Setup"), verdict(found), form, ...Object.keys(AREAS).map((area) => section(found, area)), place(found)];
}

function verdict(found) {
  const { ok, warn, fail, unknown } = found.counts;
  const text = found.state === "running" ? `${number(found.done)} of ${plural(found.of, "check")} made …` : found.state === "failed" ? `The run failed: ${found.detail}` : { ok: "All is set up as it should be", warn: "Nothing fails; something is probably not as it is meant", fail: "Something is not set up rightly", unknown: "Nothing is known to be wrong; not everything could be seen" }[found.worst];
  const good = found.state === "done" && found.worst === "ok";
  return h(
    "div",
    { class: `card verdict ${good ? "done" : fail ? "attention" : ""}` },
    h("p", { role: "status" }, h("span", { class: `standing ${fail ? "attention" : ""}` }, shape(found.state === "running" ? "running" : SHAPES[found.worst]), text)),
    h("p", { class: "quiet" }, `${number(fail)} fail, ${number(warn)} warn, ${number(unknown)} unknown, ${number(ok)} ok. `, found.ended ? `${age(found.ended)} ago (${date(found.ended)}), for ${found.by}.` : ""),
    summary(found.checks),
  );
}

// What is not well, the worst first, so that it need not be looked for among what is.
function summary(checks) {
  const wanting = WORST.flatMap((verdict) => checks.filter((check) => check.verdict === verdict));
  return wanting.length ? h("ul", {}, wanting.map((check) => h("li", { "data-key": check.name }, `${check.verdict}: ${check.title}`))) : null;
}

function section(found, area) {
  const checks = found.checks.filter((check) => check.area === area);
  if (!checks.length) return null;
  return h("section", { "data-key": area }, h("h2", {}, AREAS[area]), h("ul", { class: "card findings" }, checks.map(item)));
}

function item(check) {
  return h(
    "li",
    { "data-key": check.name },
    h("span", { class: `standing ${check.verdict === "fail" ? "attention" : ""}` }, shape(SHAPES[check.verdict]), check.verdict),
    h("div", {}, h("h3", { class: "pattern" }, check.title), check.findings.map(finding), h("p", { class: "small quiet mono" }, check.name)),
  );
}

function finding(each) {
  const seen = h("p", {}, each.about ? h("strong", {}, `${each.about}: `) : null, each.seen);
  if (each.verdict === "ok") return seen;
  return [seen, h("p", { class: "quiet" }, `Expected: ${each.expected}`), each.nextStep ? h("p", {}, h("strong", {}, "Next: "), each.nextStep) : null];
}

function place(found) {
  const { app, organization, dataverse, finance, maps } = found.place;
  const facts = { Organization: organization, Dataverse: dataverse, Finance: finance, App: app, Maps: Object.entries(maps).map(([name, version]) => `${name} ${version}`).join(", ") };
  return h("section", {}, h("h2", {}, "What was examined"), h("dl", { class: "card" }, Object.entries(facts).flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)])));
}
