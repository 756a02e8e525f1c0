/* The balance in the header asks for news by itself; not, though, while nobody looks or nobody is signed in. */

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "balance" && (document.hidden || document.querySelector("#signed-out[open]"))) event.preventDefault();
});
