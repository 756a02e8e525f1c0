"""Counts of work that waits for an operator."""

from dataclasses import dataclass

from sqlalchemy import ColumnExpressionArgument, func, select

from webapp.domain.notifications.outbox import Notice, NoticeState
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared.context import Context
from webapp.domain.wires.wire import OPEN_STATES, WireRequest


@dataclass(frozen=True)
class Waiting:
    """Open wire transfers, unresolved charges and failed emails."""

    wires: int
    attempts: int
    mails: int


def read_waiting(ctx: Context) -> Waiting:
    def count(where: ColumnExpressionArgument[bool]) -> int:
        return ctx.session.scalar(select(func.count()).where(where)) or 0

    return Waiting(
        wires=count(WireRequest.state.in_(OPEN_STATES)),
        attempts=count(Attempt.needs_operator),
        mails=count(Notice.state == NoticeState.FAILED),
    )
