"""The events of all accounts, numbered for the provider (V7).

The numbers have no gap, and no event appears later under a lower number. Transactions become
visible in another order than that of their ids, so an event is numbered after its commit: before it
is sent to the provider, and before the numbers are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from sqlalchemy import BigInteger, ForeignKey, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from webapp.database.advisory_locks import lock_until_commit
from webapp.database.base import Base, partial_index
from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.shared.context import Context
from webapp.domain.webhooks.endpoint import KEPT

NUMBERING = "number provider events"
"""Name of the lock: one process numbers at a time."""

AT_ONCE = 1000
"""Maximum number of events that are numbered or deleted in one transaction."""


class ProviderEvent(Base):
    """An event that the provider receives. It is written in the event's transaction."""

    __tablename__ = "provider_event"
    __table_args__ = (
        partial_index("ix_provider_event_unnumbered", "event_id", where="sequence IS NULL"),
    )

    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), primary_key=True)
    sequence: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    """1, 2, 3 …; NULL until it is numbered."""

    event: Mapped[EventRow] = relationship()


@dataclass(frozen=True)
class Numbers:
    """The sequences that are kept; 0 and 0 if there has been no event."""

    oldest: int
    latest: int


def has_unnumbered(session: Session) -> bool:
    waiting = select(ProviderEvent.event_id).where(ProviderEvent.sequence.is_(None)).limit(1)
    return session.scalar(waiting) is not None


def number(session: Session) -> int:
    """Number committed events in this write transaction; returns how many."""
    lock_until_commit(session, [NUMBERING])
    latest = numbers(session).latest
    place = func.row_number().over(order_by=ProviderEvent.event_id)
    waiting = (
        select(ProviderEvent.event_id, (latest + place).label("sequence"))
        .where(ProviderEvent.sequence.is_(None))
        .order_by(ProviderEvent.event_id)
        .limit(AT_ONCE)
        .subquery()
    )
    numbered = (
        update(ProviderEvent)
        .where(ProviderEvent.event_id == waiting.c.event_id)
        .values(sequence=waiting.c.sequence)
        .execution_options(synchronize_session=False)
    )
    return session.connection().execute(numbered).rowcount


def numbers(session: Session) -> Numbers:
    found = select(func.min(ProviderEvent.sequence), func.max(ProviderEvent.sequence))
    oldest, latest = session.execute(found).one()
    return Numbers(oldest or 0, latest or 0)


def sequence_of(session: Session, event_id: int) -> int | None:
    """Return the event's sequence; None if it has none, as a test event."""
    return session.scalar(select(ProviderEvent.sequence).where(ProviderEvent.event_id == event_id))


def after(
    session: Session, sequence: int, limit: int, kind: str | None = None
) -> Sequence[tuple[int, EventRow, str | None]]:
    """Return sequence, event and the account's external id of the events that follow."""
    query = (
        select(ProviderEvent.sequence, EventRow, Account.external_id)
        .join(EventRow, EventRow.id == ProviderEvent.event_id)
        .join(Account, Account.id == EventRow.account_id)
        .where(ProviderEvent.sequence > sequence)
        .order_by(ProviderEvent.sequence)
        .limit(limit)
    )
    if kind is not None:
        query = query.where(EventRow.webhook == kind)
    return [(given or 0, event, external_id) for given, event, external_id in
            session.execute(query)]  # fmt: skip


def delete_old(ctx: Context) -> int:
    """Delete the numbers of old events, the lowest first; returns how many.

    The latest is kept, because numbering continues from it.
    """
    query = (
        select(ProviderEvent.sequence, EventRow.at)
        .join(EventRow, EventRow.id == ProviderEvent.event_id)
        .where(ProviderEvent.sequence < numbers(ctx.session).latest)
        .order_by(ProviderEvent.sequence)
        .limit(AT_ONCE)
    )
    old = list(takewhile(lambda row: row.at < ctx.now - KEPT, ctx.session.execute(query)))
    if not old:
        return 0
    gone = delete(ProviderEvent).where(ProviderEvent.sequence <= old[-1].sequence)
    return ctx.session.connection().execute(gone).rowcount
