/* The theme: what the person chose, or else what the system says.
   Loaded at once in the head, so that the first paint already has it. */

(() => {
  const root = document.documentElement;
  const chosen = () => localStorage.getItem("theme") ?? "system";

  const apply = (theme) => {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
  };

  apply(chosen());

  document.addEventListener("DOMContentLoaded", () => {
    for (const radio of document.querySelectorAll("[data-themes] input")) {
      radio.checked = radio.value === chosen();
      radio.addEventListener("change", () => {
        localStorage.setItem("theme", radio.value);
        apply(radio.value);
      });
    }
  });

  // Another tab of the same browser has chosen.
  addEventListener("storage", ({ key }) => key === "theme" && apply(chosen()));
})();
