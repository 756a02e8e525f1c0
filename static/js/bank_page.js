/* The pretend bank's page in a frame of ours. There the browser does not heed autofocus, so the first
   button takes the focus itself, once the frame has it. Escape pressed in here is the page's to heed,
   which would not hear of it. All else works without. */

const takeFocus = () => document.activeElement === document.body && document.querySelector("button")?.focus();

takeFocus();
addEventListener("focus", takeFocus);
addEventListener("keydown", ({ key }) => key === "Escape" && parent.postMessage("give-up", "*"));
