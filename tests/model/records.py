"""What the model keeps: cards, wishes, attempts and settings, each as plain as can be."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.model.bank import NO_ANSWER, Booked

CENT, UNIT = 10_000, 1_000_000
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

NETWORKS_FORBID = {"stolen_card", "lost_card", "fraudulent", "invalid_account"}
"""Of the codes that the walk uses, those of class hard in decline_codes.csv (F3)."""


class Refused(Exception):
    """What was asked is refused, and nothing has changed by it."""


@dataclass
class Operator:
    """What holds for the installation."""

    automatic: str = "on"
    least: int = 30 * UNIT
    most: int = 10_000 * UNIT
    largest_usage: int = 1_000 * UNIT


@dataclass(eq=False)
class Card:
    last4: str
    label: str
    habit: str
    """ "pays", "declines" or "asks" (for its customer, each time)."""
    expired_from: datetime
    consent: bool = False
    failed_at: datetime | None = None
    out_until: datetime | None = None
    end_recorded: bool = True
    forbidden: bool = False
    declines: int = 0
    healed_at: datetime | None = None
    reference: int = 0
    """Counts up each time that it is added: the processor then has it anew (M8)."""
    gone_there: set[int] = field(default_factory=set)
    """References that the processor no longer has, whether that is known here or not (M13)."""
    is_gone: bool = False

    def is_out(self, at: datetime) -> bool:
        suspended = self.out_until is not None and at < self.out_until
        return suspended or self.forbidden or self.declines >= 5

    def is_fit(self, at: datetime) -> bool:
        return at < self.expired_from and not self.is_out(at) and not self.is_gone


@dataclass(eq=False)
class Attempt:
    wish: "Wish"
    card: Card
    amount: int
    begun: datetime
    ask_at: datetime
    somebody_there: bool
    state: str = "open"
    """ "open", "paid", "declined" or "given up"."""
    waits_for: str = NO_ANSWER
    booked: Booked | None = None
    taken_at: datetime | None = None
    code: str = ""
    reference: int = 0
    refusals: int = 0
    """In a row (L8)."""
    told_unknown: bool = False
    is_stuck: bool = False
    knocked_out: bool = False
    root: "Attempt | None" = None

    @property
    def automatic(self) -> bool:
        return self.wish.kind == "automatic"


@dataclass(eq=False)
class Wish:
    """To move an amount once."""

    kind: str
    amount: int
    begun: datetime
    state: str = "open"
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def tried(self) -> set[Card]:
        return {attempt.card for attempt in self.attempts}

    @property
    def waits(self) -> bool:
        return any(attempt.state == "open" for attempt in self.attempts)


@dataclass
class Need:
    """An open top-up."""

    wish: Wish | None = None


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
        """N1: the notification moves no money."""
        return replace(self, notify_on=False, notify_below=None)

    @property
    def largest(self) -> int:
        """T9: what one automatic charge can come to."""
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
