/* The sandbox bank's page in a frame. Browsers ignore autofocus there, so this focuses the first button once the
   frame has the focus. It also reports Escape to the surrounding page, which gets no key events of the frame. */

const takeFocus = () => document.activeElement === document.body && document.querySelector("button")?.focus();

takeFocus();
addEventListener("focus", takeFocus);
addEventListener("keydown", ({ key }) => key === "Escape" && parent.postMessage("give-up", "*"));
