"""Idempotency keys of API requests: a repeated request gets the response of the first one.

They do not guard the effects, which have unique rows of their own (the reference of usage, the
request key of a payment). A crash between an effect and its response leaves a row without a
response; the repeated request then runs again and finds the effect.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, String, Text, delete, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, partial_index
from webapp.database.statements import insert_or_ignore
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict

KEPT = timedelta(hours=24)
"""Retention time of a response."""

IN_HAND = timedelta(minutes=2)
"""After this time a request without a response was interrupted; no request takes as long."""

LONGEST_KEY = 200


class IdempotencyKey(Base):
    __tablename__ = "idempotency_key"
    __table_args__ = (
        Index("uq_idempotency_key_account_id_key", "account_id", "key", unique=True),
        partial_index(
            "uq_idempotency_key_of_provider", "key", where="account_id IS NULL", unique=True
        ),
        Index("ix_idempotency_key_begun_at", "begun_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    """None: of a provider's key."""
    key: Mapped[str] = mapped_column(String(LONGEST_KEY))
    request: Mapped[str] = mapped_column(String(64))
    """Hash of the request."""
    status: Mapped[int | None]
    """HTTP status of the response; NULL until there is one."""
    location: Mapped[str] = mapped_column(String(200), default="")
    body: Mapped[str] = mapped_column(Text, default="")
    begun_at: Mapped[datetime]


@dataclass(frozen=True)
class StoredAnswer:
    status: int
    location: str
    body: str


def claim(ctx: Context, account_id: int | None, key: str, request: str) -> StoredAnswer | None:
    """Claim a key; returns the stored response, or None if the request must run now.

    Requires a write transaction. Raises `Conflict` if the key was used for another request, or if
    the first request is still running.
    """
    values = {"account_id": account_id, "key": key, "request": request, "begun_at": ctx.now}
    first = insert_or_ignore(ctx.session, IdempotencyKey, **values, location="", body="")
    if ctx.session.connection().scalar(first.returning(IdempotencyKey.id)) is not None:
        return None
    mine = (IdempotencyKey.account_id == account_id, IdempotencyKey.key == key)
    # Both directions, because the clock may have been set back.
    old = or_(IdempotencyKey.begun_at < ctx.now - KEPT, IdempotencyKey.begun_at > ctx.now + KEPT)
    cut_off = or_(
        IdempotencyKey.begun_at < ctx.now - IN_HAND, IdempotencyKey.begun_at > ctx.now + IN_HAND
    )
    again = update(IdempotencyKey).where(
        *mine,
        or_(old, (IdempotencyKey.request == request) & IdempotencyKey.status.is_(None) & cut_off),
    )
    anew = again.values(request=request, begun_at=ctx.now, status=None, location="", body="")
    if ctx.session.connection().execute(anew).rowcount == 1:
        return None
    known = ctx.session.scalars(select(IdempotencyKey).where(*mine)).one()
    if known.request != request:
        raise Conflict(
            "This Idempotency-Key was used with another request. Nothing was done.",
            code="idempotency_key_reused",
        )
    if known.status is None:
        raise Conflict(
            "The first request with this Idempotency-Key is still running. Send it again.",
            code="idempotency_in_progress",
        )
    return StoredAnswer(known.status, known.location, known.body)


def store_answer(
    session: Session, account_id: int | None, key: str, request: str, answer: StoredAnswer
) -> None:
    """Store the response, unless the key was claimed by another request meanwhile."""
    session.connection().execute(
        update(IdempotencyKey)
        .where(
            IdempotencyKey.account_id == account_id,
            IdempotencyKey.key == key,
            IdempotencyKey.request == request,
        )
        .values(status=answer.status, location=answer.location, body=answer.body)
    )


def release(session: Session, account_id: int | None, key: str, request: str) -> None:
    """Release the key of a refused request without effect, so that it can be used again."""
    session.connection().execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.account_id == account_id,
            IdempotencyKey.key == key,
            IdempotencyKey.request == request,
            IdempotencyKey.status.is_(None),
        )
    )


def delete_old(ctx: Context) -> int:
    """Delete keys older than `KEPT`; returns how many."""
    old = or_(IdempotencyKey.begun_at < ctx.now - KEPT, IdempotencyKey.begun_at > ctx.now + KEPT)
    return ctx.session.connection().execute(delete(IdempotencyKey).where(old)).rowcount
