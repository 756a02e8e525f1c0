"""Events about usage records and their import."""

from collections.abc import Mapping
from typing import Self

from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Audit, Event, Group, Line, Micros, Subject
from webapp.domain.events.timeline import Code
from webapp.domain.shared.money import LARGEST, decimal_text
from webapp.domain.usage.imports import count_words
from webapp.domain.usage.reversals import UsageReversal
from webapp.domain.webhooks.endpoint import EventKind


class UsageRejected(Event):
    """Usage records of one request were refused, for the same reason.

    The same line again is one event, because a meter may repeat its request.
    """

    folds = True
    webhook = EventKind.USAGE_REJECTED
    count: int
    largest: int
    """Micros."""
    reference: str
    """Of the largest record."""

    def which(self, account: Account) -> str:
        """Return the subject of the sentence, with its verb."""
        amount = account.show(min(self.largest, LARGEST))
        if self.largest > LARGEST:
            amount = f"more than {amount}"
        if self.count > 1:
            return f"{self.count:,} usage records, up to {amount}, were"
        return f"Usage of {amount} ({self.reference}) was"

    def payload(self) -> Mapping[str, object]:
        return {
            "records": self.count,
            "reference": self.reference,
            "amount": decimal_text(self.largest),
        }


class UsageTooLarge(UsageRejected):
    """Records above USAGE_MAX were refused (L14)."""

    timeline = Line(Code.USAGE_TOO_LARGE)
    limit: int

    def line(self, account: Account) -> str:
        limit = account.show(self.limit)
        return f"{self.which(account)} refused: a record may be at most {limit}."

    def payload(self) -> Mapping[str, object]:
        return {**super().payload(), "reason": "too_large", "limit": decimal_text(self.limit)}


class UsageAfterClosing(UsageRejected):
    """Usage of a closed account was refused (V4)."""

    timeline = Line(Code.USAGE_AFTER_CLOSING)

    def line(self, account: Account) -> str:
        return f"{self.which(account)} refused: the account is closed."

    def payload(self) -> Mapping[str, object]:
        return {**super().payload(), "reason": "account_closed", "limit": None}


class UsageReversed(Event):
    """Posted usage was given back, wholly or in part (L16)."""

    page_of = Subject.STATEMENT
    audit = Audit(Group.OPERATOR, "Usage reversed")
    timeline = Line(Code.USAGE_REVERSED)
    webhook = EventKind.USAGE_REVERSED
    usage: str
    """Reference of the usage."""
    reference: str
    amount: Micros
    reason: str
    balance: Micros
    currency: str

    @classmethod
    def about(cls, account: Account, reversal: UsageReversal) -> Self:
        return cls(
            usage=reversal.usage_reference,
            reference=reversal.reference,
            amount=reversal.amount,
            reason=reversal.reason,
            balance=account.balance,
            currency=account.currency,
        )

    def audited(self, account: Account) -> str:
        return f"{self.line(account)} Reason: {self.reason}."

    def line(self, account: Account) -> str:
        exact = f"{decimal_text(self.amount)} {self.currency}"
        return f"{exact} of the usage {self.usage} was credited ({self.reference})."

    def payload(self) -> Mapping[str, object]:
        return {
            "usage": self.usage,
            "reference": self.reference,
            "amount": decimal_text(self.amount),
            "reason": self.reason,
            "balance": decimal_text(self.balance),
            "balance_currency": self.currency,
        }


class UsageImported(Event):
    page_of = Subject.DATA
    audit = Audit(Group.DEVELOPERS, "Usage imported")
    file: str
    posted: int | None = None
    duplicate: int = 0
    bad: int = 0

    def audited(self, account: Account) -> str:
        if self.posted is None:
            return f"{self.file}."
        return f"{self.file}: {count_words(self.posted, self.duplicate, self.bad)}."
