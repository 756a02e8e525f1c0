/* A session that has ended, or was replaced by a new one, is told over the page, and nothing typed is
   lost (P5): after signing in, the page gets the new session's token and repeats the request. The
   dialog shows the form of the sign-in page itself, whatever way to sign in that offers. */

/* global htmx */

import { say } from "./messages.js";

const dialog = document.getElementById("signed-out");
const shell = document.querySelector(".shell[data-who]");
const passed = new WeakSet(); // forms whose session has been checked
let waiting; // what repeats the request that was refused

const token = (form) => form.elements.csrf_token;

// Who is signed in, and the token of their forms; null for nobody.
const whoIsHere = async () => {
  const answer = await fetch(shell.dataset.session, { headers: { Accept: "application/json" } });
  return answer.headers.get("Content-Type")?.startsWith("application/json") ? answer.json() : null;
};

// The person may have signed in to another account of theirs than the one on this page.
const visit = async (here) => {
  const body = new FormData();
  body.set("csrf_token", here.token);
  await fetch(shell.dataset.visit, { method: "POST", body });
  return whoIsHere();
};

const goOn = async (here) => {
  const [person] = shell.dataset.who.split("-");
  if (here.who !== shell.dataset.who && here.who.split("-")[0] === person && shell.dataset.visit) here = await visit(here);
  if (here?.who !== shell.dataset.who) {
    dialog.close();
    return say("This page belongs to another session. Reload it to continue. Nothing was changed.", true);
  }
  for (const field of document.querySelectorAll("input[name=csrf_token]")) field.value = here.token;
  const repeat = waiting;
  waiting = null;
  dialog.close();
  repeat?.();
};

const show = (page) => {
  const form = new DOMParser().parseFromString(page, "text/html").querySelector("form.lone-card");
  if (!form) return location.reload();
  const title = form.querySelector("h1");
  title.id = "signed-out-title";
  if (form.elements.password) title.textContent = "You were signed out";
  const { email } = form.elements;
  if (email) {
    email.value ||= shell.dataset.email;
    email.readOnly = email.value === shell.dataset.email; // nobody else goes on with this page
  }
  form.querySelector(".lone-foot")?.remove();
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
  const here = await whoIsHere();
  if (here) return goOn(here);
  const answer = await fetch(`${shell.dataset.signIn}?next=${encodeURIComponent(shell.dataset.session)}`);
  if (!dialog.open) show(await answer.text());
};

// The form of the sign-in page, or of the code that may follow it.
dialog?.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method === "dialog") return;
  event.preventDefault();
  const button = form.querySelector("[type=submit]");
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  try {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
    const isIn = answer.headers.get("Content-Type")?.startsWith("application/json");
    if (isIn) await goOn(await answer.json());
    else show(await answer.text());
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
  if (!elt || !hasEnded(detail.xhr)) return (repeated = null);
  if (repeated === elt) return say("This page is out of date. Reload it and try again. Nothing was changed.", true);
  // What asks by itself asks again by itself.
  if (triggeringEvent?.type === "submit" || triggeringEvent?.type === "click")
    waiting = () => {
      if (!elt.isConnected) return;
      repeated = elt;
      if (elt.matches("form")) elt.requestSubmit(triggeringEvent.submitter);
      else htmx.trigger(elt, triggeringEvent.type);
    };
  ask();
});

// A form that leads to another page would leave what was typed behind: its session is checked first.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const isPlain = form.method === "post" && !form.hasAttribute("hx-post") && token(form) && !form.closest("#signed-out");
  if (event.defaultPrevented || !shell || !isPlain || passed.delete(form)) return;
  event.preventDefault();
  const { submitter } = event;
  const send = () => {
    passed.add(form);
    form.requestSubmit(submitter);
  };
  try {
    const here = await whoIsHere();
    if (here?.who === shell.dataset.who && here.token === token(form).value) return send();
    waiting = send;
    if (here) await goOn(here);
    else await ask();
  } catch {
    say("No connection. Nothing was sent.");
  }
});
