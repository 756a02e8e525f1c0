/* The banner's buttons go away with what they mend. The focus then goes on to the first row. A banner
   that a press brings about comes in below the list, so that nothing moves under the pointer; on the
   next load it is above. */

import { focusRow } from "./focus.js";
import { aroundSwap } from "./parts.js";

const banner = document.getElementById("banner");
let held; // the focus was in the banner
let isNew; // there was none before
let isPress; // the answer is to a press, and not a refresh

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  isPress = detail.requestConfig.elt.id !== "refresher";
});

aroundSwap(
  "banner",
  () => {
    held = banner.contains(document.activeElement);
    isNew = !banner.firstElementChild;
  },
  () => {
    if (isNew && isPress && banner.firstElementChild) document.getElementById("methods")?.after(banner);
    if (held && document.activeElement === document.body) focusRow();
  },
);
