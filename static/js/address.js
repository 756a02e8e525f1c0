/* Keep the URL in step with the shown list, as it is without scripts, so that reloads, bookmarks and refreshes
   show the same. */

document.addEventListener("htmx:afterSwap", ({ target }) => {
  const part = target.id && document.getElementById(target.id);
  const url = part?.closest("[data-address]")?.dataset.address;
  if (url) history.replaceState(null, "", url);
});
