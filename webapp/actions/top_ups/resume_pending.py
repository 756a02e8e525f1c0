"""Resume pending work: an open top-up, or an auto-charge payment that a user requested."""

from webapp.actions.batch import ShouldContinue, always
from webapp.actions.payments.pay_by_auto_charge import continue_auto_charge
from webapp.actions.top_ups.top_up import top_up
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.top_up import Pending

PENDING_WORK = "pending payment"
"""Namespace of the advisory lock on each pending item."""


def resume_pending(
    ctx: Context, waiting: Pending, should_continue: ShouldContinue = always
) -> None:
    resume = top_up if waiting.kind == "top_up" else continue_auto_charge
    resume(ctx, waiting.id, should_continue)
