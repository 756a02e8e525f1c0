/* The bank's challenge in a dialog above the others. It opens when a response is swapped into #bank, and closes
   when the frame reports its end or the person closes it. The server determines the outcome. */

/* global htmx */

import { focusRow } from "./focus.js";

const bank = document.getElementById("bank");
const dialog = document.getElementById("dialog");

// Ignored while a conclusion is being sent, for example when the dialog closes after the end.
const conclude = (way) => bank.querySelector(`[data-conclusion]:not(.htmx-request) [data-${way}]`)?.click();

document.addEventListener("htmx:afterSwap", ({ target }) => target === bank && bank.showModal());

// Focus the frame; its page then focuses its first button.
bank.addEventListener("load", ({ target }) => target.matches("iframe") && target.focus(), true);

addEventListener("message", ({ source, data }) => {
  if (!source || source !== bank.querySelector("iframe")?.contentWindow) return;
  if (data === "challenge-over") conclude("over");
  if (data === "give-up") conclude("give-up");
});

bank.addEventListener("close", () => conclude("give-up"));

document.addEventListener("htmx:beforeSend", ({ target }) => {
  if (target.matches("[data-conclusion]")) bank.close();
});

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.requestConfig.elt.matches("[data-conclusion]")) return;
  bank.replaceChildren();
  if (detail.xhr.status >= 200 && detail.xhr.status < 400) {
    dialog.close();
  } else {
    // The form below shows the reason and can be submitted again; without a response, refresh the page.
    dialog.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
    dialog.querySelector("[role=alert]:not(:empty)")?.focus();
    htmx.trigger(document.body, "account-changed");
  }
  if (document.activeElement !== document.body) return;
  // The control that opened the dialog may be gone, as Retry is: focus its row.
  focusRow(dialog.querySelector("[data-retrying]")?.dataset.retrying);
});
