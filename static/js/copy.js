/* Buttons that copy a value to the clipboard, with a brief confirmation, and buttons that print the page. */

const SECONDS = 2;
const region = document.getElementById("messages");

const copy = (words) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(words);
  // The clipboard API needs https or localhost; elsewhere execCommand still works.
  const field = document.createElement("textarea");
  field.className = "visually-hidden";
  field.value = words;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done ? Promise.resolve() : Promise.reject(new Error("not copied"));
};

const say = (words, className) => {
  const message = document.createElement("p");
  message.className = className;
  message.role = "status";
  message.textContent = words;
  region.replaceChildren(message);
};

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  try {
    await copy(button.dataset.copy);
  } catch {
    say("Your browser did not allow copying. Select the text instead.", "message");
    return;
  }
  button.focus();
  button.classList.add("copied");
  say(`${button.dataset.name} copied`, "visually-hidden");
  setTimeout(() => button.classList.remove("copied"), SECONDS * 1000);
});

document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-print]")) window.print();
});
