/* Replaces Stripe's script: the same calls, a plain field instead of its frames, and the bank's
   challenge as a box over the page. */

(() => {
  const origin = new URL(document.currentScript.src).origin;

  const send = async (action, body) => {
    const answer = await fetch(`${origin}/browser/${action}`, {
      method: "POST",
      body: new URLSearchParams(body),
    });
    return answer.json();
  };

  const challenge = (key, secret) =>
    new Promise((answered) => {
      const box = document.createElement("section");
      box.setAttribute("role", "dialog");
      box.setAttribute("aria-label", "Your bank, by Stripe");
      Object.assign(box.style, { position: "fixed", top: "0", left: "0", zIndex: "2147483647" });
      for (const [words, verb] of [
        ["Complete authentication", "complete"],
        ["Fail authentication", "fail"],
      ]) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = words;
        button.addEventListener("click", async () => {
          box.remove();
          answered(await send(verb, { key, secret }));
        });
        box.append(button);
      }
      document.body.append(box);
    });

  /* Without these options Stripe offers Link, and asks Google for addresses. */
  const checkOptions = (kind, { wallets, autocomplete } = {}) => {
    const chosen = kind === "payment" ? wallets?.link === "never" : autocomplete?.mode === "disabled";
    if (!chosen) throw new Error("Wrongly called");
  };

  const element = (kind, typed) => ({
    mount(place) {
      if (kind !== "payment") return;
      const label = document.createElement("label");
      const field = document.createElement("input");
      label.append("Card number", field);
      field.addEventListener("input", () => (typed.number = field.value));
      place.append(label);
    },
  });

  window.Stripe = (key) => ({
    elements({ clientSecret }) {
      const typed = { number: "" };
      const create = (kind, options) => {
        checkOptions(kind, options);
        return element(kind, typed);
      };
      return { create, typed, clientSecret };
    },
    async confirmSetup({ elements, confirmParams, redirect }) {
      if (redirect !== "if_required" || !confirmParams.return_url.startsWith("http"))
        throw new Error("Wrongly called");
      const secret = elements.clientSecret;
      let result = await send("confirm", { key, secret, number: elements.typed.number });
      if (result.intent?.status === "requires_action") result = await challenge(key, secret);
      return result.error ? { error: result.error } : { setupIntent: result.intent };
    },
    async handleNextAction({ clientSecret }) {
      const result = await challenge(key, clientSecret);
      return result.error ? { error: result.error } : { paymentIntent: result.intent };
    },
  });
})();
