"""Resume pending work: an open top-up, or an auto-charge payment that a user requested."""

from sqlalchemy.orm import Session

from webapp.actions.batch import ShouldContinue, always
from webapp.actions.payments.pay_by_auto_charge import continue_auto_charge
from webapp.actions.top_ups.top_up import top_up
from webapp.clock import Clock
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.top_up import Pending
from webapp.ports import Processors

PENDING_WORK = "pending payment"
"""Namespace of the advisory lock on each pending item."""


def resume_pending(
    session: Session,
    waiting: Pending,
    processors: Processors,
    clock: Clock,
    policy: Policy,
    should_continue: ShouldContinue = always,
) -> None:
    resume = top_up if waiting.kind == "top_up" else continue_auto_charge
    resume(session, waiting.id, processors, clock, policy, should_continue)
