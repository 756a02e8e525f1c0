/* Buttons. Links with the role of a button also react to the space bar. During a request the pressed button is
   marked busy; it is not disabled, which would lose the focus. hx-sync on its form drops a second press. */

document.addEventListener("keydown", (event) => {
  if (event.key !== " " || !event.target.matches("a[role=button], a[role=menuitem]")) return;
  event.preventDefault();
  event.target.click();
});

// A control that is off stays focusable, so that its reason can be read, but does nothing.
document.addEventListener(
  "click",
  (event) => {
    if (!event.target.closest?.("[aria-disabled=true]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);

const pressed = ({ target, detail }) =>
  detail.requestConfig?.triggeringEvent?.submitter ?? (target.matches(".button") ? target : null);

document.addEventListener("htmx:beforeRequest", (event) => pressed(event)?.setAttribute("aria-busy", "true"));
// While the bank's challenge is open, the request is still pending.
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.target.id !== "bank") pressed(event)?.removeAttribute("aria-busy");
});
