"""Set default limits for accounts whose refill settings predate the limits (T9, T10)."""

from dataclasses import replace

from sqlalchemy import and_, or_, select

from webapp.actions.batch import run_each
from webapp.actions.top_ups.apply_settings import save_settings
from webapp.actions.top_ups.check_balance import check_balance
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.top_ups import LimitsSet
from webapp.domain.shared.context import SYSTEM, Context
from webapp.domain.top_ups.default_limit import with_default_limit
from webapp.domain.top_ups.settings import (
    Choice,
    LowBalanceSettings,
    RefillMode,
    suggested_largest_charge,
)


def set_missing_limits(ctx: Context) -> int:
    """Set missing limits and email the account's users. Returns the number of accounts.

    `apply_settings` never saves settings without limits, so later runs find nothing.
    """
    row = LowBalanceSettings
    lacking = ctx.session.scalars(
        select(row.account_id).where(
            row.refill_on,
            or_(
                and_(row.day_limit.is_(None), ~row.no_day_limit),
                and_(row.refill_mode == RefillMode.TARGET, row.largest_charge.is_(None)),
            ),
        )
    ).all()
    ctx.session.rollback()

    def set_limits(account_id: int) -> bool:
        account = Account.locked(ctx.session, account_id)
        settings = LowBalanceSettings.of(ctx.session, account_id)
        before = settings.chosen()
        choice = _completed(ctx, account, before)
        if choice == before:
            ctx.session.rollback()
            return False
        save_settings(ctx.by(SYSTEM), account, settings, choice)
        _record(ctx, account, before, choice, settings.version)
        check_balance(ctx, account, "limits set", routine=True)
        ctx.session.commit()
        return True

    return run_each(ctx.session, lacking, set_limits, "account without limits")


def _completed(ctx: Context, account: Account, choice: Choice) -> Choice:
    if choice.refill_mode is RefillMode.TARGET and choice.largest_charge is None and choice.target:
        largest = suggested_largest_charge(choice.target, ctx.policy.bounds(account.currency))
        choice = replace(choice, largest_charge=largest)
    return with_default_limit(ctx, account, choice) if choice.most_at_once else choice


def _record(ctx: Context, account: Account, before: Choice, choice: Choice, version: int) -> None:
    day_limit, largest = (
        getattr(choice, name) if getattr(choice, name) != getattr(before, name) else None
        for name in ("day_limit", "largest_charge")
    )
    events.record(ctx, account.id, LimitsSet(day_limit, largest, version))
