"""The payment list: one page of it, and all matching payments as CSV rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payments.payment import (
    KIND_NAMES,
    OPEN_STATES,
    Attempt,
    AttemptState,
    PaymentKind,
    reference_of,
)
from webapp.domain.payments.queries import covered_later, covering
from webapp.domain.payments.receipts import RECEIPTED
from webapp.domain.shared import datetimes, money
from webapp.domain.shared.context import Context
from webapp.domain.users.user import User
from webapp.reads.payment_methods.filter_options import method_choices
from webapp.reads.payments.payment_filters import Filters, attempts

PAGE = 50
BATCH = 1000
"""Rows of the CSV file read at a time."""

COLUMNS = (
    "Date", "Reference", "Kind", "Requested by", "Method", "Amount", "Currency", "State", "Reason",
    "Note",
)  # fmt: skip

TAKEN_BACK = {
    PaymentKind.REFUND: "Refunded",
    PaymentKind.DISPUTE: "Disputed",
    PaymentKind.REVERSAL: "Reversed",
}


@dataclass(frozen=True)
class PaymentRow:
    """A row of the list: an attempt or an adjustment."""

    attempt_id: int
    payment_id: int
    when: str
    reference: str
    """ "P-000012"; a payment's attempts share it."""
    kind: str
    """ "Automatic refill", "Add funds by Ana Ruiz"…"""
    method: str
    brand: str
    amount: str
    state: str
    """ "Paid", "Declined" or "Waiting for the bank"."""
    tone: str
    """ "ok", "bad" or "warn"."""
    reason: str
    """Decline reason in plain words."""
    paid_by: str
    """ "Paid by Mastercard •••• 4444": the method that paid after a decline."""
    covered_by: str
    """ "P-000007": a later payment covers it, so Retry is only in the row's menu (F4)."""
    covering_id: int | None
    can_retry: bool
    has_receipt: bool


@dataclass(frozen=True)
class PaymentsScreen:
    rows: tuple[PaymentRow, ...]
    filters: Filters
    methods: tuple[tuple[str, str], ...]
    """Filter options: id and name, including removed methods."""
    older: int | None
    """The next page's `before`; None on the last page."""
    newer: bool
    """Whether this is not the first page."""

    @property
    def query(self) -> dict[str, str]:
        return self.filters.query


def read_payments(
    ctx: Context, account_id: int, filters: Filters | None = None, *, before: int | None = None
) -> PaymentsScreen:
    """Read one page; `before` is the last attempt id of the previous page."""
    account = ctx.session.get_one(Account, account_id)
    filters = filters or Filters()
    last = ctx.session.get(Attempt, before) if before is not None else None
    if last is not None and last.account_id != account_id:
        last = None
    found = _read(ctx, account, filters, last, PAGE + 1)
    shown = found[:PAGE]
    related = _Related.read(ctx.session, shown)
    return PaymentsScreen(
        rows=tuple(_row(related, account, attempt, ctx.now) for attempt in shown),
        filters=filters,
        methods=method_choices(ctx, account_id),
        older=shown[-1].id if len(found) > PAGE else None,
        newer=last is not None,
    )


def payment_lines(ctx: Context, account_id: int, filters: Filters) -> Iterator[Sequence[str]]:
    """Yield the CSV rows of every matching attempt, in the chosen order, without the header."""
    account = ctx.session.get_one(Account, account_id)
    last: Attempt | None = None
    while batch := _read(ctx, account, filters, last, BATCH):
        related = _Related.read(ctx.session, batch)
        lines = [_line(related, account, attempt) for attempt in batch]
        last = batch[-1]
        # Ends the transaction, so that a slow client holds no database resources.
        ctx.session.rollback()
        yield from lines
        if len(lines) < BATCH:
            return


def _read(
    ctx: Context, account: Account, filters: Filters, last: Attempt | None, limit: int
) -> Sequence[Attempt]:
    query = attempts(ctx, account, filters, last).limit(limit)
    both = joinedload(Attempt.payment), joinedload(Attempt.method)
    return ctx.session.scalars(query.options(*both)).all()


@dataclass(frozen=True)
class _Related:
    """Related data of a page's rows, loaded in one query each."""

    people: dict[int, str]
    covered: dict[int, str]
    """Method that paid instead, by failed attempt id."""
    covering: dict[int, int]
    """Later payment that covers it, by failed attempt id."""

    @classmethod
    def read(cls, session: Session, shown: Sequence[Attempt]) -> "_Related":
        people = {a.payment.requested_by_id for a in shown} - {None}
        names = select(User.id, User.name).where(User.id.in_(people))
        failed = [a for a in shown if a.state == AttemptState.DECLINED]
        covered = covering(session, failed) if failed else {}
        return cls(
            people={row.id: row.name for row in session.execute(names)} if people else {},
            covered={
                failed_id: paid.method.label for failed_id, paid in covered.items() if paid.method
            },
            covering=covered_later(
                session,
                failed[0].account_id,
                {a.id: (a.payment_id, a.amount) for a in failed if a.id not in covered},
            )
            if failed
            else {},
        )

    def who(self, attempt: Attempt) -> str:
        return self.people.get(attempt.payment.requested_by_id or 0, "")


def _row(related: _Related, account: Account, attempt: Attempt, now: datetime) -> PaymentRow:
    method, who = attempt.method, related.who(attempt)
    state, tone = state_of(attempt)
    failed = attempt.state == AttemptState.DECLINED
    covered = related.covered.get(attempt.id, "")
    covering_id = related.covering.get(attempt.id)
    kind = KIND_NAMES[PaymentKind(attempt.kind)]
    return PaymentRow(
        attempt_id=attempt.id,
        payment_id=attempt.payment_id,
        when=datetimes.since(attempt.started_at, account.time_zone, now),
        reference=attempt.payment.reference,
        kind=f"{kind} by {who}" if who else kind,
        method=method.label if method else attempt.payment.note,
        brand=method.chip if method else "",
        amount=account.show(attempt.amount),
        state=state,
        tone=tone,
        reason=reason(attempt.decline_code).sentence if failed else "",
        paid_by=f"Paid by {covered}" if covered else "",
        covered_by=reference_of(covering_id) if covering_id else "",
        covering_id=covering_id,
        can_retry=failed and not covered and method is not None and method.can_be_paid_with,
        has_receipt=attempt.state == AttemptState.PAID and attempt.kind in RECEIPTED,
    )


def _line(related: _Related, account: Account, attempt: Attempt) -> tuple[str, ...]:
    failed = attempt.state == AttemptState.DECLINED
    covered = related.covered.get(attempt.id, "")
    covering_id = related.covering.get(attempt.id)
    later = f"Covered by {reference_of(covering_id)}" if covering_id else attempt.payment.note
    note = f"Paid by {covered}" if covered else later
    at = datetimes.local(attempt.started_at, account.time_zone)
    return (
        at.isoformat(timespec="seconds"),
        attempt.payment.reference,
        KIND_NAMES[PaymentKind(attempt.kind)],
        related.who(attempt),
        attempt.method.label if attempt.method else "",
        money.decimal_text(attempt.amount),
        attempt.currency,
        state_of(attempt)[0],
        reason(attempt.decline_code).sentence if failed else "",
        note,
    )


def state_of(attempt: Attempt) -> tuple[str, str]:
    """Return the state in words and its tone."""
    if attempt.state == AttemptState.REFUSED:
        return "Retrying", "warn"
    if attempt.state in OPEN_STATES:
        return "Waiting for the bank", "warn"
    if attempt.state == AttemptState.ABANDONED:
        return "Abandoned", "off"
    if (label := TAKEN_BACK.get(PaymentKind(attempt.kind))) is not None:
        return ("Returned", "ok") if attempt.amount > 0 else (label, "warn")
    return ("Paid", "ok") if attempt.state == AttemptState.PAID else ("Declined", "bad")
