/* A new account's dates are in the time zone of whoever signs it up, as their browser knows it. */

const field = document.querySelector("[data-time-zone]");
if (field && !field.value) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
