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

// The form itself, or the one that asks for a proof first and then sends the same again.
const sends = (target) => target === form() || (target.matches("[data-proof]") && target.action === form().action);

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
  if (outcome.textContent === "Saving") outcome.textContent = detail.xhr.status === 401 ? "Not saved yet" : "Not answered";
  show();
  // To the first thing to fix; only a switch with a mistake is described.
  if ("refused" in form().dataset) form().querySelector("[role=switch][aria-describedby], [aria-invalid=true]")?.focus();
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
