/* The banner's buttons go away with what they mend. The focus then goes on to the first row. */

import { focusRow } from "./focus.js";
import { aroundSwap } from "./parts.js";

let held; // the focus was in the banner

aroundSwap(
  "banner",
  () => {
    held = document.getElementById("banner").contains(document.activeElement);
  },
  () => held && document.activeElement === document.body && focusRow(),
);
