/* Show the progress of an import. The form itself is submitted as usual; its response is the report. */

const EVERY = 500; // ms

const form = document.querySelector("[data-import]");

form.addEventListener("submit", () => {
  if (!form.elements.file.files.length) return;
  const part = form.querySelector("[data-progress]");
  part.hidden = false;
  form.querySelector("button[type=submit]").setAttribute("aria-busy", "true");
  const bar = part.querySelector("progress");
  const words = part.querySelector("[data-words]");
  setInterval(async () => {
    const response = await fetch(form.dataset.import);
    if (!response.ok) return;
    const progress = await response.json();
    bar.value = progress.percent;
    if (progress.words) words.textContent = progress.words;
  }, EVERY);
});
