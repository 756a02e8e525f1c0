"""The audit log: who changed what, when and from where (P2)."""

from collections.abc import Iterable

from webapp.domain.events.rows import EventRow
from webapp.domain.shared.context import Context


def record(
    ctx: Context,
    account_id: int | None,
    what: str,
    **details: object,
) -> None:
    """Write an entry, in the transaction that makes the change."""
    ctx.session.add(
        EventRow(
            account_id=account_id,
            user_id=ctx.actor.user_id,
            actor_name=ctx.actor.name,
            address=ctx.actor.address,
            kind=what,
            audit=what,
            facts=details,
            at=ctx.now,
        )
    )


def record_in_each(
    ctx: Context,
    account_ids: Iterable[int],
    what: str,
    **details: object,
) -> None:
    """Write an entry about a person to each of their accounts' logs; without an account, once."""
    theirs: list[int | None] = [*account_ids]
    for account_id in theirs or [None]:
        record(ctx, account_id, what, **details)
