"""Remove a payment method (M10) and queue its revocation at the processor (M13)."""

from sqlalchemy.orm import Session

from webapp.actions.payment_methods.withdrawals import record_withdrawal
from webapp.actions.payments.challenges import conclude_challenge_with
from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.clock import Clock
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods import revocations
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments import queries
from webapp.domain.shared.errors import Conflict
from webapp.domain.shared.policy import Policy
from webapp.domain.webhooks import payloads
from webapp.domain.webhooks.endpoint import EventKind
from webapp.ports import Processors


def remove_method(
    session: Session,
    account_id: int,
    method_id: int,
    actor: Actor,
    processors: Processors,
    clock: Clock,
    policy: Policy,
    *,
    confirmed: int | None = None,
) -> PaymentMethod:
    """Remove the method from the list; `revoke_methods` revokes it at the processor later.

    Raises `NotFound`, `Conflict` while a payment with the method is open, or `ChargeUnconfirmed`
    like `check_balance`.
    """
    conclude_challenge_with(session, account_id, method_id, processors, clock, policy)
    now = clock.now()
    account = Account.locked(session, account_id)
    method = payment_methods.find(session, account_id, method_id)
    if queries.open_attempt_with(session, method_id) is not None:
        raise Conflict(
            f"A payment with {method.label} is in progress. Remove it when the payment is settled.",
            code="payment_open",
        )
    confirmed = confirmed_or_due(session, account, confirmed, now, policy)
    method.remove(now)
    revocations.ask(session, account_id, method.processor, method.processor_reference, now)
    session.flush()
    rest = payment_methods.listed(session, account_id)
    payment_methods.place(session, {m.id: m for m in rest}, [m.id for m in rest])
    audit.record(session, account_id, actor, "method_removed", now, method=method.label)
    payloads.method(session, account, EventKind.METHOD_REMOVED, method, now)
    record_withdrawal(session, account, f"{method.label} was removed", now, policy)
    check_balance(session, account, "method removed", now, policy, confirmed=confirmed)
    session.commit()
    return method
