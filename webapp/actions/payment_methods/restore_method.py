"""Restore a suspended method without a payment, by verifying it with the bank (F4)."""

import logging
from secrets import token_hex

from sqlalchemy.orm import Session

from webapp.actions.payment_methods.sync_method import mark_gone
from webapp.actions.top_ups.check_balance import check_balance, confirmed_or_due
from webapp.clock import Clock
from webapp.domain.accounts import audit, decisions
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.accounts.decisions import Code
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.payment_method import MethodStatus, PaymentMethod
from webapp.domain.shared.errors import Refusal
from webapp.domain.shared.policy import Policy
from webapp.domain.webhooks import payloads
from webapp.domain.webhooks.endpoint import EventKind
from webapp.ports import Declined, MethodGone, Processors, RequestRejected, Verified

log = logging.getLogger(__name__)

NEEDS_PAYMENT = (MethodStatus.BARRED, MethodStatus.RESTED)


def restore_method(
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
    """Verify the method for a zero amount and end its suspension.

    Raises `NotFound`, `Refusal` if the bank does not confirm the method, or `ChargeUnconfirmed`
    like `check_balance`.
    """
    started_at = clock.now()
    method = payment_methods.find(session, account_id, method_id)
    if method.is_blocked or method.needs_manual_retry:
        # F3, T16: only the customer's own payment restores such a method.
        sentence = f"To use {method.label} again, make a payment with it or replace it."
        raise Refusal(sentence, code="needs_payment")
    processor, reference, label = (
        processors[method.processor],
        method.processor_reference,
        method.label,
    )
    session.rollback()  # no transaction is open during the call
    answer = processor.verify(f"verify-{token_hex(16)}", reference)
    if isinstance(answer, Declined):
        why = reason(answer.code)
        sentence = f"{label} was not restored. {why.sentence}. {why.advice}"
        raise Refusal(sentence, code="not_restored")
    if isinstance(answer, MethodGone):
        account = Account.locked(session, account_id)
        method = payment_methods.find(session, account_id, method_id)
        if mark_gone(session, method, answer, clock.now()):
            check_balance(session, account, "method gone", clock.now(), policy, routine=True)
        session.commit()
        sentence = f"The processor no longer has {label}. Add it again to use it."
        raise Refusal(sentence, code="method_gone")
    if isinstance(answer, RequestRejected):
        log.warning("verifying method %s was refused: %s", method_id, answer.reason)
        sentence = f"The processor refused the request. {label} is unchanged. Try again later."
        raise Refusal(sentence, code="refused")
    if not isinstance(answer, Verified):
        sentence = f"The bank did not answer. {label} is unchanged. Try again in a moment."
        raise Refusal(sentence, code="no_answer")
    now = clock.now()
    account = Account.locked(session, account_id)
    method = payment_methods.find(session, account_id, method_id)
    confirmed = confirmed_or_due(session, account, confirmed, now, policy)
    method.correct_clock(started_at, now)
    needs_payment = method.is_blocked or method.needs_manual_retry
    restored = not needs_payment and method.lift_suspension(started_at)
    if not restored and method.obstacle(now) in (*NEEDS_PAYMENT, MethodStatus.SUSPENDED):
        session.rollback()
        sentence = f"A payment with {label} has just failed, so it is still suspended."
        raise Refusal(sentence, code="failed_meanwhile")
    if restored:
        audit.record(session, account_id, actor, "method_restored", now, method=method.label)
        line = f"{method.label} was verified with the bank and is back in use."
        decisions.record(session, account_id, Code.RESTORED, line, now)
        payloads.method(session, account, EventKind.METHOD_RESTORED, method, now)
        check_balance(session, account, "method restored", now, policy, confirmed=confirmed)
    session.commit()
    return method
