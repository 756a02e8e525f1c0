/* The page refreshes its parts when the account has changed. What a person does meanwhile overtakes
   that: an answer that was begun before it would bring back how things stood. */

let deeds = 0; // under way; each brings the fresh parts itself
let overtaken = false;

const isDeed = ({ detail }) => detail.requestConfig.verb !== "get";

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id !== "refresher") return;
  if (deeds) event.preventDefault();
  else overtaken = false;
});

document.addEventListener("htmx:beforeSend", (event) => {
  if (!isDeed(event)) return;
  deeds += 1;
  overtaken = true;
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (isDeed(event)) deeds -= 1;
});

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.requestConfig.elt.id === "refresher" && overtaken) detail.shouldSwap = false;
});

/* The result of a press stays until the next load, or the next press. */
let refreshing = false;

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  refreshing = detail.requestConfig.elt.id === "refresher";
});

Idiomorph.defaults.callbacks.beforeNodeRemoved = (node) => !(refreshing && "keep" in (node.dataset ?? {}));

/* What a person has opened stays open; an answer may open it, and never closes it. */
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node, change) =>
  !(change === "remove" && name === "open" && node.tagName === "DETAILS");
