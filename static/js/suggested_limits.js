/* Low Balance Settings: suggested limits follow the amounts that they depend on, and "No daily limit" clears and
   disables its field. Typed and saved values are never changed. Amounts are in minor units. */

import { fieldText, formatOf, read } from "./amounts.js";

/* A field's amount, or null if it has none. */
export const amountIn = (field) => read(formatOf(field), field.value);

const suggested = {}; // suggestions by field name, which a refused form contains again

const suggest = (field, amount) => {
  const isSaved = field.value === field.defaultValue && !("refused" in field.form.dataset);
  const isSuggestion = field.value === "" || (field.value === suggested[field.name] && !isSaved);
  if (!isSuggestion || field.disabled || field === document.activeElement) return;
  field.value = amount ? fieldText(formatOf(field), amount) : "";
  suggested[field.name] = field.value;
};

const suggestLargestCharge = ({ refill_mode, target, largest_charge }) => {
  const { smallest, largest } = largest_charge.dataset;
  const twice = 2 * amountIn(target);
  const amount = twice && Math.min(Math.max(twice, Number(smallest)), Number(largest));
  suggest(largest_charge, refill_mode.value === "target" ? amount : null);
};

const suggestDayLimit = ({ refill_mode, refill_amount, largest_charge, day_limit }) => {
  const { refills, least } = day_limit.dataset;
  const most = amountIn(refill_mode.value === "target" ? largest_charge : refill_amount);
  suggest(day_limit, most && Math.max(Number(refills) * most, Number(least)));
};

const countRefills = (form) => {
  const place = form.querySelector("[data-refills-a-day]");
  if (!place) return;
  const { refill_mode, refill_amount, day_limit } = form.elements;
  const count = Math.floor(amountIn(day_limit) / amountIn(refill_amount));
  place.hidden = refill_mode.value === "target" || !Number.isFinite(count);
  place.textContent = `${count} ${count === 1 ? "refill" : "refills"} a day at most. `;
};

/* The checkbox clears its field, and restores the value when it is unchecked. */
const followBox = ({ day_limit, no_day_limit }) => {
  if (no_day_limit.disabled || no_day_limit.checked === day_limit.disabled) return;
  day_limit.disabled = no_day_limit.checked;
  day_limit.placeholder = no_day_limit.checked ? "No daily limit" : "";
  if (no_day_limit.checked) day_limit.dataset.before = day_limit.value;
  day_limit.value = no_day_limit.checked ? "" : day_limit.value || (day_limit.dataset.before ?? "");
};

export const followLimits = (form) => {
  followBox(form.elements);
  if (form.elements.refill_on.checked) {
    suggestLargestCharge(form.elements);
    suggestDayLimit(form.elements);
  }
  countRefills(form);
};
