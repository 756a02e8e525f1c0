"""Queue expiry notices for cards: 30 and 7 days before, and on the last day or later (M9)."""

from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, String, cast, exists, func, select

from webapp.actions.batch import run_each
from webapp.actions.top_ups.check_balance import what_next
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import CardExpiring
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import Notice, NoticeKind
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared.context import Context

LAST_STEP = 0
STEPS = (30, 7, LAST_STEP)
"""Days before the last day of the expiry month, in the account's time zone."""

KIND = NoticeKind.CARD_EXPIRING


def warn_of_expiry(ctx: Context) -> int:
    """Return how many notices were queued.

    Each is queued once; the last one also after the card has expired. A card refreshed with a new
    expiry date gets new notices.
    """
    month = PaymentMethod.exp_year * 12 + PaymentMethod.exp_month
    # An account's date is at most a day ahead of UTC.
    last_month = _month(ctx.now.date() + timedelta(days=max(STEPS) + 1))
    due = ctx.session.execute(
        select(PaymentMethod.id, PaymentMethod.account_id).where(
            PaymentMethod.removed_at.is_(None),
            month <= last_month,
            ~_last_notice_is_queued(),
        )
    ).all()
    ctx.session.rollback()

    def warn(method: tuple[int, int]) -> bool:
        method_id, account_id = method
        return _warn(ctx, account_id, method_id)

    return run_each(ctx.session, [(row.id, row.account_id) for row in due], warn, "expiry")


def step_due(method: PaymentMethod, now: datetime, time_zone: str) -> int | None:
    """The step that is due now; None before the first, or if the card was added after the step."""
    days = method.days_left(now, time_zone)
    if days is None or days > max(STEPS):
        return None
    step = min(step for step in STEPS if days <= step)
    days_when_added = method.days_left(method.created_at, time_zone)
    was_there = days_when_added is not None and days_when_added >= step
    return step if was_there else None


def _warn(ctx: Context, account_id: int, method_id: int) -> bool:
    account = ctx.session.get_one(Account, account_id)
    method = ctx.session.get_one(PaymentMethod, method_id)
    step = step_due(method, ctx.now, account.time_zone)
    if step is None or outbox.is_owed(ctx.session, account_id, KIND, _about(method, step)):
        ctx.session.rollback()
        return False
    account = Account.locked(ctx.session, account_id)
    method = ctx.session.get_one(PaymentMethod, method_id, populate_existing=True)
    # The card may have been renewed or removed before the lock.
    is_due = method.removed_at is None and step_due(method, ctx.now, account.time_zone) == step
    if not is_due or outbox.is_owed(ctx.session, account_id, KIND, _about(method, step)):
        ctx.session.rollback()
        return False
    days, expires_at = method.days_left(ctx.now, account.time_zone) or 0, None
    if days < 0:
        # The card is charged until its month has ended everywhere (P4), hours after its last day.
        expires_at = method.expires_at or ctx.now
    event = CardExpiring.about(
        method,
        step=_about(method, step),
        days=days,
        what_next=what_next(ctx.at(max(ctx.now, expires_at or ctx.now)), account),
        skipped_from=expires_at,
    )
    events.record(ctx, account_id, event)
    ctx.session.commit()
    return True


def _last_notice_is_queued() -> ColumnElement[bool]:
    """`outbox.is_owed` for the last step in SQL, so that expired cards are not read each time."""
    month = func.substr(cast(PaymentMethod.exp_month + 100, String), 2, 2)
    year = func.substr(cast(PaymentMethod.exp_year, String), 3, 2)
    method_id = cast(PaymentMethod.id, String)
    about = "method " + method_id + " " + month + "/" + year + f" {LAST_STEP}"
    return exists().where(
        Notice.account_id == PaymentMethod.account_id, Notice.kind == KIND, Notice.about == about
    )


def _about(method: PaymentMethod, step: int) -> str:
    return f"method {method.id} {method.expiry} {step}"


def _month(day: date) -> int:
    return day.year * 12 + day.month
