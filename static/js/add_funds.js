/* Add Funds: tabs, preset amounts, the balance after the payment, and the amount on the button. */

import { formatOf, read, shown } from "./amounts.js";

const dialog = () => document.querySelector("[data-add-funds]");

const show = () => {
  const form = dialog();
  if (!form) return;
  const { balance, open = 0 } = form.dataset;
  const format = formatOf(form);
  const unit = 10 ** (6 - format.places); // millionths in a minor unit
  const amount = read(format, form.amount.value);
  const after = (micros) => (amount === null ? "…" : shown(format, Math.floor(micros / unit) + amount));
  form.querySelector("[data-after]").textContent = after(Number(balance));
  for (const quick of form.querySelectorAll(".quick-amount"))
    quick.ariaPressed = String(read(format, quick.value) === amount);
  const afterOpen = form.querySelector("[data-after-open]");
  if (afterOpen) afterOpen.textContent = after(Number(balance) + Number(open));
  const pay = form.querySelector(".dialog-foot button");
  const [named, plain] = form.dataset.open ? ["Pay another", "Pay again"] : ["Pay", "Pay"];
  pay.textContent = amount ? `${named} ${shown(format, amount)}` : plain;
  // If auto-charge cannot charge any method, there is nothing to pay.
  const blocked = Boolean(form.querySelector(".panel:not([hidden]) [data-barred]"));
  form.querySelector(".before-after").hidden = blocked;
  pay.disabled = blocked;
};

// Clear the amount's error once the amount is within bounds; the server validates again.
const clearError = (field) => {
  const amount = read(formatOf(field), field.value);
  const { least, most } = field.form.querySelector("[data-least]").dataset;
  if (amount === null || amount < Number(least) || amount > Number(most)) return;
  const container = field.closest(".field");
  container.classList.remove("invalid");
  container.querySelector(".field-error").textContent = "";
  field.removeAttribute("aria-invalid");
};

const choose = (tab) => {
  const form = dialog();
  form.kind.value = tab.dataset.kind;
  for (const other of form.querySelectorAll("[role=tab]")) {
    const chosen = other === tab;
    other.ariaSelected = String(chosen);
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  show();
  tab.focus();
};

document.addEventListener("input", ({ target }) => {
  if (!dialog() || target.form !== dialog()) return;
  show();
  if (target.name === "amount") clearError(target);
});

document.addEventListener("click", (event) => {
  const quick = event.target.closest(".quick-amount");
  if (quick) {
    quick.form.amount.value = quick.value;
    show();
    clearError(quick.form.amount);
  }
  const tab = event.target.closest("[data-add-funds] [role=tab]");
  if (tab) {
    event.preventDefault();
    choose(tab);
  }
});

document.addEventListener("keydown", (event) => {
  if (!event.target.matches("[data-add-funds] [role=tab]")) return;
  const tabs = [...dialog().querySelectorAll("[role=tab]")];
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step) choose(tabs.at((tabs.indexOf(event.target) + step) % tabs.length));
  if (event.key === " ") choose(event.target);
  if (step || event.key === " ") event.preventDefault();
});

document.addEventListener("htmx:afterSwap", show);
show();
