"""The Retry dialog, and the page behind an authentication link (F4, F7)."""

from dataclasses import dataclass

from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.payment_method import MethodStatus
from webapp.domain.payments import queries
from webapp.domain.payments.payment import AttemptState
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound
from webapp.domain.top_ups import top_up as top_ups


@dataclass(frozen=True)
class RetryDialog:
    attempt_id: int
    method_id: int
    amount: str
    """ "$250.00", as in the title "Retry $250.00?"."""
    method: str
    brand: str
    declined: str
    """ "Declined today, 10:02 · Insufficient funds"."""
    advice: str
    consequence: str
    """What success and failure change."""
    balance_before: str
    balance_after: str
    can_restore: bool
    """Offer Restore without paying: the method is suspended."""
    request_key: str


def read_retry(ctx: Context, account_id: int, attempt_id: int, request_key: str) -> RetryDialog:
    """Raises `NotFound`, also for a payment that did not fail or whose method was removed."""
    account = ctx.session.get_one(Account, account_id)
    failed = queries.find_attempt(ctx.session, account_id, attempt_id)
    method = failed.method
    if failed.state != AttemptState.DECLINED or method is None or method.removed_at is not None:
        raise NotFound("That failed payment")
    why = reason(failed.decline_code)
    when = datetimes.since(failed.declined_at or failed.started_at, account.time_zone, ctx.now)
    out = method.obstacle(ctx.now)
    return RetryDialog(
        attempt_id=failed.id,
        method_id=method.id,
        amount=account.show(failed.amount),
        method=method.label,
        brand=method.chip,
        declined=f"Declined {datetimes.within(when)} · {why.sentence}",
        advice=why.advice,
        consequence=_retry_consequence(out) if method.auto_charge else _MANUAL_ONLY,
        balance_before=account.show(account.balance),
        balance_after=account.show(account.balance + failed.amount),
        can_restore=method.suspension(ctx.now) is not None and out is MethodStatus.SUSPENDED,
        request_key=request_key,
    )


_MANUAL_ONLY = "Auto-charge is off for this method, so it is charged only when you pay with it."


def _retry_consequence(out: MethodStatus | None) -> str:
    if out is MethodStatus.EXPIRED:
        return "The card has expired, so it won’t be charged automatically even if this succeeds."
    if out is None:
        return "If it is declined, this method is suspended for 48 hours."
    otherwise = (
        "the 48 hours start over" if out is MethodStatus.SUSPENDED else "it stays out of use"
    )
    return (
        "If the payment succeeds, this method is back in use at once. "
        f"If it is declined, {otherwise}."
    )


@dataclass(frozen=True)
class Authentication:
    """The page behind an email's link (F7): the Retry dialog, or why the link has ended (F10)."""

    retry: RetryDialog | None
    ended: str
    """Why the link has ended; empty while it works."""


def read_authentication(
    ctx: Context, account_id: int, attempt_id: int, request_key: str
) -> Authentication:
    """Raises `NotFound` for another account's payment."""
    attempt = queries.find_attempt(ctx.session, account_id, attempt_id)
    ended = top_ups.why_not_resumable(ctx, attempt)
    if ended:
        return Authentication(None, ended)
    return Authentication(read_retry(ctx, account_id, attempt_id, request_key), "")
