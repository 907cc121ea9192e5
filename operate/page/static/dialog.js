// One dialog for everything that changes something: what will happen, a reason where one is needed, done, what happened.

import { session } from "./api.js";
import { h } from "./dom.js";

const dialog = document.getElementById("dialog");
let after = () => {};

export function whenDone(callback) {
  after = callback;
}

// step: {title, plan?: async () => plan, describe: (plan) => nodes, empty?: (plan) => text, reason?: label,
//        button: (plan) => text, act: async ({reason}) => result, report: (result) => nodes or a further step}
export async function propose(step) {
  if (!dialog.open) dialog.showModal();
  draw(step.title, h("p", { class: "quiet" }, "Checking what this would do …"), []);
  try {
    const plan = step.plan ? await step.plan() : null;
    const nothing = step.empty?.(plan);
    if (nothing) return close(step.title, h("p", {}, nothing));
    ask(step, plan);
  } catch (error) {
    close(step.title, refusal(error));
  }
}

function ask(step, plan) {
  const by = session.signIn === "key" ? h("p", { class: "small" }, `The audit will name you: ${session.name}.`) : null;
  const reason = step.reason
    ? h("label", { class: "field" }, step.reason, h("textarea", { name: "reason", required: true, maxlength: 2000, rows: 3 }))
    : null;
  draw(step.title, [step.describe(plan), reason, by], [h("button", { class: "primary", value: "yes" }, step.button(plan)), cancel("Cancel")]);
  const form = dialog.querySelector("form");
  (form.elements.reason ?? form.querySelector("[value=no]")).focus();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.submitter?.value === "no") dialog.close();
    else perform(step, { reason: form.elements.reason?.value.trim() });
  });
}

async function perform(step, given) {
  for (const button of dialog.querySelectorAll("button")) button.disabled = true;
  try {
    const said = step.report(await step.act(given));
    after();
    if (said.describe) propose(said);
    else close(step.title, said);
  } catch (error) {
    close(step.title, refusal(error));
  }
}

function close(title, content) {
  draw(title, content, [cancel("Close")]);
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close();
  });
  dialog.querySelector("button").focus();
}

const refusal = (error) => h("p", { class: "trouble" }, `Not done: ${error.message}`);
const cancel = (text) => h("button", { value: "no", formnovalidate: true }, text);

function draw(title, content, buttons) {
  const head = h("h2", { id: "dialog-title" }, title);
  const body = h("div", { class: "dialog-body", "aria-live": "polite", tabindex: 0, role: "group", "aria-labelledby": "dialog-title" }, content);
  dialog.replaceChildren(h("form", {}, head, body, h("div", { class: "buttons" }, buttons)));
}
