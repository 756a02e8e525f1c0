/* The balance in the header polls the server, except while the page is hidden or the session has ended. */

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "balance" && (document.hidden || document.querySelector("#signed-out[open]")))
    event.preventDefault();
});
