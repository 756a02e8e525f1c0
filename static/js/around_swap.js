/* Callbacks around the out-of-band swap of a part of the page. `before` can prevent the swap by returning false;
   `after` runs before the next paint. */

export const aroundSwap = (id, before, after) =>
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (event.target.id !== id) return;
    if (before() === false) event.detail.shouldSwap = false;
    else queueMicrotask(after);
  });
