"""Settle a paid attempt: credit it once, or record a mismatch for the operator (L9)."""

from webapp.actions.payments.attempts import claim, conclude
from webapp.domain import ledger
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.payment_methods import MethodRestoredByPayment
from webapp.domain.events.payments import EvidenceMismatched, PaymentPaid
from webapp.domain.events.top_ups import RefillSucceeded
from webapp.domain.ledger import Entry, EntryKind
from webapp.domain.payments import receipts, unmatched_events
from webapp.domain.payments.payment import (
    BY_OPERATOR,
    KIND_NAMES,
    Attempt,
    AttemptState,
    PaymentState,
)
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.top_ups.top_up import TopUp, TopUpState
from webapp.domain.webhooks import payloads
from webapp.ports import Answer, Paid


def matches(attempt: Attempt, answer: Paid) -> bool:
    charged = answer.method_reference or attempt.method_reference
    found = (answer.amount, answer.currency, charged)
    return found == (attempt.amount, attempt.currency, attempt.method_reference)


def settle_as_paid(ctx: Context, account: Account, attempt: Attempt, answer: Paid) -> bool:
    if not conclude(ctx, attempt, AttemptState.PAID, processor_reference=answer.reference):
        return False
    payment, method = attempt.payment, attempt.method
    label = attempt.method_label
    entry = Entry(
        kind=EntryKind.PAYMENT,
        amount=attempt.amount,
        description=f"{KIND_NAMES[payment.kind]}, {label}",
        attempt_id=attempt.id,
        # A processor's clock may be wrong; the payment lies between the start and now.
        occurred_at=max(attempt.started_at, min(answer.at, ctx.now)),
    )
    ledger.append(ctx, account, [entry])
    payment.settle(PaymentState.PAID, ctx.now)
    top_ups.end_links(ctx, account)
    LowBalanceSettings.of(ctx.session, account.id).all_failed_mailed = False
    receipt = receipts.issue(ctx, account, payment, label, ctx.policy.provider)
    event = PaymentPaid.about(
        account,
        payment,
        method=label,
        receipt=receipt.label,
        attempt_id=attempt.id,
        top_up_id=payment.top_up_id,
    )
    events.record(ctx, account.id, event)
    if payment.top_up_id is not None:
        ctx.session.get_one(TopUp, payment.top_up_id).close(TopUpState.PAID, ctx.now)
        facts = (payment.amount, account.balance, account.currency, payment.top_up_id)
        events.record(ctx, account.id, RefillSucceeded(*facts))
    payloads.balance(ctx, account)
    if method is not None and method.restore(attempt.started_at) and method.auto_charge:
        ids = {"attempt_id": attempt.id, "top_up_id": payment.top_up_id}
        events.record(ctx, account.id, MethodRestoredByPayment.about(method, **ids))
    return True


def record_mismatch(ctx: Context, attempt: Attempt, answer: Paid) -> bool:
    """L9: record mismatched evidence for the operator; nothing is credited."""
    mismatch = (
        f"The processor reports {answer.amount} {answer.currency} (micros) as paid, "
        f"reference {answer.reference}; requested was {attempt.amount} {attempt.currency}."
    )
    if answer.method_reference not in ("", attempt.method_reference):
        mismatch += f" It was paid with {answer.method_reference}, not {attempt.method_reference}."
    if attempt.mismatch:
        return claim(ctx, attempt, AttemptState.UNKNOWN)  # the first mismatch is kept
    if not claim(
        ctx, attempt, AttemptState.UNKNOWN, mismatch=mismatch, needs_operator=True, refusals=0
    ):
        return False
    line = (
        "The processor's record of this payment does not match the request. Nothing was credited. "
        "Your provider will review it."
    )
    _record_mismatch(ctx, attempt, line)
    return True


def _is_second(attempt: Attempt, answer: Paid) -> bool:
    """Whether the answer is another charge under the same key.

    An attempt that the operator settled may have no processor reference.
    """
    if attempt.state == AttemptState.PAID:
        return attempt.processor_reference not in (answer.reference, None, BY_OPERATOR)
    return attempt.mismatch is not None and answer.reference not in attempt.mismatch


def _record_second(ctx: Context, account: Account, attempt: Attempt, answer: Paid) -> None:
    what = (
        f"Attempt {attempt.id} ({attempt.payment.reference}) is {attempt.state}, with "
        f"{attempt.processor_reference or attempt.mismatch}; then the processor reported a payment "
        "under this reference too. Nothing was credited for it."
    )
    if unmatched_events.record(
        ctx, attempt.processor, answer.reference, what, answer.amount, answer.currency, answer.at
    ):
        line = (
            f"The processor reports another {account.show(answer.amount)} for "
            f"{attempt.payment.reference}. Nothing was credited for it. Your provider will review "
            "it."
        )
        _record_mismatch(ctx, attempt, line)
    ctx.session.commit()


def record_payment_after_settlement(
    ctx: Context, account: Account, attempt: Attempt, answer: Answer
) -> None:
    """L9: record a payment reported after settlement for the operator."""
    if isinstance(answer, Paid) and _is_second(attempt, answer):
        _record_second(ctx, account, attempt, answer)
        return
    if not isinstance(answer, Paid) or attempt.state == AttemptState.PAID or attempt.mismatch:
        ctx.session.rollback()
        return
    attempt.mismatch = (
        f"Settled as {attempt.state}; then the processor reported {answer.amount} "
        f"{answer.currency} (micros) as paid at {answer.at.isoformat()}, reference "
        f"{answer.reference}."
    )
    attempt.needs_operator = True
    line = (
        f"The processor reports {account.show(answer.amount)} from {attempt.method_label} after "
        "that payment was settled as not paid. Nothing was credited. Your provider will review it."
    )
    _record_mismatch(ctx, attempt, line)
    ctx.session.commit()


def _record_mismatch(ctx: Context, attempt: Attempt, line: str) -> None:
    event = EvidenceMismatched(line, attempt.id, attempt.payment.top_up_id)
    events.record(ctx, attempt.account_id, event)
