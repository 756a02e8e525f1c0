"""Refuse changes where a person may only read: an operator who views an account as its customer,
everybody in a closed account (V4), and portal sessions on pages that give lasting access (V8).

The pages stay; their controls are off (`controls.py`).
"""

from flask import Flask, request, session
from flask_login import current_user

from webapp.actions.accounts.view_account import record_view
from webapp.domain.shared.errors import Denied
from webapp.extensions import make_context
from webapp.web.http.access import TOKEN
from webapp.web.http.person import Person

VIEW_ONLY = "You are viewing this account as its customer. Controls are off."
CLOSED = "This account is closed. You can read everything, and change nothing."

PORTAL = (
    "You came from your provider’s portal. To do this, sign in with your own email address and "
    "password."
)

READING = ("GET", "HEAD", "OPTIONS")

CHANGING = frozenset(
    (
        # These GET requests conclude what the customer started.
        "payment_methods.card_captured",
        "payment_methods.new_card",
        "challenges.setup_returned",
        "challenges.payment_returned",
    )
)

OWN = frozenset(("operator", "session", "probes"))
"""Blueprints that work normally during a view. Probes do because they must answer even when the
database, and with it the person, cannot be read."""

PERSONAL = OWN | frozenset(
    (
        *("accounts", "profile", "passwords", "passkeys", "second_factor", "emails", "sign_up"),
        *("invitations", "portal", "unsubscribe", "webhooks", "sandbox"),
    )
)
"""Blueprints that do not change the account, and so work in a closed one."""


LASTING = frozenset(("users", "api_keys", "webhook_endpoints", "data", "notifications"))
"""Blueprints whose changes outlast a portal session: people, keys, endpoints, imports, and who is
emailed.
"""

SIGN_IN = frozenset(("profile", "passwords", "passkeys", "second_factor", "emails", "invitations"))
"""Blueprints about the person's own sign-in, which a portal session does not open."""

SIGN_IN_ENDPOINTS = frozenset(
    ("session.end", "session.sign_out_others", "session.sign_out_everywhere", "sign_up.send_again")
)


def init_app(app: Flask) -> None:
    app.before_request(enforce)


def why_off(person: Person) -> str:
    """Return why the person may change nothing by this request; empty if they may."""
    if person.is_view_only:
        return VIEW_ONLY
    if person.is_from_portal and LASTING & set(request.blueprints):
        return PORTAL
    if person.is_closed and not PERSONAL & set(request.blueprints):
        return CLOSED
    return ""


def enforce() -> None:
    """Refuse changes, and log each page while an operator views an account."""
    # Static files and unknown routes have no blueprint.
    names = set(request.blueprints)
    is_sign_in = bool(SIGN_IN & names) or request.endpoint in SIGN_IN_ENDPOINTS
    if TOKEN not in session or not names or (OWN & names and not is_sign_in):
        return
    person = current_user
    if not person.is_authenticated:
        return
    if is_sign_in and person.is_from_portal:
        raise Denied(PORTAL)
    if not (why := why_off(person)):
        return
    if request.method not in READING or request.endpoint in CHANGING:
        raise Denied(why)
    is_polled = request.endpoint == "balance.show"  # open pages ask every few seconds
    if person.is_view_only and not is_polled:
        record_view(make_context(person.actor), person.account_id, str(request.url_rule))
