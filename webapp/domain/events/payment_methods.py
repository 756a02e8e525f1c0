"""Events about payment methods."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Audit, Event, Group, Label, Line, Micros, Subject
from webapp.domain.events.timeline import Code
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.shared.datetimes import instant_text
from webapp.domain.webhooks.endpoint import EventKind

VISA, MASTERCARD = "Visa •••• 4242", "Mastercard •••• 4444"
"""Labels in sample events."""


def method_facts(it: PaymentMethod) -> dict[str, object]:
    """Return what webhook payloads say about a method."""
    until = it.suspended_until if it.auto_charge else None
    return {
        "id": it.id,
        "label": it.label,
        "auto_charge": it.auto_charge,
        "expiry": it.expiry or None,
        "suspended_until": instant_text(until) if until is not None else None,
    }


class MethodEvent(Event):
    method: Label
    payment_method: Mapping[str, object]
    """See `method_facts`."""
    method_id: int

    @classmethod
    def about(cls, method: PaymentMethod, **facts: Any) -> Self:
        return cls(method.label, method_facts(method), method.id, **facts)

    def payload(self) -> Mapping[str, object]:
        return {"payment_method": self.payment_method}


class MethodAdded(MethodEvent):
    audit = Audit(Group.METHODS, "Method added", "{method}.")
    webhook = EventKind.METHOD_ADDED


class MethodRefreshed(MethodEvent):
    audit = Audit(Group.METHODS, "Method updated", "{method} was added again.")


class MethodRefused(Event):
    audit = Audit(
        Group.METHODS,
        "Method refused",
        "The setup belongs to another account, so nothing was saved.",
    )
    processor: str


class MethodRemoved(MethodEvent):
    audit = Audit(Group.METHODS, "Method removed", "{method}.")
    webhook = EventKind.METHOD_REMOVED


class MethodsReordered(Event):
    audit = Audit(Group.METHODS, "Order changed", code="order")
    order: Sequence[str]
    before: Sequence[str] = ()

    def audited(self, account: Account) -> str:
        before, after = ", ".join(self.before), ", ".join(self.order)
        return f"From {before} to {after}." if before else f"New order: {after}."


class AutoChargeSwitched(MethodEvent):
    audit = Audit(Group.METHODS, "Auto-charge", "{method}: turned {on}.", "auto_charge")
    on: bool


class MethodSuspended(MethodEvent):
    webhook = EventKind.METHOD_SUSPENDED
    reason: str | None = None
    decline_code: str | None = None
    """For the provider alone: a thief shall not learn that a card is reported stolen (F12)."""

    @classmethod
    def about(cls, method: PaymentMethod, **facts: Any) -> Self:
        code = method.failure_code
        return super().about(method, reason=reason(code).sentence, decline_code=code, **facts)

    def payload(self) -> Mapping[str, object]:
        return {**super().payload(), "reason": self.reason}

    def provider_payload(self) -> Mapping[str, object]:
        return {**self.payload(), "decline_code": self.decline_code}


class MethodRestoredByPayment(MethodEvent):
    timeline = Line(Code.RESTORED, "{method} is back in use.")
    webhook = EventKind.METHOD_RESTORED
    attempt_id: int
    top_up_id: int | None


class MethodRestored(MethodEvent):
    audit = Audit(Group.METHODS, "Method restored", "{method}, without payment.")
    timeline = Line(Code.RESTORED, "{method} was verified with the bank and is back in use.")
    webhook = EventKind.METHOD_RESTORED


class SuspensionEnded(MethodEvent):
    timeline = Line(
        Code.SUSPENSION_ENDED, "The suspension of {method} has ended. It can be charged again."
    )
    webhook = EventKind.METHOD_RESTORED


class MethodRenewed(MethodEvent):
    timeline = Line(Code.METHOD_UPDATED)
    before: Label
    expiry: str

    def line(self, account: Account) -> str:
        expiry = f", and expires {self.expiry}" if self.expiry else ""
        return f"The bank renewed {self.before}: it is now {self.method}{expiry}."


class MethodLost(MethodEvent):
    timeline = Line(
        Code.METHOD_GONE,
        "{method} can no longer be charged: it was removed at the processor, or its agreement was "
        "cancelled there. It is skipped until it is added again.",
    )


class CardExpiring(MethodEvent):
    once = "{step}"
    webhook = EventKind.METHOD_EXPIRING
    email_kind = NoticeKind.CARD_EXPIRING
    step: str
    """Which of the notices it is: "method 12 08/28 30"."""
    days: int
    """Until the last day; below zero after it."""
    what_next: str
    """In the language of the email."""
    skipped_from: datetime | None = None
    """When the card is no longer charged, if its last day has passed."""

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        facts = super().mailed(ctx, reader)
        last_day = datetimes.local(ctx.now, reader.time_zone).date() + timedelta(days=self.days)
        facts["on"] = reader.mailed_date(last_day, ctx.now)
        if self.skipped_from is not None:
            day = datetimes.local(self.skipped_from, reader.time_zone).date()
            facts["skipped_from"] = reader.mailed_date(day, ctx.now)
        return facts

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        return cls(VISA, {}, 1, "", 30, sample_forecast(account))


class PaypalAllowed(Event):
    page_of = Subject.PAYMENT_METHODS
    audit = Audit(Group.OPERATOR, "PayPal")
    allowed: bool
    reason: str = ""

    def audited(self, account: Account) -> str:
        state = "allowed" if self.allowed else "not allowed"
        return f"PayPal is {state} for this account.{self.words(account)['because']}"


class WithdrawnDuringCharge(Event):
    """Consent was withdrawn while a charge was running (T14)."""

    timeline = Line(
        Code.WITHDRAWN_TOO_LATE,
        "{change} while {amount} was being charged to {method}. {follows}",
    )
    change: str
    """A clause such as "Automatic refill was switched off"."""
    amount: Micros
    method: Label
    follows: str
    """Sentence of the planner."""
    attempt_id: int


def sample_forecast(account: Account) -> str:
    return account.translator.gettext(
        "When your balance falls below %(threshold)s, we’ll charge %(amount)s to %(method)s; "
        "if it is declined, %(others)s.",
        threshold=account.show(50_000_000),
        amount=account.show(100_000_000),
        method=VISA,
        others=MASTERCARD,
    )
