/* The address holds the filters, as it does without scripts: a reload, a bookmark and the answer to what
   has changed meanwhile all show the same rows. */

document.addEventListener("htmx:afterSwap", ({ target }) => {
  const { address } = document.getElementById("payments")?.dataset ?? {};
  if (target.id === "payments" && address) history.replaceState(null, "", address);
});
