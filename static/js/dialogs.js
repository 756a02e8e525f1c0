/* Dialogs: an answer that lands in #dialog opens it, an empty one closes it. The browser does the rest:
   Escape, keeping the focus inside, and giving it back to what opened the dialog. */

const dialog = document.getElementById("dialog");

document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target !== dialog) return;
  if (!dialog.firstElementChild) return dialog.close();
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[aria-invalid=true], [role=alert]")?.focus();
});

dialog.addEventListener("close", () => {
  // A form whose answer is awaited must stay in the page to receive it.
  if (!dialog.querySelector(".htmx-request")) dialog.replaceChildren();
  // What opened it may be gone, as after Remove.
  if (document.activeElement === document.body) document.getElementById("main").focus();
});

// Cancel and the cross are links back to the page for those without scripts; here they just close.
dialog.addEventListener("click", (event) => {
  if (!event.target.closest("[data-close]")) return;
  event.preventDefault();
  dialog.close();
});
