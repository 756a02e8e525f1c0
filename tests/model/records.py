"""Records of the model: cards, payments, attempts and settings."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.model.bank import NO_ANSWER, Booked

CENT, UNIT = 10_000, 1_000_000
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

NETWORKS_FORBID = {"stolen_card", "lost_card", "fraudulent", "invalid_account"}
"""Decline codes of class hard in decline_codes.csv (F3), of those that the walk uses."""


class Refused(Exception):
    """The request is refused and changes nothing."""


@dataclass
class Operator:
    """Settings of the installation."""

    automatic: str = "on"
    least: int = 30 * UNIT
    most: int = 10_000 * UNIT
    largest_usage: int = 1_000 * UNIT


@dataclass(eq=False)
class Card:
    last4: str
    label: str
    habit: str
    """"pays", "declines" or "asks" (requires a challenge each time the customer is present)."""
    expired_from: datetime
    consent: bool = False
    failed_at: datetime | None = None
    out_until: datetime | None = None
    end_recorded: bool = True
    forbidden: bool = False
    declines: int = 0
    restored_at: datetime | None = None
    reference: int = 0
    """Incremented each time the card is added, because the processor then stores it anew (M8)."""
    gone_there: set[int] = field(default_factory=set)
    """References removed at the processor, whether or not that is known here (M13)."""
    is_gone: bool = False

    def is_out(self, at: datetime) -> bool:
        suspended = self.out_until is not None and at < self.out_until
        return suspended or self.forbidden or self.declines >= 5

    def is_fit(self, at: datetime) -> bool:
        return at < self.expired_from and not self.is_out(at) and not self.is_gone


@dataclass(eq=False)
class Attempt:
    payment: "Payment"
    card: Card
    amount: int
    begun: datetime
    ask_at: datetime
    customer_present: bool
    state: str = "open"
    """"open", "paid", "declined" or "given up"."""
    waiting_for: str = NO_ANSWER
    booked: Booked | None = None
    taken_at: datetime | None = None
    code: str = ""
    reference: int = 0
    refusals: int = 0
    """Refusals to process, in a row (L8)."""
    unknown_mailed: bool = False
    is_stuck: bool = False
    newly_suspended: bool = False
    root: "Attempt | None" = None

    @property
    def automatic(self) -> bool:
        return self.payment.kind == "automatic"


@dataclass(eq=False)
class Payment:
    """A payment of one amount, with its attempts."""

    kind: str
    amount: int
    begun: datetime
    state: str = "open"
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def tried(self) -> set[Card]:
        return {attempt.card for attempt in self.attempts}

    @property
    def is_waiting(self) -> bool:
        return any(attempt.state == "open" for attempt in self.attempts)


@dataclass
class TopUp:
    """An open top-up."""

    payment: Payment | None = None


@dataclass
class Settings:
    refill_on: bool = False
    mode: str = "add"
    threshold: int | None = None
    refill: int | None = None
    target: int | None = None
    largest_charge: int | None = None
    day_limit: int | None = None
    no_day_limit: bool = False
    month_limit: int | None = None
    notify_on: bool = False
    notify_below: int | None = None

    def refill_part(self) -> "Settings":
        """The refill settings alone; the notification moves no money (N1)."""
        return replace(self, notify_on=False, notify_below=None)

    @property
    def largest(self) -> int:
        """The largest possible automatic charge (T9)."""
        return self.refill if self.mode == "add" else self.largest_charge

    def are_wrong(self, operator: Operator) -> bool:
        if self.no_day_limit and self.day_limit is not None:
            return True
        if self.notify_on and self.notify_below is None:
            return True
        if not self.refill_on:
            return False
        limits = [limit for limit in (self.day_limit, self.month_limit) if limit is not None]
        if self.threshold is None or any(limit < operator.least for limit in limits):
            return True
        if self.mode == "add":
            return self.refill is None or not operator.least <= self.refill <= operator.most
        if self.target is None or self.target < self.threshold or self.largest_charge is None:
            return True
        reach = max(operator.least, min(self.target - self.threshold, operator.most))
        return not reach <= self.largest_charge <= operator.most
