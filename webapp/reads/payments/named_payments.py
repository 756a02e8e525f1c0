"""Payments of attempts, for links from other records (E2)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import select

from webapp.domain.payments.payment import Attempt, Payment
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
