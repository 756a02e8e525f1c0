/* The message strip: every answer may bring one; it leaves by itself unless someone is at it. */

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
export const say = (words, reloads = false) => {
  const message = document.getElementById("said").content.firstElementChild.cloneNode(true);
  message.querySelector("p").textContent = words;
  message.querySelector("button").hidden = !reloads;
  region.replaceChildren(message);
  sayInDialog(words);
};

document.addEventListener("click", ({ target }) => target.closest?.("[data-reload]") && location.reload());

// Whoever has a dialog open neither sees nor hears what is said behind it.
const sayInDialog = (words) => {
  const place = document.querySelector("dialog[open] .dialog-body");
  if (!place) return;
  const note = place.querySelector("[data-outage]") ?? document.createElement("p");
  note.className = "note bad";
  note.role = "alert";
  note.dataset.outage = "";
  note.textContent = words;
  place.prepend(note);
};

// An outage or a refusal brings its own message: in the strip, or in the dialog that it did not replace.
const toldBy = ({ response }) =>
  new DOMParser().parseFromString(response, "text/html")
    .querySelector("#messages .message, .dialog-body [role=alert]")?.textContent.trim();

// A refusal that replaces nothing is told where the person is, as an outage is.
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

// No answer is not a refusal: what was asked may or may not have happened.
document.addEventListener("htmx:sendError", ({ target }) => {
  if (target.id !== "balance") say("The server did not respond. Reload the page to see the current state.", true);
});
document.addEventListener("htmx:responseError", ({ target, detail }) => {
  if (target.id === "balance" || detail.xhr.getResponseHeader("X-Session")) return;
  const told = toldBy(detail.xhr);
  say(told ?? "Something went wrong on our side. Reload the page to see the current state.", !told);
});
