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

const say = (words) => {
  const message = document.createElement("p");
  message.className = "message";
  message.role = "status";
  message.textContent = words;
  region.replaceChildren(message);
  sayInDialog(words);
};

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

// An outage brings its own message, in the parts that any answer may bring.
const toldBy = ({ response }) =>
  new DOMParser().parseFromString(response, "text/html").querySelector("#messages .message")?.textContent.trim();

new MutationObserver(() => region.firstElementChild && plan()).observe(region, {
  childList: true,
  characterData: true,
  subtree: true,
});
if (region.firstElementChild) plan();

// No answer is not a refusal: what was asked may or may not have happened.
document.addEventListener("htmx:sendError", ({ target }) => {
  if (target.id !== "balance") say("The server did not answer. Reload the page to see where things stand.");
});
document.addEventListener("htmx:responseError", ({ target, detail }) => {
  if (target.id === "balance") return;
  say(toldBy(detail.xhr) ?? "Something went wrong on our side. Reload the page to see where things stand.");
});
