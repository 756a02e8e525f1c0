/* The errors of a refused form follow its preview, which names what the server would refuse now: an error
   goes as soon as its field is right, and changes with what is typed. */

document.addEventListener("htmx:afterSwap", ({ target }) => {
  const preview = target.querySelector("[data-faults]");
  if (!preview) return;
  const form = target.closest("form");
  const faults = Object.fromEntries([...preview.children].map((fault) => [fault.dataset.of, fault.textContent]));
  for (const error of form.querySelectorAll(".field-error[id]:not(:empty)")) {
    const place = error.closest("[data-field]");
    const name = place?.dataset.field ?? error.id.replace(/-error$/, "");
    error.textContent = faults[name] ?? "";
    if (faults[name]) continue;
    const field = form.elements[name];
    field.removeAttribute("aria-invalid");
    place?.classList.remove("invalid");
    if (field.role === "switch") field.removeAttribute("aria-describedby");
  }
});
