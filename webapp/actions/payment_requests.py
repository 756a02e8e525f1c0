"""What every payment has in common that a person asks for: bounds, one form one payment, the log.

`request_key` is made with the form. A form that is sent twice, by a double click, a reload or the
back button, finds its payment by it and charges nothing more.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import audit
from webapp.domain.accounts import Account
from webapp.domain.audit import Actor
from webapp.domain.errors import Conflict, Invalid
from webapp.domain.money import CENT
from webapp.domain.payments import Payment, PaymentKind, PaymentState
from webapp.domain.policy import Policy

FORM_USED = "form_used"


def check_amount(account: Account, amount: int, policy: Policy) -> None:
    if amount % CENT:
        raise Invalid({"amount": "At most 2 decimals"})
    if amount < policy.payment_min:
        raise Invalid({"amount": f"At least {account.show(policy.payment_min)}"})
    if amount > policy.payment_max:
        raise Invalid({"amount": f"At most {account.show(policy.payment_max)}"})


def new_payment(
    account: Account,
    kind: PaymentKind,
    amount: int,
    request_key: str,
    actor: Actor,
    now: datetime,
) -> Payment:
    return Payment(
        account_id=account.id,
        kind=kind,
        state=PaymentState.OPEN,
        amount=amount,
        currency=account.currency,
        requested_by_id=actor.user_id,
        request_key=request_key,
        created_at=now,
    )


def same_payment(
    session: Session,
    known: Payment,
    kind: PaymentKind,
    amount: int,
    method_id: int | None = None,
) -> Payment:
    """The payment that this form has made; raises `Conflict` if it now asks for another one."""
    methods = known.tried_method_ids
    same = (known.kind, known.amount) == (kind, amount)
    if not same or (method_id is not None and method_id not in methods):
        session.rollback()
        raise Conflict(
            "This form has been used for another payment. Check it and confirm once more.",
            code=FORM_USED,
        )
    session.rollback()
    return known


def audit_request(session: Session, payment: Payment, actor: Actor, now: datetime) -> None:
    audit.record(
        session,
        payment.account_id,
        actor,
        "payment_requested",
        now,
        payment=payment.reference,
        kind=payment.kind,
        amount=payment.amount,
    )
