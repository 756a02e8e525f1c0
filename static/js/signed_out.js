/* When the session has ended or was replaced, ask to sign in without leaving the page, so that nothing typed is
   lost (P5). After sign-in the page gets the new session's CSRF token and repeats the request. The dialog shows
   the form of the sign-in page, with all ways to sign in. */

/* global htmx */

import { say } from "./messages.js";

const dialog = document.getElementById("signed-out");
const shell = document.querySelector(".shell[data-who]");
const passed = new WeakSet(); // forms whose session has been checked
let pending; // a function that repeats the refused request

const token = (form) => form.elements.csrf_token;

// The current session: its person and CSRF token. Null if nobody is signed in.
const fetchSession = async () => {
  const response = await fetch(shell.dataset.session, { headers: { Accept: "application/json" } });
  return response.headers.get("Content-Type")?.startsWith("application/json") ? response.json() : null;
};

// Switch the session to the account of this page; sign-in may have chosen another account of the person.
const switchAccount = async (session) => {
  const body = new FormData();
  body.set("csrf_token", session.token);
  await fetch(shell.dataset.visit, { method: "POST", body });
  return fetchSession();
};

const resume = async (session) => {
  const [person] = shell.dataset.who.split("-");
  if (session.who !== shell.dataset.who && session.who.split("-")[0] === person && shell.dataset.visit)
    session = await switchAccount(session);
  if (session?.who !== shell.dataset.who) {
    dialog.close();
    return say("This page belongs to another session. Reload it to continue. Nothing was changed.", true);
  }
  for (const field of document.querySelectorAll("input[name=csrf_token]")) field.value = session.token;
  const repeat = pending;
  pending = null;
  dialog.close();
  repeat?.();
};

const show = (page) => {
  const form = new DOMParser().parseFromString(page, "text/html").querySelector("form.auth-card");
  if (!form) return location.reload();
  const title = form.querySelector("h1");
  title.id = "signed-out-title";
  if (form.elements.password) title.textContent = "You were signed out";
  const { email } = form.elements;
  if (email) {
    email.value ||= shell.dataset.email;
    email.readOnly = email.value === shell.dataset.email; // only the same person may continue with this page
  }
  form.querySelector(".auth-foot")?.remove();
  form.querySelector("h1 + .note:not([role=alert])")?.remove();
  if (form.elements.password && !form.querySelector("[role=alert]:not(:empty)")) {
    const words = document.createElement("p");
    words.textContent = "Sign in to continue here. What you typed is kept.";
    title.after(words);
  }
  dialog.lastElementChild.replaceChildren(document.importNode(form, true));
  if (!dialog.open) dialog.showModal();
  const fields = [...dialog.querySelectorAll("input:not([type=hidden], [type=checkbox])")];
  fields.find((field) => !field.value)?.focus();
};

const ask = async () => {
  if (dialog.open) return;
  const session = await fetchSession();
  if (session) return resume(session);
  const response = await fetch(`${shell.dataset.signIn}?next=${encodeURIComponent(shell.dataset.session)}`);
  if (!dialog.open) show(await response.text());
};

// The form of the sign-in page, or of the code page that may follow.
dialog?.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method === "dialog") return;
  event.preventDefault();
  const button = form.querySelector("[type=submit]");
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  try {
    const response = await fetch(form.action, { method: "POST", body: new FormData(form) });
    const isSignedIn = response.headers.get("Content-Type")?.startsWith("application/json");
    if (isSignedIn) await resume(await response.json());
    else show(await response.text());
  } catch {
    say("No connection. You are not signed in yet.");
  } finally {
    button.ariaBusy = null;
  }
});

const hasEnded = (xhr) => xhr.getResponseHeader("X-Session") === "ended";
let repeated; // the element whose request was repeated, to ask once only

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const { elt, triggeringEvent } = detail.requestConfig ?? {};
  if (!elt || !hasEnded(detail.xhr)) {
    repeated = null;
    return;
  }
  if (repeated === elt)
    return say("This page is out of date. Reload it and try again. Nothing was changed.", true);
  // Polling requests repeat by themselves.
  if (triggeringEvent?.type === "submit" || triggeringEvent?.type === "click")
    pending = () => {
      if (!elt.isConnected) return;
      repeated = elt;
      if (elt.matches("form")) elt.requestSubmit(triggeringEvent.submitter);
      else htmx.trigger(elt, triggeringEvent.type);
    };
  ask();
});

// A form that loads another page would lose the typed values, so check its session first.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const isPlain =
    form.method === "post" && !form.hasAttribute("hx-post") && token(form) && !form.closest("#signed-out");
  if (event.defaultPrevented || !shell || !isPlain || passed.delete(form)) return;
  event.preventDefault();
  const { submitter } = event;
  const send = () => {
    passed.add(form);
    form.requestSubmit(submitter);
  };
  try {
    const session = await fetchSession();
    if (session?.who === shell.dataset.who && session.token === token(form).value) return send();
    pending = send;
    if (session) await resume(session);
    else await ask();
  } catch {
    say("No connection. Nothing was sent.");
  }
});
