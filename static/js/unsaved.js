/* Forms with unsaved edits: the submit button becomes primary, and Discard is shown. */

const differs = (field) =>
  field.type === "checkbox"
    ? field.checked !== field.defaultChecked
    : field.options
      ? [...field.options].some((option) => option.selected !== option.defaultSelected)
      : "defaultValue" in field && field.value !== field.defaultValue;

for (const form of document.querySelectorAll("form[data-unsaved]")) {
  const discard = form.querySelector("[data-discard]");
  const submit = form.querySelector("[type=submit]");
  const refused = submit.classList.contains("primary"); // the submitted values were not saved
  const show = () => {
    const edited = refused || [...form.elements].some(differs);
    submit.classList.toggle("primary", edited);
    discard.hidden = !edited;
  };
  form.addEventListener("input", show);
  show();
}
