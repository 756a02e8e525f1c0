/* While a file is sent and posted, says how far it is. The form itself goes the usual way: its answer is
   the report. */

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
    const answer = await fetch(form.dataset.import);
    if (!answer.ok) return;
    const told = await answer.json();
    bar.value = told.percent;
    if (told.words) words.textContent = told.words;
  }, EVERY);
});
