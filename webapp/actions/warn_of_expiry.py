"""Tell people that a card expires: 30 and 7 days before, and on the day (M9)."""

from datetime import datetime, timedelta

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from webapp.actions.each import each
from webapp.actions.look import what_next
from webapp.domain import moments, news, notices
from webapp.domain.accounts import Account
from webapp.domain.notices import NoticeKind
from webapp.domain.payment_methods import PaymentMethod
from webapp.domain.policy import Policy
from webapp.domain.webhooks import EventKind

STEPS = (30, 7, 0)
"""Days before the last day of the expiry month, in the account's time zone."""

KIND = NoticeKind.CARD_EXPIRING

LATE = 2
"""A notice that a stopped scheduler has missed still goes out so many days after."""


def warn_of_expiry(session: Session, now: datetime, policy: Policy) -> int:
    """How many notices were owed. Each once; a refreshed card begins anew."""
    span = range(-LATE - 1, max(STEPS) + 2)  # a day more at both ends: time zones differ
    months = {(day.year, day.month) for day in (now + timedelta(days=n) for n in span)}
    due = session.execute(
        select(PaymentMethod.id, PaymentMethod.account_id).where(
            PaymentMethod.removed_at.is_(None),
            tuple_(PaymentMethod.exp_year, PaymentMethod.exp_month).in_(months),
        )
    ).all()
    session.rollback()

    def warn(method: tuple[int, int]) -> bool:
        method_id, account_id = method
        return _warn(session, account_id, method_id, now, policy)

    return each(session, [(row.id, row.account_id) for row in due], warn, "expiry")


def step_due(method: PaymentMethod, now: datetime, time_zone: str) -> int | None:
    """Which of the steps stands now; None before the first, and for a card added after it."""
    days = method.days_left(now, time_zone)
    if days is None or days < -LATE:
        return None
    due = [step for step in STEPS if days <= step]
    if not due:
        return None
    step = min(due)
    days_when_added = method.days_left(method.created_at, time_zone)
    was_there = days_when_added is not None and days_when_added >= step
    return step if was_there else None


def _warn(session: Session, account_id: int, method_id: int, now: datetime, policy: Policy) -> bool:
    account = session.get_one(Account, account_id)
    method = session.get_one(PaymentMethod, method_id)
    step = step_due(method, now, account.time_zone)
    if step is None or notices.is_owed(session, account_id, KIND, _about(method, step)):
        session.rollback()
        return False
    account = Account.locked(session, account_id)
    method = session.get_one(PaymentMethod, method_id, populate_existing=True)
    days = max(0, method.days_left(now, account.time_zone) or 0)
    last_day = now + timedelta(days=days)
    facts = {
        "method": method.label_in(account.tongue),
        "days": days,
        "on": moments.day(last_day, account.time_zone, now, account.tongue.language),
        "what_next": what_next(session, account, now, policy),
    }
    owed = method.removed_at is None and notices.owe(
        session, account, KIND, _about(method, step), facts, now
    )
    if owed:
        news.method(session, account, EventKind.METHOD_EXPIRING, method, now)
    session.commit()
    return owed


def _about(method: PaymentMethod, step: int) -> str:
    return f"method {method.id} {method.expiry} {step}"
