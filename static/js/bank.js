/* The bank's own window, above our dialog: it opens when an answer lands in #bank, and is gone once the
   frame says that it is over or the person closes it. How it ended is for the server to say. */

/* global htmx */

import { focusRow } from "./focus.js";

const bank = document.getElementById("bank");
const dialog = document.getElementById("dialog");

// A second way out, as when the window closes after the end, is none while the first is under way.
const conclude = (way) => bank.querySelector(`[data-conclusion]:not(.htmx-request) [data-${way}]`)?.click();

document.addEventListener("htmx:afterSwap", ({ target }) => target === bank && bank.showModal());

// The bank's page has the focus, and gives it to its first button.
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
    // The form below says why and can be sent again; without an answer the page shows where things stand.
    dialog.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
    dialog.querySelector("[role=alert]:not(:empty)")?.focus();
    htmx.trigger(document.body, "account-changed");
  }
  if (document.activeElement !== document.body) return;
  // What opened it may be gone, as Retry is: then to its row.
  focusRow(dialog.querySelector("[data-retrying]")?.dataset.retrying);
});
