"""The table of events: one row for each thing that happened, never changed and never removed.

Only the erasure of a closed account leaves out who acted, and facts that may be personal.

The timeline, the audit log and webhook payloads are renderings of these rows.
"""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from webapp.database.base import Base, partial_index
from webapp.domain.shared.context import Context

ABOUT = ("attempt_id", "top_up_id", "payment_id", "method_id", "wire_id")
"""Columns that name what an event is about (E2)."""


class EventRow(Base):
    """An event. Triggers refuse changes; repeats of the same answer are counted in `repeat`.

    A row is shown in a channel if it has that channel's code.
    """

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_account_id_id", "account_id", "id"),
        partial_index("ix_event_timeline", "account_id", "id", where="timeline IS NOT NULL"),
        partial_index("ix_event_audit", "account_id", "id", where="audit IS NOT NULL"),
        # From a payment, refill, method or wire to its events (E2).
        *(partial_index(f"ix_event_{name}", name, where=f"{name} IS NOT NULL") for name in ABOUT),
        # For the operator's metric (L14).
        partial_index("ix_event_usage_too_large", "at", where="timeline = 'usage_too_large'"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    """The sequence: it increases in the commit order of an account's events."""
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    kind: Mapped[str] = mapped_column(String(60))
    at: Mapped[datetime]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    actor_name: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(64))
    facts: Mapped[dict[str, object]] = mapped_column(JSON)
    """What the renderings need, as of the time of the event. Amounts are in micros."""
    timeline: Mapped[str | None] = mapped_column(String(40))
    """Code on the timeline (E1)."""
    audit: Mapped[str | None] = mapped_column(String(60))
    """Code in the audit log (P2)."""
    webhook: Mapped[str | None] = mapped_column(String(40))
    """Type in webhook payloads."""
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    top_up_id: Mapped[int | None] = mapped_column(ForeignKey("top_up.id"))
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"))
    method_id: Mapped[int | None] = mapped_column(ForeignKey("payment_method.id"))
    wire_id: Mapped[int | None] = mapped_column(ForeignKey("wire_request.id"))

    repeat: Mapped["EventRepeat | None"] = relationship(viewonly=True)

    @property
    def times(self) -> int:
        """How many times in a row this happened."""
        return self.repeat.times if self.repeat else 1

    @property
    def last_at(self) -> datetime:
        return self.repeat.last_at if self.repeat else self.at


class EventRepeat(Base):
    """The count of an event's repeats, beside the row because the row is never changed."""

    __tablename__ = "event_repeat"

    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), primary_key=True)
    times: Mapped[int]
    """Including the first time."""
    last_at: Mapped[datetime]


_LATEST = (
    select(EventRow)
    .where(EventRow.account_id == bindparam("account_id"), EventRow.timeline.is_not(None))
    .order_by(EventRow.id.desc())
    .limit(1)
)


def latest_line(session: Session, account_id: int) -> EventRow | None:
    """Return the account's newest event on the timeline."""
    return session.scalar(_LATEST, {"account_id": account_id})


def latest_of(session: Session, account_id: int, kind: str) -> EventRow | None:
    """Return the account's newest event of the kind."""
    mine = select(EventRow).where(EventRow.account_id == account_id, EventRow.kind == kind)
    return session.scalar(mine.order_by(EventRow.id.desc()).limit(1))


def count_repeat(ctx: Context, event: EventRow) -> None:
    """Count one more repeat. The account is locked, so nobody else counts meanwhile."""
    known = ctx.session.get(EventRepeat, event.id)
    if known is None:
        ctx.session.add(EventRepeat(event_id=event.id, times=2, last_at=ctx.now))
    else:
        known.times, known.last_at = known.times + 1, ctx.now
