"""On the sandbox page: refunds, disputes and changed methods, which are sent to the webhook.

The sandbox's books have no accounts, so each reference is checked against the account (P1).
"""

from collections.abc import Sequence

from flask import abort, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from webapp.actions.payments.receive_event import Receipt, receive_event
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared.field_tables import read_amount
from webapp.extensions import db, make_context, services
from webapp.ports import ReversalKind, ReversalState
from webapp.processors.sandbox.books import SandboxBooks
from webapp.reads.message import Message
from webapp.web.http import forms
from webapp.web.sandbox.visit import go_back, open_page

ENDS = {"won": ReversalState.RETURNED, "lost": ReversalState.LOST}

NOT_DELIVERED = (
    "Recorded at the processor, but the webhook failed; it will be sent again next time."
)


def take_back() -> ResponseReturnValue:
    """Refund, dispute or reverse a charge."""
    account, books = open_page().account, _books()
    key, kind = request.form.get("charge", ""), request.form.get("kind", "")
    if key not in _own_keys(account, [key]) or kind not in set(ReversalKind):
        abort(404)
    errors: dict[str, str] = {}
    left, now = books.reversals.left_of(key), services().clock.now()
    amount = read_amount(request.form, "amount", errors, account.amounts) or left
    if errors or not 0 < amount <= left:
        return _not_left()
    try:
        if kind == ReversalKind.REFUND:
            books.reversals.refund(key, amount, now)
        elif kind == ReversalKind.DISPUTE:
            books.reversals.dispute(key, now)
        else:
            books.reversals.reverse(key, now)
    except ValueError:  # a concurrent request has taken it back
        return _not_left()
    return _delivered("The charge was taken back.")


def _not_left() -> ResponseReturnValue:
    return go_back(Message("That exceeds what is left of this charge.", "bad"))


def close(reference: str) -> ResponseReturnValue:
    """Close a dispute as won or lost, or return a refund."""
    account, books = open_page().account, _books()
    end = ENDS.get(request.form.get("end", "")) or abort(400)
    row = books.reversals.find(reference)
    if row is None or row.key not in _own_keys(account, [row.key]):
        abort(404)
    if row.kind is not ReversalKind.DISPUTE and end is ReversalState.LOST:
        abort(400)
    books.reversals.close(reference, end, services().clock.now())
    return _delivered("The money came back." if end is ReversalState.RETURNED else "It is lost.")


def change_method() -> ResponseReturnValue:
    """Renew a card, or remove a method at the processor (M13)."""
    account, books = open_page().account, _books()
    method = payment_methods.find(db.session(), account.id, forms.whole_number("method"))
    reference, now = method.processor_reference, services().clock.now()
    if request.form.get("change") == "renew":
        books.reversals.renew(reference, now)
        return _delivered("The bank has renewed the card.")
    books.reversals.take_away(reference, now)
    return _delivered("The method is removed at the processor.")


def deliver() -> bool:
    """Send pending webhooks as a real processor does. False if one was not accepted."""
    books = _books()
    for number, delivery in books.reversals.undelivered(services().clock.now()):
        processor = services().processors.get(delivery.processor)
        if processor is not None:
            receipt = receive_event(make_context(), processor, delivery.body, delivery.headers)
            if receipt not in (Receipt.DONE, Receipt.KNOWN):
                return False
        books.reversals.record_delivery(number, services().clock.now())
    services().wake()
    return True


def _delivered(text: str) -> ResponseReturnValue:
    message = Message(text) if deliver() else Message(NOT_DELIVERED, "bad")
    return go_back(message)


def _own_keys(account: Account, keys: Sequence[str]) -> set[str]:
    query = select(Attempt.key).where(Attempt.account_id == account.id, Attempt.key.in_(keys))
    return set(db.session.scalars(query))


def _books() -> SandboxBooks:
    return services().sandbox or abort(404)
