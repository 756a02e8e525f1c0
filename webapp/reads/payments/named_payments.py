"""Payments of attempts, for links from other records (E2)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from webapp.domain.payments.payment import Attempt, Payment, reference_of
from webapp.domain.shared.context import Context


@dataclass(frozen=True)
class Named:
    id: int
    reference: str


def payments_of_attempts(ctx: Context, attempt_ids: Iterable[int | None]) -> Mapping[int, Named]:
    """Return payments by attempt id, in one query."""
    ids = {attempt_id for attempt_id in attempt_ids if attempt_id is not None}
    if not ids:
        return {}
    found = ctx.session.execute(
        select(Attempt.id, Payment).join(Attempt.payment).where(Attempt.id.in_(ids))
    )
    return {attempt_id: Named(payment.id, payment.reference) for attempt_id, payment in found}


def payments_of_events(ctx: Context, events: Sequence[Any]) -> Mapping[int, Named]:
    """Return the payments that events are about, by event id."""
    of_attempts = payments_of_attempts(ctx, [event.attempt_id for event in events])
    found = {
        event.id: of_attempts.get(event.attempt_id or 0)
        or (event.payment_id and Named(event.payment_id, reference_of(event.payment_id)))
        for event in events
    }
    return {event_id: named for event_id, named in found.items() if named}
