"""The audit log: who changed what, when and from where (P2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base


@dataclass(frozen=True)
class Actor:
    """The person or system that makes a change. Without a user: the command line or Ballast."""

    user_id: int | None = None
    name: str = "Ballast"
    address: str = ""


SYSTEM = Actor()
COMMAND_LINE = Actor(name="Command line")


class AuditEntry(Base):
    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_account_id_id", "account_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    actor_name: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(64))
    what: Mapped[str] = mapped_column(String(60))
    details: Mapped[dict[str, object]] = mapped_column(JSON)
    at: Mapped[datetime]


def record(
    session: Session,
    account_id: int | None,
    actor: Actor,
    what: str,
    now: datetime,
    **details: object,
) -> None:
    """Write an entry, in the transaction that makes the change."""
    session.add(
        AuditEntry(
            account_id=account_id,
            user_id=actor.user_id,
            actor_name=actor.name,
            address=actor.address,
            what=what,
            details=details,
            at=now,
        )
    )


def record_in_each(
    session: Session,
    account_ids: Iterable[int],
    actor: Actor,
    what: str,
    now: datetime,
    **details: object,
) -> None:
    """Write an entry about a person to each of their accounts' logs; without an account, once."""
    theirs: list[int | None] = [*account_ids]
    for account_id in theirs or [None]:
        record(session, account_id, actor, what, now, **details)
