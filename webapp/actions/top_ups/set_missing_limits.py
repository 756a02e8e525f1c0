"""Set default limits for accounts whose refill settings predate the limits (T9, T10)."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from webapp.actions.batch import run_each
from webapp.actions.top_ups.apply_settings import save_settings
from webapp.actions.top_ups.check_balance import check_balance
from webapp.domain.accounts import decisions
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import SYSTEM
from webapp.domain.accounts.decisions import Code
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.default_limit import with_default_limit
from webapp.domain.top_ups.settings import (
    Choice,
    LowBalanceSettings,
    RefillMode,
    suggested_largest_charge,
)


def set_missing_limits(session: Session, now: datetime, policy: Policy) -> int:
    """Set missing limits and email the account's users. Returns the number of accounts.

    `apply_settings` never saves settings without limits, so later runs find nothing.
    """
    row = LowBalanceSettings
    lacking = session.scalars(
        select(row.account_id).where(
            row.refill_on,
            or_(
                and_(row.day_limit.is_(None), ~row.no_day_limit),
                and_(row.refill_mode == RefillMode.TARGET, row.largest_charge.is_(None)),
            ),
        )
    ).all()
    session.rollback()

    def set_limits(account_id: int) -> bool:
        account = Account.locked(session, account_id)
        settings = LowBalanceSettings.of(session, account_id)
        before = settings.chosen()
        choice = _completed(session, account, before, now, policy)
        if choice == before:
            session.rollback()
            return False
        save_settings(session, account, settings, choice, SYSTEM, now, policy)
        _notify(session, account, before, choice, settings.version, now)
        check_balance(session, account, "limits set", now, policy, routine=True)
        session.commit()
        return True

    return run_each(session, lacking, set_limits, "account without limits")


def _completed(
    session: Session, account: Account, choice: Choice, now: datetime, policy: Policy
) -> Choice:
    if choice.refill_mode is RefillMode.TARGET and choice.largest_charge is None and choice.target:
        largest = suggested_largest_charge(choice.target, policy)
        choice = replace(choice, largest_charge=largest)
    return with_default_limit(session, account, choice, now) if choice.most_at_once else choice


def _notify(
    session: Session, account: Account, before: Choice, choice: Choice, version: int, now: datetime
) -> None:
    facts = {
        name: account.show(amount)
        for name in ("day_limit", "largest_charge")
        if (amount := getattr(choice, name)) != getattr(before, name)
    }
    names = {"day_limit": "Daily limit", "largest_charge": "Largest automatic charge"}
    line = ". ".join(f"{names[name]} set to {amount}" for name, amount in facts.items())
    decisions.record(session, account.id, Code.LIMITS_SET, f"{line}.", now)
    facts = {name: facts.get(name, "") for name in names}
    outbox.enqueue(session, account, NoticeKind.LIMITS_SET, f"settings {version}", facts, now)
