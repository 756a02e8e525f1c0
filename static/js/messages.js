/* The message strip. A message disappears by itself, unless it is hovered or focused. */

const SECONDS = 8;
const region = document.getElementById("messages");
let timer;

const clear = () => {
  if (region.matches(":hover, :focus-within")) plan();
  else region.replaceChildren();
};

const plan = () => {
  clearTimeout(timer);
  timer = setTimeout(clear, SECONDS * 1000);
};

// `reloads`: offer to reload the page.
export const say = (text, reloads = false) => {
  const message = document.getElementById("message-template").content.firstElementChild.cloneNode(true);
  message.querySelector("p").textContent = text;
  message.querySelector("button").hidden = !reloads;
  region.replaceChildren(message);
  sayInDialog(text);
};

document.addEventListener("click", ({ target }) => target.closest?.("[data-reload]") && location.reload());

// Messages behind an open dialog are neither visible nor read out, so repeat them in the dialog.
const sayInDialog = (text) => {
  const body = document.querySelector("dialog[open] .dialog-body");
  if (!body) return;
  const note = body.querySelector("[data-outage]") ?? document.createElement("p");
  note.className = "note bad";
  note.role = "alert";
  note.dataset.outage = "";
  note.textContent = text;
  body.prepend(note);
};

// The message of an error response, from the strip or from a dialog that was not swapped in.
const messageOf = ({ response }) =>
  new DOMParser()
    .parseFromString(response, "text/html")
    .querySelector("#messages .message, .dialog-body [role=alert]")
    ?.textContent.trim();

// A refusal that replaces nothing is shown as a message, like an outage.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.xhr.status < 400 || detail.xhr.getResponseHeader("HX-Reswap") !== "none") return;
  detail.shouldSwap = false;
  detail.isError = true;
});

new MutationObserver(() => region.firstElementChild && plan()).observe(region, {
  childList: true,
  characterData: true,
  subtree: true,
});
if (region.firstElementChild) plan();

// Without a response it is unknown whether the request took effect.
document.addEventListener("htmx:sendError", ({ target }) => {
  if (target.id !== "balance")
    say("The server did not respond. Reload the page to see the current state.", true);
});
document.addEventListener("htmx:responseError", ({ target, detail }) => {
  if (target.id === "balance" || detail.xhr.getResponseHeader("X-Session")) return;
  const message = messageOf(detail.xhr);
  say(message ?? "Something went wrong on our side. Reload the page to see the current state.", !message);
});
