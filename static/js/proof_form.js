/* Check the size of a file before it is uploaded. The server checks it again. */

const fault = (input) => {
  const file = input.files[0];
  if (!file) return "";
  if (file.size === 0) return "The file is empty";
  return file.size > Number(input.dataset.largest) ? "At most 10 MB" : "";
};

const show = (input) => {
  const words = fault(input);
  const field = input.closest(".field");
  field.classList.toggle("invalid", words !== "");
  field.querySelector(".field-error").textContent = words;
  if (words) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  return words === "";
};

document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-largest]")) show(target);
});

// Before htmx, which listens on the form itself.
document.addEventListener(
  "submit",
  (event) => {
    const input = event.target.querySelector("[data-largest]");
    if (!input || show(input)) return;
    event.preventDefault();
    event.stopPropagation();
    input.focus();
  },
  true,
);
