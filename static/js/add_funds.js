/* Add Funds: tabs, preset amounts, the balance after the payment, and the amount on the button. */

const dialog = () => document.querySelector("[data-add-funds]");

// Integers only: amounts in cents, the balance in millionths.
const cents = (text) => {
  const match = /^(\d{1,9})(?:\.(\d{1,2}))?$/.exec(text.replaceAll(",", "").trim());
  return match && Number(match[1]) * 100 + Number((match[2] ?? "").padEnd(2, "0"));
};

const written = (amount, symbol) => {
  const size = Math.abs(amount);
  const units = Math.trunc(size / 100).toLocaleString("en");
  return `${amount < 0 ? "−" : ""}${symbol}${units}.${String(size % 100).padStart(2, "0")}`;
};

const show = () => {
  const form = dialog();
  if (!form) return;
  const { balance, symbol } = form.dataset;
  const amount = cents(form.amount.value);
  form.querySelector("[data-after]").textContent =
    amount === null ? "…" : written(Math.floor(balance / 10_000) + amount, symbol);
  for (const quick of form.querySelectorAll(".quick-amount"))
    quick.ariaPressed = String(cents(quick.value) === amount);
  if (form.dataset.open) {
    const more =
      amount === null
        ? null
        : written(Math.floor((Number(balance) + Number(form.dataset.open)) / 10_000) + amount, symbol);
    form.querySelector("[data-after-open]").textContent = more ?? "…";
  }
  const pay = form.querySelector(".dialog-foot button");
  const [named, plain] = form.dataset.open ? ["Pay another", "Pay again"] : ["Pay", "Pay"];
  pay.textContent = amount ? `${named} ${written(amount, symbol)}` : plain;
  // If auto-charge cannot charge any method, there is nothing to pay.
  const blocked = Boolean(form.querySelector(".panel:not([hidden]) [data-barred]"));
  form.querySelector(".before-after").hidden = blocked;
  pay.disabled = blocked;
};

// Clear the amount's error once the amount is within bounds; the server validates again.
const clearError = (field) => {
  const amount = cents(field.value);
  const [least, most] = field.form
    .querySelector("[data-bounds]")
    .textContent.match(/\d[\d,.]*/g)
    .map(cents);
  if (amount === null || amount < least || amount > most) return;
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
