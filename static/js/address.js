/* The address holds what is shown, as it does without scripts: a reload, a bookmark and the answer to what
   has changed meanwhile all show the same. */

document.addEventListener("htmx:afterSwap", ({ target }) => {
  const part = target.id && document.getElementById(target.id);
  const address = part?.closest("[data-address]")?.dataset.address;
  if (address) history.replaceState(null, "", address);
});
