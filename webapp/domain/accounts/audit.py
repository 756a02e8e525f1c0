"""The audit log: who changed what, when and from where (P2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.events.rows import EventRow


@dataclass(frozen=True)
class Actor:
    """The person or system that makes a change. Without a user: the command line or Ballast."""

    user_id: int | None = None
    name: str = "Ballast"
    address: str = ""


SYSTEM = Actor()
COMMAND_LINE = Actor(name="Command line")


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
        EventRow(
            account_id=account_id,
            user_id=actor.user_id,
            actor_name=actor.name,
            address=actor.address,
            kind=what,
            audit=what,
            facts=details,
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
