/* Retry: during the request the dialog is closed and the row shows "Retrying"; the response brings the row's new
   state. */

/* global htmx */

import { focusRow } from "./focus.js";

const name = (form, words) => {
  const button = document.querySelector(`#method-${form.dataset.retrying} .method-status .button`);
  button?.classList.toggle("retrying", words === "Retrying");
  if (button) button.lastChild.textContent = words;
};

const isRetry = (form, detail) =>
  form.dataset.retrying && detail.requestConfig.path === form.getAttribute("action");

document.addEventListener("htmx:beforeSend", ({ target: form, detail }) => {
  if (!isRetry(form, detail)) return;
  name(form, "Retrying");
  form.closest("dialog").close();
});

// The form may be gone by then.
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const form = detail.requestConfig.elt;
  if (!isRetry(form, detail)) return;
  // Without a response the row must not stay at "Retrying": refresh it, which may fail as well.
  if (!detail.successful) {
    name(form, "Retry");
    htmx.trigger("#refresher", "account-changed");
  }
  if (document.activeElement === document.body) focusRow(form.dataset.retrying);
});
