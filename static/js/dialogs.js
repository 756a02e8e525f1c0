/* Dialogs: an answer that lands in #dialog opens it, an empty one closes it. The browser does the rest:
   Escape, keeping the focus inside, and giving it back to what opened the dialog. */

import { focusRow } from "./focus.js";

const dialog = document.getElementById("dialog");
let about; // the method that the open dialog retries

document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target !== dialog) return;
  if (!dialog.firstElementChild) return dialog.close();
  about = dialog.querySelector("[data-retrying]")?.dataset.retrying;
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[aria-invalid=true], [role=alert]")?.focus();
});

// What a processor's script puts over the page would lie below a modal dialog, and could not be used.
export const stepAside = () => {
  if (!dialog.open) return;
  dialog.close();
  dialog.show();
};

export const comeBack = () => {
  if (!dialog.open) return;
  dialog.close();
  dialog.showModal();
};

dialog.addEventListener("close", () => {
  if (dialog.open) return; // it only stepped aside, or came back
  // A form whose answer is awaited must stay in the page to receive it.
  if (!dialog.querySelector(".htmx-request")) dialog.replaceChildren();
  // What opened it may be gone, as after Remove.
  if (document.activeElement === document.body) focusRow(about);
});

// Cancel and the cross are links back to the page for those without scripts; here they just close.
dialog.addEventListener("click", (event) => {
  if (!event.target.closest("[data-close]")) return;
  event.preventDefault();
  dialog.close();
});
