"""Titles and sentences of the audit log, one per kind of change (P2).

A test requires an entry for every kind that the code writes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webapp.domain.accounts.account import Account
from webapp.domain.accounts.billing_details import FIELDS as BILLING_DETAILS
from webapp.domain.notifications.settings import FIELDS as NOTIFICATION_SETTINGS
from webapp.domain.payments.payment import KIND_NAMES, PaymentKind
from webapp.domain.shared import money
from webapp.domain.shared.field_tables import Table
from webapp.domain.top_ups.settings import FIELDS as SETTINGS
from webapp.reads.notifications.email_labels import NAMES
from webapp.reads.usage.imports import count_words

Details = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """Filter group, title and sentence of one kind of change."""

    group: str
    """Name of the filter option."""
    title: str
    sentence: Callable[[Details, Account], str]


def fixed(sentence: str) -> Callable[[Details, Account], str]:
    """Return a sentence builder that fills a template such as "{method} was removed"."""
    return lambda details, account: sentence.format_map(_Lenient(details))


class _Lenient(dict[str, Any]):
    """Details of an entry; older entries may lack fields that newer sentences use."""

    def __missing__(self, name: str) -> str:
        return "not recorded"


def _mail(sentence: str) -> Callable[[Details, Account], str]:
    """Like `fixed`, but `{mail}` is the name of the email's kind."""

    def build(details: Details, account: Account) -> str:
        named = {"mail": NAMES[details["mail"]]} if details.get("mail") in NAMES else {}
        return fixed(sentence)({**details, **named}, account)

    return build


def on_off(value: object) -> str:
    return "on" if value else "off"


def _amount(details: Details, account: Account, name: str = "amount", currency: str = "") -> str:
    value = details.get(name)
    if not isinstance(value, int):
        return "an amount"
    return money.show(value, currency or account.currency, account.locale)


def _signed_in(details: Details, account: Account) -> str:
    by = details.get("by")
    return f"With password and {by}." if by else "With password."


def _turned(details: Details, account: Account) -> str:
    return f"Turned {on_off(details.get('on'))}."


def _in_roles(who: str) -> Callable[[Details, Account], str]:
    def build(details: Details, account: Account) -> str:
        return f"{who.format_map(_Lenient(details))}, as {_names(details.get('roles', ()))}."

    return build


def _roles(details: Details, account: Account) -> str:
    before, after = (_names(details.get(name, ())) for name in ("before", "after"))
    return f"{details.get('person')}: from {before} to {after}."


def _names(roles: Sequence[str]) -> str:
    return ", ".join(role.capitalize() for role in roles) or "no role"


def _auto_charge(details: Details, account: Account) -> str:
    return f"{details.get('method')}: turned {on_off(details.get('on'))}."


def _order(details: Details, account: Account) -> str:
    after = ", ".join(details.get("order", ()))
    before = ", ".join(details.get("before", ()))
    return f"From {before} to {after}." if before else f"New order: {after}."


def _billing_details(details: Details, account: Account) -> str:
    after: Mapping[str, Any] = details.get("after", {})
    values = [it.show(after.get(name, ""), account.show) for name, it in BILLING_DETAILS.items()]
    return f"Billed to {', '.join(filter(None, values))}."


def _changed(table: Table) -> Callable[[Details, Account], str]:
    def build(details: Details, account: Account) -> str:
        changed: Mapping[str, Any] = details.get("changed", {})
        parts = [
            field.change(changed[name][0], changed[name][1], account.show)
            for name, field in table.items()
            if name in changed
        ]
        return _sentence("; ".join(parts)) if parts else "No visible setting changed."

    return build


def _payment(details: Details, account: Account) -> str:
    kind = details.get("kind", "")
    known = kind in set(PaymentKind)
    words = KIND_NAMES.get(PaymentKind(kind), kind) if known else "Payment"
    return f"{words} of {_amount(details, account)}, {details.get('payment')}."


def _wire_requested(details: Details, account: Account) -> str:
    amount = _amount(details, account, currency=details.get("currency", ""))
    return f"{details.get('wire')} for {amount}."


def _wire_completed(details: Details, account: Account) -> str:
    credited = _amount(details, account)
    rate = f" at {details['rate']}" if details.get("rate") else ""
    text = f"{details.get('wire')}: {credited} credited{rate}, {details.get('payment')}."
    return text + _reason(details)


def _adjusted(details: Details, account: Account) -> str:
    amount = details.get("amount", 0)
    verb = "credited" if amount > 0 else "debited"
    shown = account.show(abs(amount))
    return f"{shown} {verb}. Reason: {details.get('reason')}"


def _decided(details: Details, account: Account) -> str:
    outcome = "paid" if details.get("paid") else "not charged"
    return f"Attempt {details.get('attempt')}: {outcome}. Reason: {details.get('reason')}"


def _paypal(details: Details, account: Account) -> str:
    state = "allowed" if details.get("allowed") else "not allowed"
    return f"PayPal is {state} for this account.{_reason(details)}"


def _key_created(details: Details, account: Account) -> str:
    scopes = ", ".join(details.get("scopes", ())) or "not recorded"
    networks = ", ".join(details.get("networks", ()))
    allowed = f"; allowed IP addresses: {networks}" if networks else ""
    return f"{_key(details)}; permissions: {scopes}{allowed}."


def _key_rotated(details: Details, account: Account) -> str:
    return f"{_key(details)} replaces {details.get('replaces')}…"


def _key_revoked(details: Details, account: Account) -> str:
    return f"{_key(details)}."


def _webhook_events(details: Details, account: Account) -> str:
    events = ", ".join(details.get("events", ())) or "events not recorded"
    before = details.get("before")
    moved = f"From {before} to" if before and before != details.get("url") else "To"
    return f"{moved} {details.get('url')}: {events}."


def _webhook_switched(details: Details, account: Account) -> str:
    return f"{details.get('url')}: turned {on_off(details.get('on'))}."


def _webhook_ended(details: Details, account: Account) -> str:
    gone = details.get("why") == "gone"
    why = "the endpoint answered 410 Gone" if gone else "deliveries failed for days"
    return f"{details.get('url')}: {why}."


def _usage_imported(details: Details, account: Account) -> str:
    if not {"posted", "duplicate", "bad"} <= details.keys():
        return f"{details.get('file')}."
    counts = count_words(details["posted"], details["duplicate"], details["bad"])
    return f"{details.get('file')}: {counts}."


def _key(details: Details) -> str:
    return f"{details.get('name')} ({details.get('key')}…)"


def _resumed(details: Details, account: Account) -> str:
    return f"Automatic refills are running again.{_reason(details)}"


def _reason(details: Details) -> str:
    return f" Reason: {details['reason']}" if details.get("reason") else ""


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


SIGN_IN = "Signing in"
PEOPLE = "Users"
METHODS = "Payment methods"
PAYMENTS = "Payments"
WIRES = "Wire transfers"
LOW_BALANCE = "Low Balance Settings"
NOTIFICATIONS = "Notifications"
ACCOUNT = "Account"
OPERATOR = "Your provider"
DEVELOPERS = "API keys and webhooks"

KINDS: dict[str, Kind] = {
    "signed_in": Kind(SIGN_IN, "Signed in", _signed_in),
    "password_accepted": Kind(SIGN_IN, "Password accepted", fixed("Waiting for the code.")),
    "code_refused": Kind(SIGN_IN, "Sign-in refused", fixed("The code was wrong.")),
    "proof_refused": Kind(SIGN_IN, "Confirmation refused", fixed("Wrong password or code.")),
    "signed_out_everywhere": Kind(SIGN_IN, "Signed out everywhere", fixed("All sessions ended.")),
    "passkey_added": Kind(PEOPLE, "Passkey added", fixed("{passkey}.")),
    "passkey_removed": Kind(PEOPLE, "Passkey removed", fixed("{passkey}.")),
    "session_ended": Kind(SIGN_IN, "Session ended", fixed("{device}.")),
    "sign_up_expired": Kind(PEOPLE, "Sign-up expired", fixed("The email was never confirmed.")),
    "sign_in_refused": Kind(SIGN_IN, "Sign-in refused", fixed("The password was wrong.")),
    "second_factor_on": Kind(PEOPLE, "Two-step sign-in", fixed("Turned on.")),
    "second_factor_off": Kind(PEOPLE, "Two-step sign-in", fixed("Turned off.")),
    "second_factor_reset": Kind(
        OPERATOR, "Two-step sign-in reset", fixed("{person}. Reason: {reason}")
    ),
    "recovery_codes": Kind(
        PEOPLE, "Recovery codes created", fixed("The old codes no longer work.")
    ),
    "second_factor_required": Kind(PEOPLE, "Two-step sign-in for everyone", _turned),
    "password_forgotten": Kind(SIGN_IN, "Password reset requested", fixed("A link was requested.")),
    "password_changed": Kind(PEOPLE, "Password changed", fixed("All other sessions ended.")),
    "email_asked": Kind(PEOPLE, "Email change requested", fixed("New address: {email}.")),
    "email_confirmed": Kind(PEOPLE, "Email confirmed", fixed("{email}.")),
    "email_changed": Kind(PEOPLE, "Email changed", fixed("From {before} to {after}.")),
    "invited": Kind(PEOPLE, "Invited", _in_roles("{email}")),
    "invited_again": Kind(PEOPLE, "Invited again", fixed("{email}.")),
    "invitation_revoked": Kind(PEOPLE, "Invitation withdrawn", fixed("{email}.")),
    "joined": Kind(PEOPLE, "Joined", _in_roles("By invitation")),
    "roles": Kind(PEOPLE, "Roles changed", _roles),
    "person_removed": Kind(PEOPLE, "User removed", fixed("{person}, {email}.")),
    "ownership": Kind(PEOPLE, "Ownership transferred", fixed("From {before} to {after}.")),
    "name": Kind(PEOPLE, "Name changed", fixed("From {before} to {after}.")),
    "account_created": Kind(ACCOUNT, "Account created", fixed("Owner added.")),
    "method_added": Kind(METHODS, "Method added", fixed("{method}.")),
    "method_refused": Kind(
        METHODS,
        "Method refused",
        fixed("The setup belongs to another account, so nothing was saved."),
    ),
    "method_refreshed": Kind(METHODS, "Method updated", fixed("{method} was added again.")),
    "method_removed": Kind(METHODS, "Method removed", fixed("{method}.")),
    "method_restored": Kind(METHODS, "Method restored", fixed("{method}, without payment.")),
    "auto_charge": Kind(METHODS, "Auto-charge", _auto_charge),
    "order": Kind(METHODS, "Order changed", _order),
    "settings": Kind(LOW_BALANCE, "Settings applied", _changed(SETTINGS)),
    "billing_details": Kind(ACCOUNT, "Billing details changed", _billing_details),
    "notifications": Kind(NOTIFICATIONS, "Notifications changed", _changed(NOTIFICATION_SETTINGS)),
    "unsubscribed": Kind(NOTIFICATIONS, "Unsubscribed by link", fixed("Topic: {topic}.")),
    "paused": Kind(OPERATOR, "Automatic refills paused", fixed("Reason: {reason}")),
    "resumed": Kind(LOW_BALANCE, "Automatic refills resumed", _resumed),
    "payment_requested": Kind(PAYMENTS, "Payment requested", _payment),
    "wire_requested": Kind(WIRES, "Wire transfer requested", _wire_requested),
    "wire_proof_added": Kind(WIRES, "Proof uploaded", fixed("{file} for {wire}.")),
    "wire_cancelled": Kind(WIRES, "Wire transfer cancelled", fixed("{wire}.")),
    "wire_completed": Kind(WIRES, "Wire transfer completed", _wire_completed),
    "wire_rejected": Kind(WIRES, "Wire transfer rejected", fixed("{wire}. Reason: {reason}")),
    "api_key_created": Kind(DEVELOPERS, "API key created", _key_created),
    "api_key_rotated": Kind(DEVELOPERS, "API key rotated", _key_rotated),
    "usage_imported": Kind(DEVELOPERS, "Usage imported", _usage_imported),
    "exported": Kind(ACCOUNT, "Account exported", fixed("All account data was downloaded.")),
    "webhook_added": Kind(DEVELOPERS, "Webhook added", _webhook_events),
    "webhook_changed": Kind(DEVELOPERS, "Webhook changed", _webhook_events),
    "webhook_switched": Kind(DEVELOPERS, "Webhook switched", _webhook_switched),
    "webhook_removed": Kind(DEVELOPERS, "Webhook removed", fixed("{url}.")),
    "webhook_rotated": Kind(DEVELOPERS, "Webhook secret rotated", fixed("{url}.")),
    "webhook_ended": Kind(DEVELOPERS, "Webhook switched off", _webhook_ended),
    "api_key_revoked": Kind(DEVELOPERS, "API key revoked", _key_revoked),
    "adjusted": Kind(OPERATOR, "Balance adjusted", _adjusted),
    "attempt_decided": Kind(OPERATOR, "Charge resolved", _decided),
    "mail_resent": Kind(OPERATOR, "Email sent again", _mail("{mail}. Reason: {reason}")),
    "mail_read": Kind(OPERATOR, "Email viewed", _mail("{mail}, to {recipient}.")),
    "view_begun": Kind(OPERATOR, "Account viewed", fixed("Read-only. Reason: {reason}")),
    "viewed": Kind(OPERATOR, "Page viewed", fixed("{page}, read-only.")),
    "operator_created": Kind(OPERATOR, "Operator created", fixed("User {operator}.")),
    "operator_removed": Kind(OPERATOR, "Operator removed", fixed("User {operator}.")),
    "secret_key_rotated": Kind(
        OPERATOR, "Secret key replaced", fixed("{secrets} secrets re-encrypted.")
    ),
    "paypal_allowed": Kind(OPERATOR, "PayPal", _paypal),
}


def groups() -> tuple[str, ...]:
    """Filter groups, in display order."""
    return tuple(dict.fromkeys(kind.group for kind in KINDS.values()))


def whats(group: str) -> tuple[str, ...]:
    return tuple(what for what, kind in KINDS.items() if kind.group == group)


def title(what: str) -> str:
    """Title of a kind; for a kind that this version does not know, its code in words."""
    kind = KINDS.get(what)
    return kind.title if kind else what.replace("_", " ").capitalize()


def sentence(what: str, details: Details, account: Account) -> str:
    kind = KINDS.get(what)
    return kind.sentence(details, account) if kind else ""
