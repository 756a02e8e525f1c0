"""Settle an attempt by an operator's decision when the processor leaves it open (L9, L10)."""

from webapp.actions.payments.settle import settle
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payments import AttemptDecided
from webapp.domain.payments import queries
from webapp.domain.payments.payment import BY_OPERATOR, Attempt
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Invalid, NotFound
from webapp.ports import Cancelled, Paid


def decide_attempt(
    ctx: Context, attempt_id: int, paid: bool, reason: str, *, confirmed: int | None = None
) -> None:
    """Settle the attempt as paid in full or as not charged, according to the processor's records.

    Raises `NotFound`, `Invalid` without a reason, `Conflict` if the attempt needs no decision, or
    `ChargeUnconfirmed` like `check_balance`: a refill that waited for it is charged at once.
    """
    if not reason.strip():
        raise Invalid({"reason": "Enter what the processor's records show"})
    found = ctx.session.get(Attempt, attempt_id)
    if found is None:
        raise NotFound("That attempt")
    if not found.needs_operator:
        raise Conflict("This attempt needs no decision.", code="not_waiting")
    account_id = found.account_id
    event = AttemptDecided(attempt_id, paid, reason.strip(), attempt_id)

    def record() -> None:
        events.record(ctx, account_id, event)

    if found.is_open:
        reference = found.processor_reference or BY_OPERATOR
        answer = (
            Paid(reference, found.amount, found.currency, ctx.now) if paid else Cancelled(ctx.now)
        )
        if not settle(ctx, attempt_id, answer, record=record, confirmed=confirmed):
            raise Conflict("This attempt has just been settled.", code="not_open")
        return
    if paid:
        raise Conflict(
            "This attempt was settled as not paid. Credit the money by an adjustment, then settle "
            "the attempt as not paid.",
            code="settled_as_not_paid",
        )
    Account.locked(ctx.session, account_id)
    queries.find_attempt(ctx.session, account_id, attempt_id).needs_operator = False
    record()
    ctx.session.commit()
