/* The theme that the person has chosen, or else that of the system.
   Loaded in the head and not deferred, so that the first paint has it. */

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

  // Another tab has changed the theme.
  addEventListener("storage", ({ key }) => key === "theme" && apply(chosen()));
})();
