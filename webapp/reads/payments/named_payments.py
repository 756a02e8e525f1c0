"""From what names an attempt to the payment it belongs to: the links of E2."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain.payments.payment import Attempt, Payment


@dataclass(frozen=True)
class Named:
    id: int
    reference: str


def payments_of_attempts(
    session: Session, attempt_ids: Iterable[int | None]
) -> Mapping[int, Named]:
    """By attempt; asked once for a whole page."""
    ids = {it for it in attempt_ids if it is not None}
    if not ids:
        return {}
    found = session.execute(
        select(Attempt.id, Payment).join(Attempt.payment).where(Attempt.id.in_(ids))
    )
    return {attempt_id: Named(payment.id, payment.reference) for attempt_id, payment in found}
