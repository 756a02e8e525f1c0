/* Refresh the page's parts when the account has changed. A write brings the new parts itself, so a refresh that
   started before the end of the write is dropped: it would restore the old state. */

// A set of requests, because htmx ends a request twice if its element has left the page.
const pendingWrites = new Set();
let isStale = false;

const isWrite = ({ detail }) => detail.requestConfig.verb !== "get";

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id !== "refresher") return;
  if (pendingWrites.size) event.preventDefault();
  else isStale = false;
});

document.addEventListener("htmx:beforeSend", (event) => {
  if (!isWrite(event)) return;
  pendingWrites.add(event.detail.xhr);
  isStale = true;
});

document.addEventListener("htmx:afterRequest", (event) => pendingWrites.delete(event.detail.xhr));

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.requestConfig.elt.id === "refresher" && isStale) detail.shouldSwap = false;
});

/* The result of a press stays until the next page load or press. */
let refreshing = false;

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  refreshing = detail.requestConfig.elt.id === "refresher";
});

Idiomorph.defaults.callbacks.beforeNodeRemoved = (node) => !(refreshing && "keep" in (node.dataset ?? {}));

/* A response may open a <details> element but never close it. */
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node, change) =>
  !(change === "remove" && name === "open" && node.tagName === "DETAILS");
