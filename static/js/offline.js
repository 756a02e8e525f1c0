/* While the browser is offline, a bar shows the time of the last response, controls are off, and nothing is sent
   (P5). Typed values are kept. */

const bar = document.getElementById("offline");
const shell = document.querySelector(".shell[data-session]");
const RETRY = 2000;
const WHY = "You are offline. Nothing is sent until the connection is back.";

let lastResponse = new Date();
let restore = []; // functions that restore the controls
let timer;

const isOff = () => !bar.hidden;

const off = (control) => {
  const isText = control.matches(
    "textarea, input:not([type=checkbox], [type=radio], [type=range], [type=file])",
  );
  if (isText && !control.readOnly) {
    control.readOnly = true;
    restore.push(() => (control.readOnly = false));
  } else if (control.matches("input, select") && !control.disabled) {
    control.disabled = true;
    restore.push(() => (control.disabled = false));
  } else if (!control.hasAttribute("aria-disabled")) {
    control.setAttribute("aria-disabled", "true");
    control.dataset.why = WHY;
    restore.push(() => {
      control.removeAttribute("aria-disabled");
      delete control.dataset.why;
    });
  }
};

const CONTROLS =
  "button:not([popovertarget^=menu-]), a:is([role=button], [role=menuitem]), form[method=post] :is(input, select, textarea):not([type=hidden])";

const begin = () => {
  if (isOff()) return;
  bar.querySelector("[data-time]").textContent = lastResponse.toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  bar.hidden = false;
  for (const control of document.querySelectorAll(`:is(main, dialog) :is(${CONTROLS})`)) off(control);
  timer = setInterval(checkConnection, RETRY);
};

const end = () => {
  clearInterval(timer);
  bar.hidden = true;
  for (const undo of restore) undo();
  restore = [];
};

// Any response means that the server is reachable.
const checkConnection = async () => {
  try {
    await fetch(shell.dataset.session, { cache: "no-store", headers: { Accept: "application/json" } });
    lastResponse = new Date();
    if (isOff()) end();
  } catch {
    begin();
  }
};

document.addEventListener("htmx:afterOnLoad", () => (lastResponse = new Date()));
document.addEventListener("htmx:sendError", checkConnection);
document.addEventListener("htmx:beforeRequest", (event) => isOff() && event.preventDefault());
document.addEventListener(
  "submit",
  (event) => {
    if (!isOff()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);
addEventListener("offline", begin);
addEventListener("online", checkConnection);
