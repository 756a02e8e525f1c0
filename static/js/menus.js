/* Menus are popovers, which the browser opens and closes. This adds arrow keys, and closes a menu after a choice. */

const items = (menu) =>
  [...menu.querySelectorAll("[role=menuitem]")].filter((item) => item.checkVisibility());

document.addEventListener(
  "toggle",
  ({ target: menu, newState }) => {
    const button = document.querySelector(`[popovertarget="${menu.id}"]`);
    button?.setAttribute("aria-expanded", newState === "open");
    if (newState === "open" && menu.role === "menu") items(menu)[0]?.focus({ focusVisible: false });
  },
  true,
);

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("[role=menu]");
  if (!menu) return;
  const all = items(menu);
  const here = all.indexOf(event.target);
  const next = {
    ArrowDown: all[(here + 1) % all.length],
    ArrowUp: all.at(here - 1),
    Home: all[0],
    End: all.at(-1),
  }[event.key];
  if (event.key === "Tab") menu.hidePopover();
  if (!next) return;
  event.preventDefault();
  next.focus();
});

document.addEventListener("click", ({ target }) => {
  const item = target.closest("[role=menuitem]");
  // Moves are often repeated, so their menu stays open.
  if (item && !item.closest("[data-stay]")) item.closest("[popover]")?.hidePopover();
});
