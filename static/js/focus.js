/* Where the focus goes when what had it is gone: to the row that this was about, or else to the list. */

export const focusRow = (id) =>
  (
    document.getElementById(`switch-${id}`) ??
    document.querySelector("#methods [role=switch]") ??
    document.querySelector("#methods .button.primary") ??
    document.getElementById("main")
  ).focus();
