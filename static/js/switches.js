/* Auto-charge switches show the requested state at once, with "Saving". The response brings the actual state;
   without a response the switch is reset. */

const before = new WeakMap();

document.addEventListener("htmx:beforeRequest", ({ target: form }) => {
  if (!form.matches(".method-switch")) return;
  const button = form.querySelector("[role=switch]");
  const state = form.closest(".method").querySelector(".state");
  before.set(form, { checked: button.ariaChecked, state: state?.cloneNode(true) });
  button.ariaChecked = String(button.ariaChecked !== "true");
  button.ariaBusy = "true";
  if (state) {
    state.className = "state plain";
    state.textContent = "Saving";
  }
});

const goBack = ({ target: form }) => {
  const was = before.get(form);
  if (!was) return;
  const button = form.querySelector("[role=switch]");
  button.ariaChecked = was.checked;
  button.removeAttribute("aria-busy");
  if (was.state) form.closest(".method").querySelector(".state").replaceWith(was.state);
};

// The press charges at once, so the server asks for confirmation; until then nothing has changed.
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr.status === 409 && event.detail.xhr.getResponseHeader("HX-Retarget")) goBack(event);
});

document.addEventListener("htmx:sendError", goBack);
document.addEventListener("htmx:responseError", goBack);
