"""Who may use the sandbox's page, and for which account.

The page moves the clock of all accounts, so outside a demo only staff use it. The pages of the
sandbox bank, the sandbox PayPal and the card form are part of a payment, and open to everyone.
"""

import re
from dataclasses import dataclass

from flask import abort, make_response, request
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from webapp.actions.accounts.view_account import record_view
from webapp.domain.accounts.account import Account
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context, services
from webapp.reads.message import Message
from webapp.reads.notifications.outbox import Reader
from webapp.web.http.access import RecordId, permit, permit_operator, signed_in
from webapp.web.http.person import Person
from webapp.web.http.responses import go_to

ACCOUNT = "account"
"""Query argument: the id of the account that staff use the page for."""

OPEN = frozenset(("sandbox.capture", "sandbox.challenges", "sandbox.paypal"))
"""Endpoints that stand for other companies' pages."""

NO_ACCOUNT = Message("Create an account first: the sandbox page is about one account.", "warn")


@dataclass(frozen=True)
class Visit:
    person: Person
    account: Account
    named: int | None = None
    """The account's id in the URLs of the page; None for customers."""

    @property
    def reader(self) -> Reader:
        rights = frozenset(Right) if self.person.is_operator else self.person.rights
        return Reader(self.account, self.person.id, rights)


def require_demo_or_staff() -> None:
    """Answer 404 to customers outside a demo; runs before every request of the sandbox's pages."""
    if request.endpoint not in OPEN and not services().settings.demo:
        permit_operator()


def open_page() -> Visit:
    """Return the person and the account that the page is about.

    Customers use their own account. Staff name one in the URL, otherwise it is the first; what
    they read is recorded in its audit log (P2).
    """
    person = signed_in()
    if not person.is_operator or person.is_view_only:
        person = permit(Right.BILLING)
        return Visit(person, db.session.get_one(Account, person.account_id))
    account_id = _named_account()
    if request.method == "GET":
        record_view(make_context(person.actor), account_id, str(request.url_rule))
    return Visit(person, db.session.get_one(Account, account_id), named=account_id)


def go_back(message: Message) -> ResponseReturnValue:
    """Redirect to the page of the same account."""
    return go_to("sandbox.index", message, **{ACCOUNT: request.args.get(ACCOUNT)})


def _named_account() -> int:
    """The id of the account in the URL, or of the first one. 404 if there is none with this id."""
    named = request.args.get(ACCOUNT)
    if named is None:
        first = db.session.scalar(select(func.min(Account.id)))
        return first or abort(make_response(go_to("operator.accounts.index", NO_ACCOUNT)))
    account = (
        db.session.get(Account, int(named))
        if re.fullmatch(RecordId.regex, named, re.ASCII)
        else None
    )
    return account.id if account else abort(404)
