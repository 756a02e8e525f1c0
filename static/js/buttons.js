/* Buttons. A link that stands for a button also answers the space bar. While an answer is awaited the
   pressed button says so; it is not disabled, which would lose the focus: hx-sync on its form drops a
   second press. */

document.addEventListener("keydown", (event) => {
  if (event.key !== " " || !event.target.matches("a[role=button], a[role=menuitem]")) return;
  event.preventDefault();
  event.target.click();
});

// A control that is off keeps the focus, so that its reason can be read, and does nothing.
document.addEventListener("click", (event) => {
  if (!event.target.closest?.("[aria-disabled=true]")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

const pressed = ({ target, detail }) =>
  detail.requestConfig?.triggeringEvent?.submitter ?? (target.matches(".button") ? target : null);

document.addEventListener("htmx:beforeRequest", (event) => pressed(event)?.setAttribute("aria-busy", "true"));
// Where the bank asks first, the answer has not come yet.
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.target.id !== "bank") pressed(event)?.removeAttribute("aria-busy");
});
