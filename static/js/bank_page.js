/* The sandbox bank's page in a frame. Browsers ignore autofocus there, so this focuses the first button once the
   surrounding page has focused the frame. It does not take the focus before: the page would then focus the frame a
   second time, and a key pressed in between would go to the page. It also reports Escape to the surrounding page,
   which gets no key events of the frame. */

const takeFocus = () => document.activeElement === document.body && document.querySelector("button")?.focus();

if (document.hasFocus()) takeFocus();
addEventListener("focus", takeFocus);
addEventListener("keydown", ({ key }) => key === "Escape" && parent.postMessage("give-up", "*"));
