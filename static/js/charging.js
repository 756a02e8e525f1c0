/* A charge that was confirmed in the dialog: during the request the dialog is closed and the method's row shows
   the amount; the response brings the row's new state. */

/* global htmx */

const stateOf = (form) => document.querySelector(`#method-${form.dataset.charging} .method-status`);

document.addEventListener("htmx:beforeSend", ({ target: form }) => {
  if (!form.matches?.("[data-charging]")) return;
  form.closest("dialog")?.close();
  const state = document.createElement("span");
  state.className = "state plain";
  state.textContent = `Charging ${form.dataset.amount}`;
  stateOf(form)?.replaceChildren(state);
});

// The form may be gone by then. Without a response, refresh the row.
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.requestConfig.elt.matches("[data-charging]") && !detail.successful)
    htmx.trigger("#refresher", "account-changed");
});
