/* A button with data-passkey asks the browser for a passkey and then submits its form with the result. "create"
   creates a passkey, "request" uses one. data-options is the URL of the challenge. */

const isSupported = Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON);

const CANCELLED = "No passkey was used. Try again, or choose another way.";
const FAILED = "The passkey could not be used. Check your connection and try again.";

const ask = async (way, url, token) => {
  const body = new FormData();
  body.set("csrf_token", token);
  const response = await fetch(url, { method: "POST", body, headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  const options = await response.json();
  if (way === "create")
    return navigator.credentials.create({
      publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
    });
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
    // Fields that other ways to sign in require may be empty.
    form.noValidate = true;
    form.requestSubmit();
  } catch (error) {
    say(form, error.name === "NotAllowedError" ? CANCELLED : FAILED);
  } finally {
    button.ariaBusy = null;
  }
});

if (!isSupported) document.documentElement.classList.add("without-passkeys");
