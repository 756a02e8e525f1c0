/* A button with data-passkey asks the browser for a passkey, and then sends its form with the answer:
   "create" makes one, "request" uses one. data-options is where the challenge comes from. */

const isSupported = Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON);

const CANCELLED = "No passkey was used. Try again, or choose another way.";
const FAILED = "The passkey could not be used. Check your connection and try again.";

const ask = async (way, address, token) => {
  const body = new FormData();
  body.set("csrf_token", token);
  const answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  const options = await answer.json();
  if (way === "create")
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
};

const say = (form, words) => (form.querySelector("[data-passkey-error]").textContent = words);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-passkey]");
  if (!button || button.ariaBusy === "true") return;
  event.preventDefault();
  const { form, dataset } = button;
  say(form, "");
  button.ariaBusy = "true";
  try {
    const credential = await ask(dataset.passkey, dataset.options, form.elements.csrf_token.value);
    form.elements[dataset.field].value = JSON.stringify(credential.toJSON());
    // What the other ways require is not asked for now.
    form.noValidate = true;
    form.requestSubmit();
  } catch (error) {
    say(form, error.name === "NotAllowedError" ? CANCELLED : FAILED);
  } finally {
    button.ariaBusy = null;
  }
});

if (!isSupported) document.documentElement.classList.add("without-passkeys");
