"""Queries for payments and attempts, and the spending of automatic refills (T10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased, joinedload

from webapp.database.statements import select_columns, sql_literal
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payments.payment import (
    AUTHENTICATION_REQUIRED,
    BRINGS_MONEY,
    KEY_LIFETIME,
    LIVE_STATES,
    OPEN_STATES,
    Attempt,
    AttemptState,
    Payment,
    PaymentKind,
    PaymentState,
)
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound


def find_payment(session: Session, account_id: int, payment_id: int) -> Payment:
    """Return the account's payment. Raises `NotFound`, also for another account's payment."""
    payment = session.scalar(
        select(Payment).where(Payment.id == payment_id, Payment.account_id == account_id)
    )
    if payment is None:
        raise NotFound("That payment")
    return payment


COVER_BATCH = 500
"""Paid payments read at once: more than smallest payments are needed for the largest."""


def covered_later(
    session: Session, account_id: int, failed: Mapping[int, tuple[int, int]]
) -> dict[int, int]:
    """Return which later payment has covered each failed payment (F4).

    `failed` maps keys to payment id and amount. The result maps a key to the payment with which
    the sum of later payments reached that amount; keys that are not covered are missing.
    """
    covered: dict[int, int] = {}
    left = sorted(failed, key=lambda key: failed[key][0])
    while left:
        first = failed[left[0]][0]
        paid = session.execute(
            select(Payment.id, Payment.amount)
            .where(
                Payment.account_id == account_id,
                Payment.id > first,
                Payment.state == sql_literal(PaymentState.PAID),
                Payment.kind.in_(BRINGS_MONEY),
            )
            .order_by(Payment.id)
            .limit(COVER_BATCH)
        ).all()
        for key in left:
            payment_id, missing = failed[key]
            for paid_id, amount in paid:
                missing -= amount if paid_id > payment_id else 0
                if missing <= 0:
                    covered[key] = paid_id
                    break
        left = [key for key in left[1:] if key not in covered] if len(paid) == COVER_BATCH else []
    return covered


def find_attempt(session: Session, account_id: int, attempt_id: int) -> Attempt:
    """Return the account's attempt. Raises `NotFound`, also for another account's attempt."""
    attempt = session.scalar(
        select(Attempt).where(Attempt.id == attempt_id, Attempt.account_id == account_id)
    )
    if attempt is None:
        raise NotFound("That payment")
    return attempt


def attempt_with_key(session: Session, key: str) -> Attempt:
    """Return the attempt with this idempotency key, of any account. Raises `NotFound`."""
    attempt = session.scalar(select(Attempt).where(Attempt.key == key))
    if attempt is None:
        raise NotFound("That payment")
    return attempt


_OPEN_OF_ACCOUNT = (
    select(Attempt)
    .where(Attempt.account_id == bindparam("account_id"), Attempt.state.in_(OPEN_STATES))
    .order_by(Attempt.id)
)


def open_attempts(session: Session, account_id: int) -> list[Attempt]:
    return list(session.scalars(_OPEN_OF_ACCOUNT, {"account_id": account_id}))


_OPEN_WITH = select(Attempt).where(
    Attempt.method_id == bindparam("method_id"),
    Attempt.state.in_([sql_literal(state) for state in OPEN_STATES]),
)


def open_attempt_with(session: Session, method_id: int) -> Attempt | None:
    return session.scalar(_OPEN_WITH, {"method_id": method_id})


@dataclass(frozen=True)
class Spending:
    """Amounts that automatic refills have or may have taken (T10), and open payments."""

    today: int
    """Micros."""
    this_month: int
    recent: int
    """Number of automatic refills in the burst window."""
    manual_open: bool
    """Whether a manual payment is open."""
    any_open: bool
    """Whether any attempt is open."""


_AUTOMATIC_AND_LIVE = (
    Attempt.account_id == bindparam("account_id"),
    Attempt.automatic,
    Attempt.state.in_([sql_literal(state) for state in LIVE_STATES]),
)


# For the burst breaker (T10) an open attempt counts from its start.
_counted_at = func.coalesce(LedgerEntry.occurred_at, Attempt.started_at)

_in_burst = and_(_counted_at > bindparam("since"), _counted_at < bindparam("until"))


def _taken_since(bound: str) -> ColumnElement[bool]:
    """Return whether an amount counts from this bound on (T10).

    It was taken since, whenever its request was first made, or its outcome is unknown.
    """
    return or_(LedgerEntry.occurred_at.is_(None), LedgerEntry.occurred_at >= bindparam(bound))


def _sum_if(
    condition: ColumnElement[bool], amount: SQLColumnExpression[int] | int
) -> ColumnElement[int]:
    return func.sum(case((condition, amount), else_=0))


_open = aliased(Attempt)

_SPENDING = (
    select(
        _sum_if(_taken_since("day"), Attempt.amount).label("today"),
        _sum_if(_taken_since("month"), Attempt.amount).label("this_month"),
        _sum_if(_in_burst, 1).label("recent"),
        exists()
        .where(
            Payment.account_id == bindparam("account_id"),
            Payment.state == sql_literal(PaymentState.OPEN),
            Payment.kind != sql_literal(PaymentKind.AUTOMATIC),
        )
        .label("manual_open"),
        exists()
        .where(
            _open.account_id == bindparam("account_id"),
            _open.state.in_([sql_literal(state) for state in OPEN_STATES]),
        )
        .label("any_open"),
    )
    .select_from(Attempt)
    .outerjoin(LedgerEntry, LedgerEntry.attempt_id == Attempt.id)
    .where(*_AUTOMATIC_AND_LIVE, Attempt.started_at >= bindparam("earliest"))
)


def spending(
    session: Session,
    account_id: int,
    *,
    day: datetime,
    month: datetime,
    burst: tuple[datetime, datetime],
) -> Spending:
    """Return spending since the starts of the day and month, and within the burst window."""
    since, until = burst
    bounds = {"day": day, "month": month, "since": since, "until": until}
    bounds["earliest"] = min(month, since) - KEY_LIFETIME
    found = select_columns(session, _SPENDING, {"account_id": account_id, **bounds}).one()
    return Spending(
        today=int(found.today or 0),
        this_month=int(found.this_month or 0),
        recent=int(found.recent or 0),
        manual_open=bool(found.manual_open),
        any_open=bool(found.any_open),
    )


def last_retry_of(session: Session, failed: Attempt) -> Attempt | None:
    """Return the latest Retry of this failure that was not abandoned."""
    return session.scalar(
        select(Attempt)
        .where(Attempt.retry_of_id == failed.root_id, Attempt.state != AttemptState.ABANDONED)
        .order_by(Attempt.id.desc())
        .limit(1)
    )


def paid_retry_of(session: Session, failed: Attempt) -> Attempt | None:
    """Return the successful Retry of this failure or of its original failure."""
    return session.scalar(
        select(Attempt)
        .where(Attempt.retry_of_id == failed.root_id, Attempt.state == AttemptState.PAID)
        .limit(1)
    )


def covering(session: Session, failed: Sequence[Attempt]) -> dict[int, Attempt]:
    """Return the paid attempt that replaced each failed one: by fallback, or by a Retry."""
    paid = session.scalars(
        select(Attempt)
        .where(
            Attempt.state == AttemptState.PAID,
            or_(
                Attempt.payment_id.in_([it.payment_id for it in failed]),
                Attempt.retry_of_id.in_([it.root_id for it in failed]),
            ),
        )
        .options(joinedload(Attempt.method))
        .order_by(Attempt.id.desc())
    ).all()
    by_retry = {it.retry_of_id: it for it in paid}
    by_payment = {it.payment_id: it for it in paid}
    found = {it.id: by_payment.get(it.payment_id) or by_retry.get(it.root_id) for it in failed}
    return {failed_id: it for failed_id, it in found.items() if it is not None}


_LIVE_LINKS = (
    update(Attempt)
    .where(
        Attempt.account_id == bindparam("of_account"),
        Attempt.state == sql_literal(AttemptState.DECLINED),
        Attempt.decline_code == AUTHENTICATION_REQUIRED,
        Attempt.automatic,
        Attempt.link_ended_at.is_(None),
    )
    .values(link_ended_at=bindparam("ended_at"))
    .execution_options(synchronize_session=False)
)


def end_links(ctx: Context, account_id: int) -> None:
    """End the emailed links of earlier payments, after a payment refilled the balance (F10)."""
    ctx.session.execute(_LIVE_LINKS, {"of_account": account_id, "ended_at": ctx.now})


def awaiting_operator(session: Session) -> list[Attempt]:
    """Return the attempts that only an operator can settle, oldest first (L9, L10)."""
    return list(session.scalars(select(Attempt).where(Attempt.needs_operator).order_by(Attempt.id)))
