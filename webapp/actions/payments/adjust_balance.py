"""Credit or debit an account as an operator, with a reason (P2)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.actions.top_ups.pause_automatic import pause_account
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.payments import adjustments
from webapp.domain.payments.payment import NOTE_LENGTH, Payment
from webapp.domain.shared import texts
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.settings import LowBalanceSettings


def adjust_balance(
    session: Session,
    account_id: int,
    amount: int,
    reason: str,
    actor: Actor,
    now: datetime,
    policy: Policy,
    *,
    request_key: str = "",
    confirmed: int | None = None,
    hold: bool = False,
) -> Payment:
    """Post the adjustment. `amount` is in micros; a negative amount is a debit.

    `request_key` identifies the form: a form submitted twice moves money once. `hold` (T18): if
    the debit would start a refill, automatic payments pause instead until an operator resumes them.
    Raises `NotFound`, `Invalid`, or `ChargeUnconfirmed` like `check_balance`.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid({"reason": "Enter a reason. It is shown on the statement"})
    if fault := texts.fault(reason, NOTE_LENGTH):
        raise Invalid({"reason": fault})
    if amount == 0:
        raise Invalid({"amount": "Must not be zero"})
    account = Account.locked(session, account_id)
    if known := adjustments.by_request_key(session, account_id, request_key):
        session.rollback()
        return known
    confirmed = confirmed_or_due(session, account, confirmed, now, policy)
    payment = adjustments.post(session, account, amount, reason, now, request_key)
    audit.record(session, account_id, actor, "adjusted", now, amount=amount, reason=reason)
    if hold and LowBalanceSettings.of(session, account_id).is_below_refill(account.balance):
        pause_account(session, account, reason, actor, now, policy)
    check_balance(session, account, "balance adjusted", now, policy, confirmed=confirmed)
    session.commit()
    return payment
