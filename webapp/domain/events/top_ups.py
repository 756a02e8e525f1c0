"""Events about automatic refill: its checks, charges, limits, pauses and settings."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Audit, Event, Group, Line, Micros, Subject, in_words
from webapp.domain.events.payment_methods import sample_forecast
from webapp.domain.events.payments import AttemptEvent
from webapp.domain.events.timeline import Code
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.context import Context
from webapp.domain.shared.datetimes import instant_text
from webapp.domain.shared.money import MICROS, decimal_text
from webapp.domain.top_ups.settings import FIELDS
from webapp.domain.webhooks.endpoint import EventKind


class Answered(Event):
    """A check of the account charged nothing, for this reason (E1)."""

    code: Code
    sentence: str
    top_up_id: int | None

    def line_code(self) -> Code:
        return self.code

    def line(self, account: Account) -> str:
        return self.sentence


class AnsweredByEmail(Answered):
    """A check met a pause or a limit. One email is sent per pause and window (T10)."""

    once = "{key}"
    explanation: str
    """The sentence in the language of the email."""
    key: str

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        return {**super().mailed(ctx, reader), "sentence": self.explanation}


class PausedAtCheck(AnsweredByEmail):
    email_kind = NoticeKind.PAUSED

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        explanation = account.translator.gettext(
            "Automatic refills are paused: a fourth refill within 10 minutes was due. "
            "Check your usage, then resume them."
        )
        return cls(Code.PAUSED, "", None, explanation, "")


class LimitReached(AnsweredByEmail):
    email_kind = NoticeKind.LIMIT_REACHED
    limit: str
    """ "$300.00 a day", in the language of the email."""
    until: datetime

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        _, limit = account.translator.gettext, account.show(300 * MICROS)
        explanation = _(
            "Nothing more is charged today: automatic refills have reached your limit of "
            "%(limit)s a day.",
            limit=limit,
        )
        return cls(
            Code.CAP_REACHED, "", None, explanation, "", _("%(limit)s a day", limit=limit), now
        )


class Charging(AttemptEvent):
    timeline = Line(
        Code.CHARGING,
        "Charging {amount} to {method}: the balance {balance} is below {threshold}.",
    )
    balance: Micros
    threshold: Micros


class ChargingNext(AttemptEvent):
    timeline = Line(Code.CHARGING, "Charging {amount} to {method}, the next method.")


class RefillSucceeded(Event):
    webhook = EventKind.TOP_UP_SUCCEEDED
    amount: int | None
    balance: int
    currency: str
    top_up_id: int

    def payload(self) -> Mapping[str, object]:
        return {
            "top_up": self.top_up_id,
            "amount": None if self.amount is None else decimal_text(self.amount),
            "balance": decimal_text(self.balance),
            "balance_currency": self.currency,
        }


class RefillFailed(RefillSucceeded):
    webhook = EventKind.TOP_UP_FAILED


class RefillHeld(Event):
    timeline = Line(Code.REFILL_HELD, "{sentence}")
    sentence: str


class BelowThreshold(Event):
    """An alert or news about the account's balance."""

    once = "{key}"
    balance: Micros
    threshold: Micros
    key: str


class LowBalance(BelowThreshold):
    timeline = Line(
        Code.NOTIFIED,
        "Low balance notification: {balance} is below {threshold}. Email queued.",
    )
    email_kind = NoticeKind.LOW_BALANCE
    what_next: str
    """In the language of the email."""

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        return cls(63_400_000, 75 * MICROS, "", sample_forecast(account))


class RefillBlocked(BelowThreshold):
    """A refill is due and nothing can be charged (T17)."""

    timeline = Line(
        Code.NOTIFIED,
        "Email sent: the balance {balance} is below {threshold}, and nothing can be charged.",
    )
    email_kind = NoticeKind.REFILL_BLOCKED
    reason: str
    """In the language of the email, as are `skipped` and `advice`."""
    skipped: Sequence[Mapping[str, str]]
    """A `sentence` about each method."""
    advice: str

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        _ = account.translator.gettext
        reason = _("Nothing will be charged. No payment method has auto-charge on.")
        advice = _("Turn on auto-charge for a payment method, or add funds.")
        return cls(12_300_000, 50 * MICROS, "", reason, (), advice)


class NothingChargeable(Event):
    """A refill is due and nothing can be charged: for the provider, once per cause (V7)."""

    webhook = EventKind.REFILL_BLOCKED
    code: str
    """Of the timeline."""
    sentence: str
    balance: int
    threshold: int
    currency: str
    until: datetime | None
    """When the cause ends by itself, if it does."""

    def payload(self) -> Mapping[str, object]:
        return {
            "code": self.code,
            "reason": self.sentence,
            "until": None if self.until is None else instant_text(self.until),
            "balance": decimal_text(self.balance),
            "balance_currency": self.currency,
            "threshold": decimal_text(self.threshold),
        }


class LimitsSet(Event):
    """Default limits were set for an account whose settings are older than they are."""

    page_of = Subject.PAYMENT_METHODS
    once = "settings {version}"
    timeline = Line(Code.LIMITS_SET)
    email_kind = NoticeKind.LIMITS_SET
    day_limit: Micros | None
    """The new limit; None if it was set before."""
    largest_charge: Micros | None
    version: int

    def line(self, account: Account) -> str:
        limits = {"Daily limit": self.day_limit, "Largest automatic charge": self.largest_charge}
        new = {name: limit for name, limit in limits.items() if limit is not None}
        return " ".join(f"{name} set to {account.show(limit)}." for name, limit in new.items())

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        return cls(500 * MICROS, None, 0)


class AutomaticPaused(Event):
    """An operator paused the account's automatic refills."""

    page_of = Subject.PAYMENT_METHODS
    audit = Audit(Group.OPERATOR, "Automatic refills paused", "Reason: {reason}", "paused")
    timeline = Line(Code.PAUSED, "Your provider paused automatic refills.")
    reason: str


class AutomaticResumed(Event):
    audit = Audit(
        Group.LOW_BALANCE,
        "Automatic refills resumed",
        "Automatic refills are running again.{because}",
        "resumed",
    )
    timeline = Line(Code.RESUMED, "{who} resumed automatic refills.")
    who: str
    reason: str = ""


class SettingsApplied(Event):
    audit = Audit(Group.LOW_BALANCE, "Settings applied", code="settings")
    webhook = EventKind.SETTINGS_CHANGED
    version: int
    changed: Mapping[str, Sequence[Any]]
    """Value before and after, by field."""
    settings: Mapping[str, object]
    """All fields as they are in payloads."""

    def audited(self, account: Account) -> str:
        return in_words(FIELDS, self.changed, account)

    def payload(self) -> Mapping[str, object]:
        return {**self.settings, "version": self.version}
