"""Call the processor for an attempt that is committed, and settle what it answers (L3)."""

from sqlalchemy.orm import Session

from webapp.actions.payments.settle import settle
from webapp.clock import Clock
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared.policy import Policy
from webapp.ports import Processors


def charge(
    session: Session,
    attempt_id: int,
    processors: Processors,
    clock: Clock,
    policy: Policy,
    *,
    return_to: str = "",
) -> None:
    """`return_to` is where a challenge sends the customer back to."""
    attempt = session.get_one(Attempt, attempt_id)
    request, processor = attempt.request(return_to), processors[attempt.processor]
    session.rollback()  # no transaction is open during the call
    answer = processor.charge(request)
    settle(session, attempt_id, answer, clock.now(), policy)
