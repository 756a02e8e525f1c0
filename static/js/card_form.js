/* The card form. Card data goes to the processor only; the application gets the token that comes back. */

/* global htmx */

import { brandOf, checksOut, digits, inGroups } from "./card_number.js";

const REQUIRED = {
  cardholder: "Enter the name on the card",
  line: "Enter the street and number",
  city: "Enter the town or city",
  postcode: "Enter the postal code",
};

// Countries that have no postal codes.
const WITHOUT_POSTCODES = new Set(
  (
    "AE AG AO AW BF BI BJ BO BQ BS BW BZ CD CF CG CI CK CM CW DJ DM ER FJ GA GD GH GM GQ GY HK HM JM " +
    "KI KM KN KP LC ML MO MR MW NR NU PA QA RW SB SC SL SR ST SX SY TD TF TG TK TL TO TV UG VU WS YE ZW"
  ).split(" "),
);

/* Regroup the digits while they are typed, and keep the caret behind the same digit. */
const regroup = (field, written) => {
  const before = digits(field.value.slice(0, field.selectionStart)).length;
  const atEnd = field.selectionStart === field.value.length;
  field.value = written;
  let caret = 0;
  for (let seen = 0; seen < before && caret < written.length; caret += 1) seen += /\d/.test(written[caret]);
  if (!atEnd) field.setSelectionRange(caret, caret);
};

const typed = {
  number: (field) => {
    const number = digits(field.value).slice(0, 19);
    const [name, , , code, groups] = brandOf(number);
    regroup(field, inGroups(number, groups));
    field.form.security_code.maxLength = code;
    for (const mark of field.form.querySelectorAll("[data-brand]"))
      mark.hidden = mark.dataset.brand !== (name ?? "");
  },
  expiry: (field) => {
    const all = digits(field.value)
      .replace(/^([2-9])/, "0$1")
      .slice(0, 4);
    const erasing = field.value.length < (field.dataset.was ?? "").length;
    regroup(
      field,
      all.length > 2 || (all.length === 2 && !erasing) ? `${all.slice(0, 2)} / ${all.slice(2)}` : all,
    );
    field.dataset.was = field.value;
  },
  security_code: (field) => (field.value = digits(field.value)),
};

const showError = (form, name, text) => {
  const field = form.querySelector(`[data-field="${name}"]`);
  if (!field) {
    document.getElementById("card-refusal").textContent = text;
    return;
  }
  field.classList.toggle("invalid", Boolean(text));
  field.querySelector("input, select").toggleAttribute("aria-invalid", Boolean(text));
  if (text) field.querySelector("input, select").ariaInvalid = "true";
  field.querySelector(".field-error").textContent = text;
};

const showErrors = (form, errors) => {
  for (const { dataset } of form.querySelectorAll("[data-field]"))
    showError(form, dataset.field, errors[dataset.field] ?? "");
  showError(form, "form", errors.form ?? "");
  form.querySelector("[aria-invalid=true], #card-refusal:not(:empty)")?.focus();
};

// A card expires when its month has ended in every time zone.
const hasExpired = (month, year) => Date.now() >= Date.UTC(year, month, 1, 12);

const validate = (form) => {
  const number = digits(form.number.value);
  const [, , lengths, code] = brandOf(number);
  const errors = {};
  if (lengths ? !lengths.includes(number.length) : number.length < 12)
    errors.number = "Enter the whole card number";
  else if (!checksOut(number)) errors.number = "Check the card number: a digit is wrong";
  const expiry = /^(0[1-9]|1[0-2])(\d\d)$/.exec(digits(form.expiry.value));
  if (!expiry) errors.expiry = "Month and year, as on the card";
  else if (hasExpired(Number(expiry[1]), 2000 + Number(expiry[2]))) errors.expiry = "This card has expired";
  if (form.security_code.value.length !== code) errors.security_code = `${code} digits`;
  for (const [name, words] of Object.entries(REQUIRED)) if (!form[name].value.trim()) errors[name] = words;
  if (WITHOUT_POSTCODES.has(form.country.value)) delete errors.postcode;
  return errors;
};

document.addEventListener("input", ({ target }) => {
  if (!target.form?.matches("[data-card-form]")) return;
  typed[target.name]?.(target);
  showError(target.form, target.name, "");
  if (target.name === "country") showError(target.form, "postcode", "");
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-card-form]")) return;
  event.preventDefault();
  const button = event.submitter ?? form.querySelector("[type=submit]");
  if (button.ariaBusy === "true") return;
  const errors = validate(form);
  showErrors(form, errors);
  if (Object.keys(errors).length) return;

  button.ariaBusy = "true";
  try {
    const response = await fetch(form.action, {
      method: "POST",
      body: new FormData(form),
      headers: { Accept: "application/json" },
    });
    const result = await response.json();
    if (response.status === 201) {
      const hidden = document.getElementById("card-token");
      hidden.token.value = result.token;
      htmx.trigger(hidden, "submit");
    } else {
      showErrors(form, result.errors ?? { form: "The card could not be checked. Try again." });
      button.removeAttribute("aria-busy");
    }
  } catch {
    showErrors(form, { form: "The card processor did not respond. Nothing was saved; try again." });
    button.removeAttribute("aria-busy");
  }
});

// The bank declined the card: the form keeps its values and shows the reason.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { requestConfig, xhr } = event.detail;
  if (requestConfig.elt.id !== "card-token" || xhr.status !== 422) return;
  event.detail.shouldSwap = false;
  const form = document.querySelector("[data-card-form]");
  const page = new DOMParser().parseFromString(xhr.response, "text/html");
  showErrors(form, { form: page.querySelector(".message").textContent.trim() });
  form.querySelector("[aria-busy]").removeAttribute("aria-busy");
});
