/* Low Balance Settings: with unsaved edits, Apply Changes is the primary button and Discard is shown. A refresh
   never overwrites unsaved edits. */

import { aroundSwap } from "./around_swap.js";
import { amountIn, followLimits } from "./suggested_limits.js";

const SECONDS = 6; // how long "Changes applied" is shown before "Last saved …" replaces it

const form = () => document.querySelector(".settings-form");
const differs = (field) =>
  "defaultChecked" in field && /radio|checkbox/.test(field.type)
    ? field.checked !== field.defaultChecked
    : "defaultValue" in field && field.value !== field.defaultValue;
const edited = () => Boolean(form()) && [...form().elements].some(differs);
// A refused form shows the submitted values, so all of them count as unsaved.
const dirty = () => edited() || (form() && "refused" in form().dataset);
const brief = () => form()?.querySelector("[data-brief]");
const settle = (words) => {
  words.nextElementSibling.hidden = false;
  words.remove();
};

let sending = false;

/* The edited threshold in minor units, or null for none. */
const typedThreshold = () => {
  const { threshold, refill_on } = form().elements;
  return refill_on.checked ? amountIn(threshold) : null;
};

/* Preview unsaved edits: the chart's line moves at once, the sentence comes from the server. */
const preview = () => {
  const region = document.getElementById("settings-preview");
  document.dispatchEvent(new CustomEvent("threshold-typed", { detail: typedThreshold() }));
  if (dirty()) region.dispatchEvent(new CustomEvent("settings-edited"));
  else {
    region.replaceChildren();
    nameCharge();
  }
};

// The form itself, or a re-authentication or confirmation that repeats its request.
const sends = (target) =>
  target === form() || (target.matches("[data-repeats]") && target.action === form().action);

/* The button names what it charges at once, as in the preview. */
const nameCharge = () => {
  const { charge, confirmed } = document.querySelector("#settings-preview [data-charge]")?.dataset ?? {};
  form().querySelector("#apply").textContent = charge
    ? `Apply and charge ${charge}`
    : form().querySelector("#apply").dataset.name;
  form().elements.confirmed.value = confirmed ?? 0;
};

const show = () => {
  form()?.querySelector("#apply").classList.toggle("primary", dirty());
  form()
    ?.querySelector("[data-discard]")
    .toggleAttribute("hidden", !edited() && !form().elements.since);
};

const change = () => {
  followLimits(form());
  show();
  preview();
};

document.addEventListener("input", ({ target }) => target.form && target.form === form() && change());

// A preview that was requested before a Discard is outdated.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id === "settings-preview" && !dirty()) detail.shouldSwap = false;
});

document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.id !== "settings-preview") return;
  nameCharge();
  // For the errors of fields see field_errors.js.
  const refusal = target.querySelector("[data-refusal]")?.textContent ?? "";
  if ("refused" in form().dataset) form().querySelector(".outcome.field-error")?.replaceChildren(refusal);
});

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-fill]");
  if (!button) return;
  const { threshold, refill_amount, refill_mode } = form().elements;
  threshold.value = button.dataset.threshold;
  refill_amount.value = button.dataset.refill;
  refill_mode.value = "add";
  change();
  threshold.focus();
});

/* Replace an edited value with the one that another person has saved. */
document.addEventListener("click", (event) => {
  const button = event.target.closest(".settings-form [name=use]");
  if (!button) return;
  event.preventDefault();
  const { elements } = form();
  const field = elements[button.value];
  const { value } = button.dataset;
  if (field.type === "checkbox") field.checked = value === "1";
  else field.value = value;
  if (button.value === "day_limit") elements.no_day_limit.checked = "unlimited" in button.dataset;
  button.closest(".hint").replaceChildren();
  change();
  (field.focus ? field : [...field].find((choice) => choice.checked)).focus();
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-discard]") || "refused" in form().dataset) return;
  event.preventDefault();
  form().reset();
  delete form().elements.day_limit.dataset.before;
  change();
  form().querySelector("#apply").focus();
});

document.addEventListener("htmx:beforeRequest", ({ target }) => {
  if (!form() || !sends(target)) return;
  sending = true;
  const outcome = form().querySelector(".outcome");
  outcome.className = "outcome hint";
  outcome.textContent = "Saving";
  form().querySelector("[data-discard]").hidden = true;
});

document.addEventListener("htmx:afterRequest", ({ target, detail }) => {
  if (!form() || !sends(target)) return;
  sending = false;
  const outcome = form().querySelector(".outcome");
  const asks = [401, 409].includes(detail.xhr.status);
  if (outcome.textContent === "Saving") outcome.textContent = asks ? "Not saved yet" : "No response";
  show();
  // Focus the first error; only switches with an error have a description.
  if ("refused" in form().dataset)
    form().querySelector("[role=switch][aria-describedby], [aria-invalid=true]")?.focus();
});

/* A change to the account may have fixed the errors of a refused form. */
const previewRefused = () => {
  if (form() && "refused" in form().dataset) preview();
};

aroundSwap(
  "low-balance-settings",
  () => {
    if (sending || !(dirty() || brief())) return true;
    previewRefused();
    return false;
  },
  () => {
    if (form()) followLimits(form());
    show();
    const words = brief();
    if (form()?.elements.since) preview();
    if (words) setTimeout(() => words.isConnected && settle(words), SECONDS * 1000);
  },
);

aroundSwap("refill-hint", () => true, previewRefused);

if (form()) followLimits(form());
show();
