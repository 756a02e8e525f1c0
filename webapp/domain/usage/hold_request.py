"""What a switch asks for with a hold, and how much of it is granted (V5, V6)."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from webapp.domain.shared.errors import Invalid

MINUTE = 60


@dataclass(frozen=True)
class Rate:
    """The price of time: `per_minute` micros, charged in whole increments of seconds."""

    per_minute: int
    increment: int = 1

    @classmethod
    def read(cls, per_minute: int | None, increment: int | None) -> "Rate | None":
        """Return the rate, if there is one. Raises `Invalid` for an increment without a rate."""
        if per_minute is not None:
            return cls(per_minute, increment or 1)
        if increment is not None:
            raise Invalid({"increment": "Must not be sent without the rate per minute"})
        return None

    def cost(self, seconds: int) -> int:
        """Return the cost in micros, rounded up."""
        return -(-self.per_minute * seconds // MINUTE)

    def seconds(self, amount: int) -> int:
        """Return the longest time in whole increments that costs at most `amount` micros."""
        return amount * MINUTE // (self.per_minute * self.increment) * self.increment


@dataclass(frozen=True)
class HoldRequest:
    """An amount, or time at a rate; with both, the amount limits the time."""

    lasts: timedelta
    """Time until the hold expires. No longer time is granted."""
    amount: int | None = None
    """Micros."""
    rate: Rate | None = None
    minimum: int | None = None
    """Micros: the least that may be granted. By default, all of an amount without a rate, and one
    increment of a rate."""

    def require_valid(self) -> None:
        """Raise `Invalid` with an error for each invalid field."""
        if self.amount is None and self.rate is None:
            raise Invalid({"amount": "Send amount, or rate_per_minute and increment"})
        if self.rate and self._longest < self.rate.increment:
            raise Invalid({"expires_in": "Must not be shorter than increment"})
        if not self.asked:
            raise Invalid({"amount": "Must cover one increment"})
        if self.least > self.asked:
            raise Invalid({"minimum": "Must not be above the amount asked"})

    def changed(self, change: "HoldChange") -> "HoldRequest":
        """Return the request for the next part: what is not changed is asked again."""
        rate = change.rate or self.rate
        amount = self.amount if change.amount is None and change.rate is None else change.amount
        request = HoldRequest(change.lasts or self.lasts, amount, rate, change.minimum)
        if change.minimum is None and self.minimum is not None:
            return replace(request, minimum=min(self.minimum, request.asked))
        return request

    @cached_property
    def asked(self) -> int:
        """The amount asked in micros: with a rate, the cost of whole increments."""
        if self.rate is None:
            return self.amount or 0
        longest = self.rate.cost(self._longest)
        return longest if self.amount is None else min(longest, self._rounded(self.amount))

    @cached_property
    def least(self) -> int:
        """The least amount in micros that may be granted."""
        if self.rate is None:
            return self.asked if self.minimum is None else self.minimum
        increment = self.rate.cost(self.rate.increment)
        return increment if self.minimum is None else max(increment, self._rounded(self.minimum))

    def granted(self, available: int) -> int:
        """Return what is granted of the available micros; 0 if that is less than the minimum."""
        most = min(self.asked, max(available, 0))
        granted = most if most == self.asked else self._rounded(most)
        return granted if granted >= self.least else 0

    @cached_property
    def _longest(self) -> int:
        """Seconds in whole increments until the hold expires."""
        seconds = int(self.lasts.total_seconds())
        return seconds - seconds % self.rate.increment if self.rate else seconds

    def _rounded(self, amount: int) -> int:
        """Round down to the cost of whole increments."""
        return self.rate.cost(self.rate.seconds(amount)) if self.rate else amount


@dataclass(frozen=True)
class HoldChange:
    """A report of what was used, and the request for the next part; None: as before."""

    used: int | None = None
    """Micros used since the last report."""
    used_total: int | None = None
    """Micros used since the start, instead of `used`."""
    amount: int | None = None
    """Micros."""
    rate: Rate | None = None
    minimum: int | None = None
    """Micros."""
    lasts: timedelta | None = None

    def unreported(self, reported: int) -> int:
        """Return the micros to debit, if `reported` micros have been debited before."""
        if self.used_total is None:
            return self.used or 0
        return max(self.used_total - reported, 0)
