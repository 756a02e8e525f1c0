"""Checks shared by all payments that a user requests: bounds, duplicate forms, the audit log.

`request_key` is generated with the form. A form that is submitted twice (double click, reload, back
button) finds its payment by this key and charges nothing more.
"""

from collections.abc import Collection

from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payments import PaymentRequested
from webapp.domain.payments import queries
from webapp.domain.payments.payment import Payment, PaymentKind, PaymentState
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Invalid
from webapp.domain.shared.money import decimals_fault

OPEN_UNSEEN = "open_payment_unseen"
"""Error code: the form did not show a payment that is still open (T15)."""

KEY_USED = "payment_key_used"
"""Error code: the request key is that of another payment or request."""


def check_amount(ctx: Context, account: Account, amount: int) -> None:
    """Raise `Invalid` if `amount` (micros) is not in whole minor units or is out of bounds.

    Raises `Denied` if the account is closed.
    """
    account.require_not_closed()
    bounds = ctx.policy.bounds(account.currency)
    if fault := decimals_fault(amount, account.currency):
        raise Invalid({"amount": fault})
    if amount < bounds.payment_min:
        raise Invalid({"amount": f"At least {account.show(bounds.payment_min)}"})
    if amount > bounds.payment_max:
        raise Invalid({"amount": f"At most {account.show(bounds.payment_max)}"})


def new_payment(
    ctx: Context, account: Account, kind: PaymentKind, amount: int, request_key: str
) -> Payment:
    return Payment(
        account_id=account.id,
        kind=kind,
        state=PaymentState.OPEN,
        amount=amount,
        currency=account.currency,
        requested_by_id=ctx.actor.user_id,
        request_key=request_key,
        created_at=ctx.now,
    )


def same_payment(
    ctx: Context, known: Payment, kind: PaymentKind, amount: int, method_id: int | None = None
) -> Payment:
    """Return the payment this form has created; raise `Conflict` if the form has changed since."""
    methods = known.tried_method_ids
    same = (known.kind, known.amount) == (kind, amount)
    if not same or (method_id is not None and method_id not in methods):
        ctx.session.rollback()
        raise Conflict(
            "This form has been used for another payment. Check it and confirm again.",
            code=KEY_USED,
        )
    ctx.session.rollback()
    return known


def audit_request(ctx: Context, payment: Payment) -> None:
    event = PaymentRequested(payment.reference, payment.kind, payment.amount, payment.id)
    events.record(ctx, payment.account_id, event)


def require_seen(ctx: Context, account: Account, seen_open: Collection[int] | None) -> None:
    """T15: a second payment can be confirmed only if the form showed the open one.

    `seen_open`: ids of the open payments that the form showed, or None without a form (API).
    Raises `Conflict`.
    """
    if seen_open is None:
        return
    unseen = [
        attempt
        for attempt in queries.open_attempts(ctx.session, account.id)
        if attempt.payment_id not in seen_open
    ]
    if unseen:
        raise Conflict(
            f"Nothing was charged: a payment of {account.show(unseen[0].amount)} is still open. "
            "Check it first.",
            code=OPEN_UNSEEN,
        )
