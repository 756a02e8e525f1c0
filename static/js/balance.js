/* The balance in the header asks for news by itself; not, though, while nobody looks. */

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "balance" && document.hidden) event.preventDefault();
});
