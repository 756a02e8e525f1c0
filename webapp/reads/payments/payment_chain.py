"""The course of a payment, drawn like the chain of "What happens next".

Arrows: solid for what happened, dashed for what may still happen, broken for a failure.
"""

from collections.abc import Sequence

from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payments.payment import Attempt, AttemptState, Payment, PaymentState
from webapp.domain.top_ups.explanations import Sentence, sentence, strong
from webapp.reads.top_ups.what_happens_next import ChainStep

ENDS = {
    AttemptState.PAID: "Paid",
    AttemptState.ABANDONED: "Not confirmed",
    AttemptState.CHALLENGED: "Waiting for you",
    AttemptState.REFUSED: "Refused, retrying",
}


def payment_chain(
    account: Account, payment: Payment, tried: Sequence[Attempt], who: str, below: str
) -> tuple[ChainStep, ...]:
    """Return the steps; `who` requested it, or empty and `below` says what triggered it."""
    if not tried:
        return ()
    steps = [_start(account, payment, who, below)]
    for attempt, after in zip(tried, [*tried[1:], None], strict=True):
        arrow = "solid" if after is not None or payment.state == PaymentState.PAID else "broken"
        if payment.state == PaymentState.OPEN:
            arrow = "solid" if after is not None else "dashed"
        steps.append(_step(attempt, arrow))
    return (*steps, _end(account, payment))


def _start(account: Account, payment: Payment, who: str, below: str) -> ChainStep:
    if who:
        requested = f"Requested {account.show(payment.amount)}"
        return ChainStep("person", who, requested, "", "will", "solid")
    return ChainStep("balance", "Balance", below or "Below the threshold", "", "will", "solid")


def _step(attempt: Attempt, arrow: str) -> ChainStep:
    method = attempt.method
    label, chip = (method.short_label, method.chip) if method else ("Manual", "")
    declined = attempt.state == AttemptState.DECLINED
    if declined:
        detail = reason(attempt.decline_code).sentence
    else:
        detail = ENDS.get(AttemptState(attempt.state), "Waiting for the bank")
    state = "skipped" if declined or attempt.state == AttemptState.ABANDONED else "will"
    return ChainStep("method", label, detail, chip, "active" if attempt.is_open else state, arrow)


def _end(account: Account, payment: Payment) -> ChainStep:
    amount = account.show(payment.amount)
    if payment.state == PaymentState.PAID:
        return ChainStep("balance", "Balance", f"+{amount}", "", "will", "")
    if payment.state == PaymentState.OPEN:
        return ChainStep("balance", "Balance", f"{amount} to add", "", "idle", "")
    return ChainStep("balance", "Balance", "Nothing added", "", "skipped", "")


def payment_sentence(account: Account, payment: Payment, tried: Sequence[Attempt]) -> Sentence:
    amount = strong(account.show(abs(payment.amount)))
    if not tried:
        verb = "added to the balance" if payment.amount > 0 else "deducted from the balance"
        why = f": {payment.note}" if payment.note else ""
        return sentence(amount, f" {verb}{why}.")
    last = tried[-1]
    label = strong(last.method.label if last.method else "a method")
    before = [a.method.label for a in tried[:-1] if a.method and a.state == AttemptState.DECLINED]
    after = f", after {_listed(before)} declined" if before else ""
    match payment.state:
        case PaymentState.PAID:
            return sentence(amount, " paid with ", label, f"{after}.")
        case PaymentState.OPEN:
            return sentence(amount, " to ", label, " is not settled yet. Nothing is charged twice.")
        case PaymentState.ABANDONED:
            return sentence(amount, " to ", label, " was abandoned. Nothing was charged.")
    if not before:
        why = reason(last.decline_code).sentence
        return sentence(amount, " to ", label, f" was declined: {why}. Nothing was charged.")
    labels = [*before, last.method.label if last.method else ""]
    return sentence(amount, f" was not charged: {_listed(labels)} declined.")


def _listed(labels: Sequence[str]) -> str:
    """ "Visa •••• 4242 was", "Visa •••• 4242 and Mastercard •••• 4444 were"."""
    if len(labels) == 1:
        return f"{labels[0]} was"
    return f"{', '.join(labels[:-1])} and {labels[-1]} were"
