/* Amounts in an account's currency and number format, as `AmountFormat` of webapp/domain/shared/money.py reads and
   shows them. They are integers of minor units, such as cents or yen. */

const typed = (text) => text.replace(/[\u00a0\u202f]/g, " ").replaceAll("’", "'");
const escaped = (mark) => mark.replace(/[.'\s]/g, "\\$&");

/* The format of an element's amounts; see `AmountFormat.for_script`. */
export const formatOf = (element) => JSON.parse(element.closest("[data-amounts]").dataset.amounts);

/* The amount in a field's text, or null if there is none or its mark could mean decimals or thousands. */
export const read = ({ places, decimal, group }, text) => {
  const [given, mark] = [typed(text).trim(), typed(group)];
  const unsure = /^[1-9]\d{0,2}([.,])\d{3}$/.exec(given)?.[1];
  if ([".", decimal].includes(unsure) && (unsure !== mark || places)) return null;
  const grouped = new RegExp(`^(\\d{1,3}(?:${escaped(mark)}\\d{3})+)(?:${escaped(decimal)}(\\d+))?$`);
  const plain = new RegExp(`^(\\d{1,9})(?:[.${decimal}](\\d+))?$`);
  const [, units, fraction = ""] = grouped.exec(given) ?? plain.exec(given) ?? [];
  if (!units || /[1-9]/.test(fraction.slice(places))) return null;
  return Number(units.replace(/\D/g, "") + fraction.slice(0, places).padEnd(places, "0"));
};

const digits = ({ places, decimal }, amount) => {
  const all = String(Math.abs(amount)).padStart(places + 1, "0");
  const units = all.slice(0, all.length - places);
  return [units, places ? decimal + all.slice(-places) : ""];
};

/* The text of a field. */
export const fieldText = (format, amount) => digits(format, amount).join("");

/* The amount for people: "1.234,56 €". */
export const shown = (format, amount) => {
  const [units, fraction] = digits(format, amount);
  const grouped = units.replace(/\B(?=(\d{3})+$)/g, format.group);
  return `${amount < 0 ? "−" : ""}${format.before}${grouped}${fraction}${format.after}`;
};
