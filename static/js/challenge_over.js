/* The bank is done. The page around this frame is told so, and nothing else: it asks the server how it
   ended. Without a page around it, this one leads on. */

if (parent === window) document.querySelector("[data-back]")?.click();
else parent.postMessage("challenge-over", "*");
