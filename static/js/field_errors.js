/* Update the field errors of a refused form from its preview, which holds the errors of the current values. */

document.addEventListener("htmx:afterSwap", ({ target }) => {
  const preview = target.querySelector("[data-faults]");
  if (!preview) return;
  const form = target.closest("form");
  const faults = Object.fromEntries(
    [...preview.children].map((fault) => [fault.dataset.of, fault.textContent]),
  );
  for (const error of form.querySelectorAll(".field-error[id]:not(:empty)")) {
    const container = error.closest("[data-field]");
    const name = container?.dataset.field ?? error.id.replace(/-error$/, "");
    error.textContent = faults[name] ?? "";
    if (faults[name]) continue;
    const field = form.elements[name];
    field.removeAttribute("aria-invalid");
    container?.classList.remove("invalid");
    if (field.role === "switch") field.removeAttribute("aria-describedby");
  }
});
