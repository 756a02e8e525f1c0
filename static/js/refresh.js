/* The page refreshes its parts when the account has changed. What a person does meanwhile overtakes
   that: an answer that was begun before it would bring back how things stood. */

/* global htmx */

let deeds = 0; // under way; each brings the fresh parts itself

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "refresher" && deeds) event.preventDefault();
});

document.addEventListener("htmx:beforeSend", ({ detail }) => {
  if (detail.requestConfig.verb === "get") return;
  deeds += 1;
  if (document.getElementById("refresher")) htmx.trigger("#refresher", "htmx:abort");
});

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.requestConfig.verb !== "get") deeds -= 1;
});
