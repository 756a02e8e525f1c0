/* The dialog: a response swapped into #dialog opens it, an empty one closes it. The browser handles Escape, the
   focus inside, and the return of the focus. */

import { focusRow } from "./focus.js";

const dialog = document.getElementById("dialog");
let retriedMethod; // the id of the method that the open dialog retries

document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target !== dialog) return;
  if (!dialog.firstElementChild) return dialog.close();
  retriedMethod = dialog.querySelector("[data-retrying]")?.dataset.retrying;
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[aria-invalid=true], [role=alert]")?.focus();
});

// A processor's script adds elements that a modal dialog would cover and make inert.
export const makeNonModal = () => {
  if (!dialog.open) return;
  dialog.close();
  dialog.show();
};

export const makeModal = () => {
  if (!dialog.open) return;
  dialog.close();
  dialog.showModal();
};

dialog.addEventListener("close", () => {
  if (dialog.open) return; // it only changed between modal and non-modal
  // During a request the form must stay in the page to receive the response.
  if (!dialog.querySelector(".htmx-request")) dialog.replaceChildren();
  // The control that opened the dialog may be gone, as after Remove.
  if (document.activeElement === document.body) focusRow(retriedMethod);
});

// Cancel and the cross are links for pages without scripts; here they close the dialog.
dialog.addEventListener("click", (event) => {
  if (!event.target.closest("[data-close]")) return;
  event.preventDefault();
  dialog.close();
});
