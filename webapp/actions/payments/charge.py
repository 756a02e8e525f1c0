"""Send a committed attempt to the processor and settle its answer (L3)."""

from webapp.actions.payments.settle import settle
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared.context import Context


def charge(ctx: Context, attempt_id: int, *, return_to: str = "") -> None:
    """Charge and settle. `return_to` is the URL to which a challenge returns the customer."""
    attempt = ctx.session.get_one(Attempt, attempt_id)
    request, processor = attempt.request(return_to), ctx.processors[attempt.processor]
    ctx.session.rollback()  # no transaction is open during the call
    answer = processor.charge(request)
    settle(ctx.later(), attempt_id, answer)
