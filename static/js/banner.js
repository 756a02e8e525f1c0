/* The banner's buttons disappear once their problem is fixed; the focus then moves to the first row. A new banner
   after a press appears below the list, so that nothing moves under the pointer, and above it on the next load. */

import { aroundSwap } from "./around_swap.js";
import { focusRow } from "./focus.js";

const banner = document.getElementById("banner");
let hadFocus; // the focus was in the banner
let isNew; // there was no banner before
let isPress; // the response is to a press, not to a refresh

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  isPress = detail.requestConfig.elt.id !== "refresher";
});

aroundSwap(
  "banner",
  () => {
    hadFocus = banner.contains(document.activeElement);
    isNew = !banner.firstElementChild;
  },
  () => {
    if (isNew && isPress && banner.firstElementChild) document.getElementById("methods")?.after(banner);
    if (hadFocus && document.activeElement === document.body) focusRow();
  },
);
