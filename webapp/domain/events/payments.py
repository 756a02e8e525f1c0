"""Events about payments: requests, charges and their outcomes, adjustments and reversals."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Audit, Event, Group, Label, Line, Micros, Text
from webapp.domain.events.payment_methods import MASTERCARD, VISA, method_facts
from webapp.domain.events.timeline import Code
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.payment_methods.declines import BANK, FUNDS, reason
from webapp.domain.payment_methods.payment_method import label_in
from webapp.domain.payments.payment import KIND_NAMES, Attempt, Payment, PaymentKind
from webapp.domain.payments.reversals import NAMES, Reversal
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import MICROS, decimal_text
from webapp.domain.webhooks.endpoint import EventKind
from webapp.ports import ReversalKind

HUNDRED = 100 * MICROS
REFERENCE = "P-000012"
"""Of the sample events."""


class PaymentEvent(Event):
    payment: str
    """Reference."""
    kind: str
    amount: Micros
    currency: str
    payment_method: Mapping[str, object] | None
    """The last method that was tried; see `method_facts`."""
    balance: Micros
    payment_id: int

    @classmethod
    def about(cls, account: Account, payment: Payment, **facts: Any) -> Self:
        tried = payment.attempts[-1].method if payment.attempts else None
        return cls(
            payment=payment.reference,
            kind=payment.kind,
            amount=payment.amount,
            currency=payment.currency,
            payment_method=method_facts(tried) if tried else None,
            balance=account.balance,
            payment_id=payment.id,
            **facts,
        )

    def payload(self) -> Mapping[str, object]:
        return {
            "payment": self.payment_id,
            "reference": self.payment,
            "kind": self.kind,
            "amount": decimal_text(self.amount),
            "currency": self.currency,
            "payment_method": self.payment_method,
            "balance": decimal_text(self.balance),
            "balance_currency": self.currency,
        }

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        return {**super().mailed(ctx, reader), "balance_after": reader.show(self.balance)}


class AttemptEvent(Event):
    """An event of one attempt to charge a method."""

    once = "attempt {attempt_id}"
    amount: Micros
    method: Label
    attempt_id: int
    top_up_id: int | None

    @classmethod
    def about(cls, attempt: Attempt, **facts: Any) -> Self:
        top_up_id = attempt.payment.top_up_id
        return cls(attempt.amount, attempt.method_label, attempt.id, top_up_id, **facts)


class PaymentRequested(Event):
    audit = Audit(Group.PAYMENTS, "Payment requested")
    payment: str
    kind: str
    amount: Micros
    payment_id: int

    def audited(self, account: Account) -> str:
        known = self.kind in set(PaymentKind)
        kind = KIND_NAMES[PaymentKind(self.kind)] if known else "Payment"
        return f"{kind} of {account.show(self.amount)}, {self.payment}."


class PaymentPaid(PaymentEvent):
    once = "attempt {attempt_id}"
    timeline = Line(Code.CHARGED, "{amount} paid with {method}. The balance is {balance}.")
    webhook = EventKind.PAYMENT_SUCCEEDED
    email_kind = NoticeKind.RECEIPT
    method: Label
    receipt: str
    attempt_id: int
    top_up_id: int | None

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        facts = super().mailed(ctx, reader)
        del facts["payment_id" if self.receipt else "receipt"]
        kind = reader.translator.gettext(KIND_NAMES[PaymentKind(self.kind)])
        link = {"payment_id": str(self.payment_id)} if self.receipt else {}
        return {**facts, **link, "reference": self.payment, "kind": kind}

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        facts = (REFERENCE, PaymentKind.AUTOMATIC, HUNDRED, account.currency, None, 149_200_000)
        return cls(*facts, 12, VISA, "", 12, None)


class PaymentFailed(PaymentEvent):
    webhook = EventKind.PAYMENT_FAILED
    declines: Sequence[Mapping[str, object]] = ()
    """`payment_method`, `reason` and `decline_code` of each method that was tried, in order."""

    @classmethod
    def about(cls, account: Account, payment: Payment, **facts: Any) -> Self:
        declines = [
            {
                "payment_method": attempt.method_id,
                "reason": reason(attempt.decline_code).sentence,
                "decline_code": attempt.decline_code,
            }
            for attempt in payment.attempts
            if attempt.decline_code
        ]
        return super().about(account, payment, declines=declines, **facts)

    def payload(self) -> Mapping[str, object]:
        """Return the data without decline codes, so that a thief does not learn that a card is
        reported stolen (F12).
        """
        shown = [{name: it[name] for name in it if name != "decline_code"} for it in self.declines]
        return {**super().payload(), "reason": self._last("reason"), "declines": shown}

    def provider_payload(self) -> Mapping[str, object]:
        code = self._last("decline_code")
        return {**self.payload(), "decline_code": code, "declines": list(self.declines)}

    def _last(self, name: str) -> object:
        return self.declines[-1][name] if self.declines else None


class PaymentAbandoned(PaymentEvent):
    timeline = Line(Code.ABANDONED, "{amount} to {method} {outcome}. Nothing was charged.")
    webhook = EventKind.PAYMENT_ABANDONED
    method: Label
    outcome: str
    """A clause such as "was given up"."""
    attempt_id: int
    top_up_id: int | None


class AttemptDeclined(AttemptEvent):
    timeline = Line(Code.DECLINED, "{amount} to {method} was declined: {reason}.{consequence}")
    reason: str
    consequence: str
    """A sentence about the method, after a space, or empty."""


class AttemptWithoutMethod(AttemptEvent):
    """The processor no longer has the method (M13)."""

    timeline = Line(
        Code.DECLINED, "{amount} was not charged to {method}: the processor no longer has it."
    )


class OutcomeUnknown(AttemptEvent):
    timeline = Line(
        Code.WAITING,
        "The outcome of {amount} to {method} is not known yet. Nothing else is charged until the "
        "bank answers.",
    )


class RequestRefused(AttemptEvent):
    """The processor has not run the request (L8)."""

    timeline = Line(
        Code.WAITING,
        "The processor refused the request to charge {amount} to {method}. Nothing was charged. "
        "The request is repeated; nothing else is charged meanwhile.",
    )


class RequestRefusedRepeatedly(AttemptEvent):
    timeline = Line(
        Code.OPERATOR,
        "The processor has refused the request to charge {amount} to {method} {refusals} times. "
        "Nothing was charged. Your provider has to review this. The request is still being "
        "repeated.",
    )
    refusals: int


class OutcomeLeftToOperator(AttemptEvent):
    timeline = Line(
        Code.OPERATOR,
        "The outcome of {amount} is still unknown after 23 hours. Your provider will decide. "
        "Nothing else is charged until then.",
    )


class EvidenceMismatched(Event):
    """The processor's records do not match ours; nothing is credited (L9)."""

    timeline = Line(Code.MISMATCH, "{sentence}")
    sentence: str
    attempt_id: int
    top_up_id: int | None = None


class ChainEnded(Event):
    timeline = Line(
        Code.CHAIN_ENDED,
        "Add Funds of {amount} was stopped: no method could be charged in time.",
    )
    amount: Micros
    payment_id: int


class CustomerWaits(AttemptEvent):
    """An outcome has been unknown for an hour; the account is emailed (L10)."""

    email_kind = NoticeKind.STILL_UNKNOWN
    since: datetime
    refused: bool

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        return cls(HUNDRED, VISA, 0, None, now, False)


class MethodFailed(AttemptEvent):
    """A method was suspended; the email says what was charged instead (F11)."""

    email_kind = NoticeKind.METHOD_SUSPENDED
    reason: Text
    advice: Text
    at: datetime
    until: datetime | None
    instead: str
    """In the language of the email."""

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        amount = account.show(HUNDRED)
        instead = account.translator.gettext(
            "%(method)s was charged %(amount)s instead.", method=MASTERCARD, amount=amount
        )
        return cls(HUNDRED, VISA, 0, None, FUNDS.sentence, FUNDS.advice, now, now, instead)


class CustomerNeeded(AttemptEvent):
    """A signed link is sent that resumes the payment with the customer present (F7)."""

    email_kind = NoticeKind.AUTHENTICATION_REQUIRED
    at: datetime
    until: datetime
    instead: str
    """In the language of the email."""

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        instead = account.translator.gettext("Nothing was charged instead.")
        return cls(HUNDRED, VISA, 0, None, now, now, instead)


class AllMethodsFailed(Event):
    once = "payment {payment_id}"
    email_kind = NoticeKind.ALL_FAILED
    amount: Micros
    balance: Micros
    failures: Sequence[Sequence[str]]
    """Label and reason of each method."""
    what_next: str
    """In the language of the email."""
    payment_id: int

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        tongue = reader.translator
        failures = [
            {"method": label_in(tongue, method), "reason": tongue.gettext(reason)}
            for method, reason in self.failures
        ]
        return {**super().mailed(ctx, reader), "failures": failures}

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        what_next = account.translator.gettext(
            "Nothing can be charged until %(until)s. Then we’ll try %(method)s again. "
            "Retry a method or add funds to continue now.",
            until=account.mailed(now, now),
            method=VISA,
        )
        failures = ((VISA, FUNDS.sentence), (MASTERCARD, BANK.sentence))
        return cls(HUNDRED, 12_300_000, failures, what_next, 12)


class MoneyTakenBack(Event):
    """A refund, dispute or reversal was debited (L7)."""

    once = "{key}"
    timeline = Line(Code.TAKEN_BACK, "{amount} was deducted: {reversal}. The balance is {balance}.")
    email_kind = NoticeKind.TAKEN_BACK
    came_back = False
    reversal: str
    """ "Refund of P-000012, Visa •••• 4242"."""
    name: str
    """The same in the language of the email."""
    amount: Micros
    balance: Micros
    reference: str
    """Of the payment that was taken back."""
    at: datetime
    key: str
    attempt_id: int
    payment_id: int | None
    """The debit, or the credit that returns it."""

    @classmethod
    def about(cls, account: Account, reversal: Reversal, amount: int, **facts: Any) -> Self:
        return cls(
            reversal=reversal.name,
            name=reversal.name_in(account.translator),
            amount=amount,
            balance=account.balance,
            reference=reversal.attempt.payment.reference,
            at=reversal.at,
            key=f"reversal {reversal.id} {cls.timeline.code}",
            attempt_id=reversal.attempt_id,
            **facts,
        )

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        after = {"came_back": self.came_back, "balance_after": reader.show(self.balance)}
        return {**super().mailed(ctx, reader), **after}

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        name = account.translator.gettext(NAMES[ReversalKind.REFUND], payment=REFERENCE)
        facts = (40 * MICROS, 23_400_000, REFERENCE, now, "", 0, None)
        return cls("", f"{name}, {VISA}", *facts)


class MoneyReturned(MoneyTakenBack):
    timeline = Line(
        Code.GIVEN_BACK,
        "{amount} was returned: {reversal} was decided in your favor. The balance is {balance}.",
    )
    webhook = EventKind.PAYMENT_SUCCEEDED
    came_back = True
    credit: Mapping[str, object]
    """Payload about the credit."""

    def payload(self) -> Mapping[str, object]:
        return self.credit


class DisputeLost(Event):
    timeline = Line(Code.TAKEN_BACK, "{name} was lost.")
    name: str
    attempt_id: int | None = None


class BalanceDebited(Event):
    """An operator's adjustment."""

    audit = Audit(Group.OPERATOR, "Balance adjusted", code="adjusted")
    amount: Micros
    reason: str
    payment_id: int | None = None

    def audited(self, account: Account) -> str:
        verb = "credited" if self.amount > 0 else "debited"
        return f"{account.show(abs(self.amount))} {verb}. Reason: {self.reason}"


class BalanceCredited(PaymentEvent):
    audit = Audit(Group.OPERATOR, "Balance adjusted", "{amount} credited.{because}", "adjusted")
    webhook = EventKind.PAYMENT_SUCCEEDED
    reason: str


class AttemptDecided(Event):
    audit = Audit(Group.OPERATOR, "Charge resolved")
    attempt: int
    paid: bool
    reason: str
    attempt_id: int | None = None

    def audited(self, account: Account) -> str:
        outcome = "paid" if self.paid else "not charged"
        return f"Attempt {self.attempt}: {outcome}. Reason: {self.reason}"
