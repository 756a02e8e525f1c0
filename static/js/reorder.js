/* Reorder the methods by dragging, or by the arrow keys on a handle. Both submit the form #order, whose response is
   the new list; until then the numbers and the star are unchanged. */

/* global Sortable, htmx */

import { aroundSwap } from "./around_swap.js";

const methods = () => document.getElementById("methods");
const rows = () => [...document.querySelectorAll(".method")];
const order = () =>
  rows()
    .map((row) => row.dataset.id)
    .join(",");
const still = matchMedia("(prefers-reduced-motion: reduce)");

let sortable;
let dragging = false;
let cancelled = false;
let begun; // the order when the row was lifted
let tops; // the positions of the rows before a response

/* Label the dragged copy with what dropping it here charges at once. The server asks first. */
const labelCharge = ({ item }) => {
  const first = item.parentElement.firstElementChild;
  const amount = first.dataset.id === begun[0] ? "" : first.dataset.chargeIfFirst;
  const place = first === item ? "First place" : "This order";
  if (amount) Sortable.ghost.dataset.charges = `${place} charges ${amount} now`;
  else delete Sortable.ghost.dataset.charges;
};

const post = ({ item }) => {
  const drop = document.getElementById("drop");
  drop.value = order();
  drop.formAction = `${drop.form.getAttribute("action")}?moved=${item.dataset.id}`;
  sortable.option("disabled", true);
  drop.click();
};

const attach = () => {
  const list = methods()?.querySelector("ol");
  if (!list || Sortable.get(list)) return;
  sortable = new Sortable(list, {
    handle: ".handle",
    filter: ".handle[aria-disabled=true]",
    animation: still.matches ? 0 : 160,
    // The browser's own dragging knows neither touch nor our lifted row.
    forceFallback: true,
    fallbackOnBody: true,
    fallbackTolerance: 3,
    delay: 250,
    delayOnTouchOnly: true,
    fallbackClass: "lifted",
    ghostClass: "gap",
    dataIdAttr: "data-id",
    onStart: () => {
      dragging = true;
      cancelled = false;
      begun = sortable.toArray();
    },
    onChange: labelCharge,
    onUpdate: (event) => cancelled || post(event),
    onEnd: () => {
      dragging = false;
      if (!cancelled) return;
      putBack();
      // Refreshes were held back during the drag.
      htmx.trigger("#refresher", "account-changed");
    },
  });
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && dragging) {
    cancelled = true;
    document.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
  }
  const way = { ArrowUp: "up", ArrowDown: "down" }[event.key];
  if (!way || !event.target.matches(".handle")) return;
  event.preventDefault();
  event.target.closest(".method").querySelector(`.move[data-way=${way}]`).click();
});

const remember = () => {
  if (dragging) return false;
  tops = new Map(rows().map((row) => [row.id, row.getBoundingClientRect().top]));
};

const glide = () => {
  attach();
  for (const row of still.matches ? [] : rows()) {
    const way = (tops.get(row.id) ?? NaN) - row.getBoundingClientRect().top;
    if (way) row.animate({ translate: [`0 ${way}px`, "none"] }, { duration: 160, easing: "ease-out" });
  }
};

aroundSwap("methods", remember, glide);

// Sortable's own animation would interrupt the one of the drag, and the last row would ignore the next drag.
const putBack = () => {
  remember();
  sortable.sort(begun);
  glide();
};

// Without a response a dropped row returns to its place.
const goBack = ({ target }) => {
  if (target.id === "order" && begun) putBack();
  begun = null;
};

document.addEventListener("htmx:sendError", goBack);
document.addEventListener("htmx:responseError", goBack);
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.target.id !== "order") return;
  sortable?.option("disabled", false);
  // The new order charges at once, so the server asks for confirmation.
  if (event.detail.xhr.status === 409 && event.detail.xhr.getResponseHeader("HX-Retarget")) goBack(event);
});

// The response marks the moved row; remove the class so that the animation can run again.
document.addEventListener("animationend", ({ target, animationName }) => {
  if (animationName === "flash") target.closest(".method").classList.remove("just-moved");
});

attach();
