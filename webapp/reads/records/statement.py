"""The ledger for programs."""

from datetime import datetime

from pydantic import Field
from sqlalchemy import select

from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import decimal_text
from webapp.reads.records.pages import page_of
from webapp.reads.records.record import Id, Instant, Money, NextCursor, Open, Record


class EntryRecord(Record):
    """A ledger entry. Entries never change."""

    id: Id
    kind: Open[EntryKind] = Field(description="What was posted.")
    amount: Money = Field(description="Negative for a debit.")
    balance_after: Money = Field(description="The balance after this entry.")
    reference: str | None = Field(description="For usage, the meter's reference.")
    description: str = Field(description="The text for the statement.")
    payment: int | None = Field(description="Id of the payment behind the entry.")
    occurred_at: Instant = Field(description="When it occurred.")
    posted_at: Instant = Field(description="When it was posted to the ledger.")


class StatementPage(Record):
    """A page of ledger entries, newest first."""

    entries: tuple[EntryRecord, ...] = Field(description="The ledger entries on this page.")
    next_cursor: NextCursor


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
        entries=tuple(_entry(entry, payments.get(entry.attempt_id or 0)) for entry in shown),
        next_cursor=cursor,
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
