"""Requests that a machine may send again: by its own key, and answered as they were the first time.

That nothing happens twice is not kept by this: each effect is guarded by rows of its own (a usage's
reference, a payment's request key). A crash between an effect and its answer leaves a row without
an answer; the same request then runs again and finds what it had done.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, String, Text, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base
from webapp.domain.shared.errors import Conflict

KEPT = timedelta(hours=24)

IN_HAND = timedelta(minutes=2)
"""Longer than any request takes: who has not answered by then has been cut off."""

LONGEST_KEY = 200


class IdempotencyKey(Base):
    __tablename__ = "repeat"
    __table_args__ = (
        Index("uq_repeat_account_id_key", "account_id", "key", unique=True),
        Index("ix_repeat_begun_at", "begun_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    key: Mapped[str] = mapped_column(String(LONGEST_KEY))
    request: Mapped[str] = mapped_column(String(64))
    """A hash of all that was asked."""
    status: Mapped[int | None]
    """Of the answer; empty while there is none."""
    location: Mapped[str] = mapped_column(String(200), default="")
    body: Mapped[str] = mapped_column(Text, default="")
    begun_at: Mapped[datetime]


@dataclass(frozen=True)
class StoredAnswer:
    status: int
    location: str
    body: str


def claim(
    session: Session, account_id: int, key: str, request: str, now: datetime
) -> StoredAnswer | None:
    """The answer that was given; None: it is ours to give now. In a write transaction.

    Raises `Conflict` for another request under this key, or while the first one is running.
    """
    values = {"account_id": account_id, "key": key, "request": request, "begun_at": now}
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    first = (
        dialect.insert(IdempotencyKey)
        .values(**values, location="", body="")
        .on_conflict_do_nothing()
    )
    if session.connection().scalar(first.returning(IdempotencyKey.id)) is not None:
        return None
    mine = (IdempotencyKey.account_id == account_id, IdempotencyKey.key == key)
    # Either way: a clock that was set back must keep nothing in hand.
    old = or_(IdempotencyKey.begun_at < now - KEPT, IdempotencyKey.begun_at > now + KEPT)
    cut_off = or_(IdempotencyKey.begun_at < now - IN_HAND, IdempotencyKey.begun_at > now + IN_HAND)
    again = update(IdempotencyKey).where(
        *mine,
        or_(old, (IdempotencyKey.request == request) & IdempotencyKey.status.is_(None) & cut_off),
    )
    anew = again.values(request=request, begun_at=now, status=None, location="", body="")
    if session.connection().execute(anew).rowcount == 1:
        return None
    known = session.scalars(select(IdempotencyKey).where(*mine)).one()
    if known.request != request:
        raise Conflict(
            "This Idempotency-Key came with another request. Nothing was done.",
            code="idempotency_key_reused",
        )
    if known.status is None:
        raise Conflict(
            "The first request with this Idempotency-Key is still running. Send it again.",
            code="idempotency_in_progress",
        )
    return StoredAnswer(known.status, known.location, known.body)


def store_answer(
    session: Session, account_id: int, key: str, request: str, answer: StoredAnswer
) -> None:
    """As long as it is still this request's."""
    session.connection().execute(
        update(IdempotencyKey)
        .where(
            IdempotencyKey.account_id == account_id,
            IdempotencyKey.key == key,
            IdempotencyKey.request == request,
        )
        .values(status=answer.status, location=answer.location, body=answer.body)
    )


def release(session: Session, account_id: int, key: str, request: str) -> None:
    """It was refused and did nothing: the key is free for what is sent next."""
    session.connection().execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.account_id == account_id,
            IdempotencyKey.key == key,
            IdempotencyKey.request == request,
            IdempotencyKey.status.is_(None),
        )
    )


def delete_old(session: Session, now: datetime) -> int:
    """Answers that nobody will ask for again."""
    old = or_(IdempotencyKey.begun_at < now - KEPT, IdempotencyKey.begun_at > now + KEPT)
    return session.connection().execute(delete(IdempotencyKey).where(old)).rowcount
