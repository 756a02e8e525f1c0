"""Send a committed attempt to the processor and settle its answer (L3)."""

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
    """Charge and settle. `return_to` is the URL to which a challenge returns the customer."""
    attempt = session.get_one(Attempt, attempt_id)
    request, processor = attempt.request(return_to), processors[attempt.processor]
    session.rollback()  # no transaction is open during the call
    answer = processor.charge(request)
    settle(session, attempt_id, answer, clock.now(), policy)
