/* A charge that was confirmed in the dialog: while the processor is asked the dialog is away and the row
   says what is being charged; the answer brings the row's new state. */

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

// The form itself may be gone by then. Without an answer the row must not stay as it is.
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.requestConfig.elt.matches("[data-charging]") && !detail.successful)
    htmx.trigger("#refresher", "account-changed");
});
