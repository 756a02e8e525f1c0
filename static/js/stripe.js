/* Stripe's card form and challenges. Stripe's script is loaded on first use from the configured URL; card data
   stays in Stripe's frames. */

/* global htmx */

import { makeModal, makeNonModal } from "./dialogs.js";

const question = document.getElementById("question");
const clients = {};
let loading;

const load = (address) =>
  (loading ??= new Promise((ready, failed) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = ready;
    script.onerror = () => {
      loading = undefined; // so that the next attempt loads it again
      script.remove();
      failed(new Error("Stripe’s form could not be loaded."));
    };
    document.head.append(script);
  }));

const clientFor = async ({ script, key }) => {
  await load(script);
  clients[key] ??= window.Stripe(key);
  return clients[key];
};

// A card form

const forms = new WeakMap();

const say = (words) => {
  const alert = document.getElementById("card-refusal");
  if (!alert) return;
  alert.textContent = words;
  if (words) alert.focus();
};

const mount = async (form) => {
  if (forms.has(form)) return;
  forms.set(form, null);
  try {
    const stripe = await clientFor(form.dataset);
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const elements = stripe.elements({
      clientSecret: form.dataset.secret,
      appearance: { theme: dark ? "night" : "stripe" },
    });
    elements
      .create("payment", { wallets: { applePay: "never", googlePay: "never", link: "never" } })
      .mount(form.querySelector("[data-part=payment]"));
    // Autocompletion would send the address to Google.
    elements
      .create("address", { mode: "billing", autocomplete: { mode: "disabled" } })
      .mount(form.querySelector("[data-part=address]"));
    forms.set(form, { stripe, elements });
  } catch (error) {
    forms.delete(form);
    say(`${error.message} Close this and try again.`);
  }
};

const mountAll = (root) => root.querySelectorAll?.("[data-stripe-form]").forEach(mount);

document.addEventListener("htmx:afterSwap", ({ target }) => mountAll(target));
mountAll(document);

const confirm = async (form) => {
  const { stripe, elements } = forms.get(form);
  makeNonModal();
  try {
    return await stripe.confirmSetup({
      elements,
      redirect: "if_required",
      confirmParams: { return_url: new URL(form.dataset.returnTo, location.href).href },
    });
  } finally {
    makeModal();
  }
};

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-stripe-form]")) return;
  event.preventDefault();
  const button = event.submitter ?? form.querySelector("[type=submit]");
  if (button.ariaBusy === "true" || !forms.get(form)) return;
  button.ariaBusy = "true";
  say("");
  try {
    const { error, setupIntent } = await confirm(form);
    if (error) throw error;
    const hidden = document.getElementById("card-token");
    hidden.token.value = setupIntent.id;
    htmx.trigger(hidden, "submit");
  } catch (error) {
    say(error.message ?? "The card could not be checked. Nothing was saved; try again.");
    button.removeAttribute("aria-busy");
  }
});

// The card was declined: the form keeps its values and shows the reason.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { requestConfig, xhr } = event.detail;
  if (requestConfig.elt.id !== "card-token" || xhr.status !== 422) return;
  const form = document.querySelector("[data-stripe-form]");
  if (!form) return;
  event.detail.shouldSwap = false;
  const page = new DOMParser().parseFromString(xhr.response, "text/html");
  say(page.querySelector(".message").textContent.trim());
  form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
});

// A challenge for a payment. The server determines the outcome.

const ask = async (form) => {
  let over = true;
  try {
    const stripe = await clientFor(form.dataset);
    makeNonModal();
    await stripe.handleNextAction({ clientSecret: form.dataset.secret });
  } catch {
    over = false; // Stripe's script failed, so no challenge was shown
  } finally {
    makeModal();
  }
  form.querySelector(over ? "[data-over]" : "[data-give-up]").click();
};

document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target !== question) return;
  const form = question.querySelector("[data-stripe-question]");
  if (form) ask(form);
});

// A challenge on its own page. Wait for htmx to process the form before it is submitted.
const ownPage = document.querySelector("main [data-stripe-question]");
if (ownPage) addEventListener("load", () => ask(ownPage));

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.requestConfig.elt.matches("[data-stripe-question]")) question.replaceChildren();
});
