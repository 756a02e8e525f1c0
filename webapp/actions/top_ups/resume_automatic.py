"""Resume automatic refills after a pause (T10)."""

from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.top_ups import AutomaticResumed
from webapp.domain.shared import texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict
from webapp.domain.top_ups.settings import LowBalanceSettings, PausedBy


def resume_automatic(
    ctx: Context, account_id: int, *, reason: str | None = None, confirmed: int | None = None
) -> None:
    """Resume, with an empty burst window. Without a pause nothing changes.

    `reason`: given by an operator. Without it, raises `Conflict` if an operator paused the account.
    Raises `ChargeUnconfirmed` like `check_balance`.
    """
    given = "" if reason is None else texts.reason(reason)
    account = Account.locked(ctx.session, account_id)
    settings = LowBalanceSettings.of(ctx.session, account_id)
    if settings.paused_by == PausedBy.OPERATOR and reason is None:
        ctx.session.rollback()
        raise Conflict("Your provider has paused automatic refills. Only they can resume them.")
    if settings.paused_at is not None:
        confirmed = confirmed_or_due(ctx, account, confirmed)
        settings.resume(ctx.now)
        who = ctx.actor.name if reason is None else "Your provider"
        events.record(ctx, account_id, AutomaticResumed(who, given))
        check_balance(ctx, account, "resumed", confirmed=confirmed)
    ctx.session.commit()
