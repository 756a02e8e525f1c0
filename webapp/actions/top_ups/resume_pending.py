"""Carry on whatever waits for no answer: an open top-up, or a chain that a person asked for."""

from sqlalchemy.orm import Session

from webapp.actions.batch import Going, always
from webapp.actions.payments.pay_by_auto_charge import go_on_by_auto_charge
from webapp.actions.top_ups.top_up import top_up
from webapp.clock import Clock
from webapp.domain.shared.policy import Policy
from webapp.domain.top_ups.top_up import Waiting
from webapp.ports import Processors

GOING_ON = "going on with"
"""As what it is claimed."""


def go_on(
    session: Session,
    waiting: Waiting,
    processors: Processors,
    clock: Clock,
    policy: Policy,
    going: Going = always,
) -> None:
    carry_on = top_up if waiting.kind == "top_up" else go_on_by_auto_charge
    carry_on(session, waiting.id, processors, clock, policy, going)
