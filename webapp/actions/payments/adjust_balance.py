"""Credit or debit an account as an operator, with a reason (P2)."""

from dataclasses import dataclass
from hashlib import sha256

from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.actions.top_ups.pause_automatic import pause_account
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payments import BalanceCredited, BalanceDebited
from webapp.domain.payments import adjustments
from webapp.domain.payments.payment import NOTE_LENGTH, Payment
from webapp.domain.shared import texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Invalid
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.webhooks import payloads


@dataclass(frozen=True)
class Adjusted:
    payment: Payment
    is_new: bool


def adjust_balance(
    ctx: Context,
    account_id: int,
    amount: int,
    reason: str,
    *,
    request_key: str = "",
    confirmed: int | None = None,
    hold: bool = False,
) -> Payment:
    """Post the adjustment. `amount` is in micros; a negative amount is a debit.

    `request_key` identifies the form: a form submitted twice moves money once. `hold` (T18): if
    the debit would start a refill, automatic refills pause instead until an operator resumes them.
    Raises `NotFound`, `Invalid`, `Denied` if the account is closed, `Conflict` if the key belongs
    to another amount, or `ChargeUnconfirmed` like `check_balance`.
    """
    key, due = request_key, confirmed
    return _adjust(ctx, account_id, amount, reason, key, confirmed=due, hold=hold).payment


def adjust_once(
    ctx: Context,
    account_id: int,
    amount: int,
    reason: str,
    reference: str,
    *,
    confirmed: int | None = None,
    hold: bool = False,
) -> Adjusted:
    """Like `adjust_balance`, once per reference of the provider (V9).

    By default a debit can start the automatic refill that the customer has agreed to, as usage can.
    """
    own = sha256(f"{account_id} {reference}".encode()).hexdigest()[:45]
    return _adjust(ctx, account_id, amount, reason, f"ref{own}", confirmed=confirmed, hold=hold)


def _adjust(
    ctx: Context,
    account_id: int,
    amount: int,
    reason: str,
    request_key: str,
    *,
    confirmed: int | None,
    hold: bool,
) -> Adjusted:
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid({"reason": "Enter a reason. It is shown on the statement"})
    if fault := texts.fault(reason, NOTE_LENGTH):
        raise Invalid({"reason": fault})
    if amount == 0:
        raise Invalid({"amount": "Must not be zero"})
    account = Account.locked(ctx.session, account_id)
    if known := adjustments.by_request_key(ctx.session, account_id, request_key):
        ctx.session.rollback()
        if known.amount != amount:
            raise Conflict("This adjustment was made before with another amount.")
        return Adjusted(known, is_new=False)
    account.require_not_closed()
    confirmed = confirmed_or_due(ctx, account, confirmed)
    payment = adjustments.post(ctx, account, amount, reason, request_key)
    event = (
        BalanceCredited.about(account, payment, reason=reason)
        if amount > 0
        else BalanceDebited(amount, reason, payment.id)
    )
    events.record(ctx, account_id, event)
    payloads.balance(ctx, account)
    if hold and LowBalanceSettings.of(ctx.session, account_id).is_below_refill(account.balance):
        pause_account(ctx, account, reason)
    check_balance(ctx, account, "balance adjusted", confirmed=confirmed)
    ctx.session.commit()
    return Adjusted(payment, is_new=True)
