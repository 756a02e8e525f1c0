"""Record consent withdrawn during an automatic charge: the charge finishes, and the timeline says
what follows (T14).
"""

from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import WithdrawnDuringCharge
from webapp.domain.payments import queries
from webapp.domain.payments.payment import Attempt, AttemptState
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.top_up import Plan


def record_withdrawal(ctx: Context, account: Account, change: str) -> None:
    """Add a timeline line for each open automatic charge.

    `change` is a clause such as "Automatic refill was switched off". Call this after the change,
    because the planner works out what follows from it.
    """
    ctx.session.flush()
    for attempt in queries.open_attempts(ctx.session, account.id):
        if attempt.automatic and attempt.method is not None:
            facts = (attempt.amount, attempt.method.label, _what_follows(ctx, account, attempt))
            events.record(ctx, account.id, WithdrawnDuringCharge(change, *facts, attempt.id))


def _what_follows(ctx: Context, account: Account, attempt: Attempt) -> str:
    if attempt.state == AttemptState.REFUSED:
        if top_ups.is_still_wanted(ctx, account, attempt):
            return "The processor has not accepted that charge yet. It will be sent again."
        plan = _plan_without(ctx, account, attempt, frozenset())
        instead = _describe(account, plan, "instead")
        return f"The processor has not accepted that charge. It will not be sent again. {instead}"
    tried = attempt.payment.tried_method_ids
    plan = _plan_without(ctx, account, attempt, tried)
    follows = _describe(account, plan, "next")
    return f"That charge cannot be cancelled. If it is declined: {follows}"


def _plan_without(ctx: Context, account: Account, attempt: Attempt, tried: frozenset[int]) -> Plan:
    inputs = top_ups.gather(ctx, account, tried=tried)
    return top_ups.plan(top_ups.without(inputs, attempt))


def _describe(account: Account, plan: Plan, when: str) -> str:
    if plan.charges:
        return f"{account.show(plan.amount)} is charged to {plan.methods[0].label} {when}."
    return f"Nothing is charged {when}."
