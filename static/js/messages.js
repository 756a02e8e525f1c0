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
};

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
document.addEventListener("htmx:responseError", ({ target }) => {
  if (target.id !== "balance") say("Something went wrong on our side. Reload the page to see where things stand.");
});
