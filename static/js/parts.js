/* Parts of the page replace themselves out of band. This tells when one is about to be replaced, which
   the answer `false` prevents, and when that is done, before anything is painted. */

export const aroundSwap = (id, before, after) =>
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (event.target.id !== id) return;
    if (before() === false) event.detail.shouldSwap = false;
    else queueMicrotask(after);
  });
