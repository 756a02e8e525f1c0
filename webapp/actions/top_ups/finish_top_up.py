"""Charge a refill while the user who opened it waits for the outcome (T18)."""

import time
from collections.abc import Callable

from sqlalchemy import select

from webapp.actions.top_ups.top_up import top_up
from webapp.domain.payments.payment import AttemptState, Payment
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.top_up import TopUp, TopUpState

PAUSE = 0.1
"""Seconds between two checks of a charge that the worker has started."""

MAX_CHECKS = 150


def finish_top_up(
    ctx: Context, top_up_id: int, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Charge until the outcome is known or only the processor can report it.

    If the worker has started the same refill, wait up to 15 seconds for its charge.
    """
    for _ in range(MAX_CHECKS):
        top_up(ctx, top_up_id)
        if not _is_being_charged(ctx, top_up_id):
            return
        sleep(PAUSE)


def _is_being_charged(ctx: Context, top_up_id: int) -> bool:
    """Whether another process or thread is charging: its last call has not returned yet."""
    ctx.session.rollback()
    if ctx.session.get_one(TopUp, top_up_id).state != TopUpState.OPEN:
        return False
    payment = ctx.session.scalar(select(Payment).where(Payment.top_up_id == top_up_id))
    last = payment.attempts[-1] if payment is not None and payment.attempts else None
    return last is not None and last.state == AttemptState.STARTED
