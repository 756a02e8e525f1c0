"""The ledger for programs."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import DecimalText, decimal_text
from webapp.reads.records.pages import page_of


@dataclass(frozen=True)
class EntryRecord:
    """A ledger entry. Entries never change."""

    id: int
    kind: EntryKind
    amount: DecimalText
    """Negative for a debit."""
    balance_after: DecimalText
    reference: str | None
    """For usage, the meter's reference."""
    description: str
    payment: int | None
    """Id of the payment behind the entry."""
    occurred_at: datetime
    posted_at: datetime


@dataclass(frozen=True)
class StatementPage:
    """A page of ledger entries, newest first."""

    entries: tuple[EntryRecord, ...]
    next_cursor: str | None


def read_statement(
    ctx: Context,
    account_id: int,
    since: datetime | None,
    until: datetime | None,
    before: int | None,
    limit: int,
) -> StatementPage:
    query = select(LedgerEntry).where(LedgerEntry.account_id == account_id)
    if since is not None:
        query = query.where(LedgerEntry.posted_at >= since)
    if until is not None:
        query = query.where(LedgerEntry.posted_at < until)
    shown, cursor = page_of(ctx, query, LedgerEntry.id, before, limit)
    named = [entry.attempt_id for entry in shown if entry.attempt_id is not None]
    pairs = ctx.session.execute(select(Attempt.id, Attempt.payment_id).where(Attempt.id.in_(named)))
    payments = {attempt_id: payment_id for attempt_id, payment_id in pairs}  # noqa: C416
    return StatementPage(
        tuple(_entry(entry, payments.get(entry.attempt_id or 0)) for entry in shown), cursor
    )


def _entry(entry: LedgerEntry, payment_id: int | None) -> EntryRecord:
    return EntryRecord(
        id=entry.id,
        kind=EntryKind(entry.kind),
        amount=decimal_text(entry.amount),
        balance_after=decimal_text(entry.balance_after),
        reference=entry.reference,
        description=entry.description,
        payment=payment_id,
        occurred_at=entry.occurred_at,
        posted_at=entry.posted_at,
    )
