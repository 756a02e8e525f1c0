/* Low Balance Settings: Apply Changes becomes the primary button, and Discard appears, once something
   differs from what is saved. Unsaved edits are never overwritten by a refresh. */

import { aroundSwap } from "./parts.js";

const SECONDS = 6; // how long "Changes applied" stands before "Last saved …" takes its place

const form = () => document.querySelector(".settings-form");
const differs = (field) =>
  "defaultChecked" in field && /radio|checkbox/.test(field.type)
    ? field.checked !== field.defaultChecked
    : "defaultValue" in field && field.value !== field.defaultValue;
const edited = () => Boolean(form()) && [...form().elements].some(differs);
// A refused form shows what was sent, so everything in it counts as unsaved.
const dirty = () => edited() || (form() && "refused" in form().dataset);
const brief = () => form()?.querySelector("[data-brief]");
const settle = (words) => {
  words.nextElementSibling.hidden = false;
  words.remove();
};

let sending = false;

const show = () => {
  form()?.querySelector("[type=submit]").classList.toggle("primary", dirty());
  form()?.querySelector("[data-discard]").toggleAttribute("hidden", !edited());
};

document.addEventListener("input", ({ target }) => target.form === form() && show());

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-discard]") || "refused" in form().dataset) return;
  event.preventDefault();
  form().reset();
  show();
  form().querySelector("[type=submit]").focus();
});

document.addEventListener("htmx:beforeRequest", ({ target }) => {
  if (target !== form()) return;
  sending = true;
  const outcome = target.querySelector(".outcome");
  outcome.className = "outcome hint";
  outcome.textContent = "Saving";
  target.querySelector("[data-discard]").hidden = true;
});

document.addEventListener("htmx:afterRequest", ({ target }) => {
  if (target !== form()) return;
  sending = false;
  const outcome = target.querySelector(".outcome");
  if (outcome.textContent === "Saving") outcome.textContent = "Not answered";
  show();
  // To the first thing to fix; only a switch with a mistake is described.
  if ("refused" in target.dataset) target.querySelector("[role=switch][aria-describedby], [aria-invalid=true]")?.focus();
});

aroundSwap(
  "low-balance-settings",
  () => sending || !(dirty() || brief()),
  () => {
    show();
    const words = brief();
    if (words) setTimeout(() => words.isConnected && settle(words), SECONDS * 1000);
  },
);

show();
