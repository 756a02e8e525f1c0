/* Move the focus when the focused element is gone: to the method's row, or else to the list. */

export const focusRow = (id) =>
  (
    document.getElementById(`switch-${id}`) ??
    document.querySelector("#methods [role=switch]") ??
    document.querySelector("#methods .button.primary") ??
    document.getElementById("main")
  ).focus();
