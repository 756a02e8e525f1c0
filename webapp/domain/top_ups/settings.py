"""Low-balance settings: automatic refill (T1) and the low balance alert (N1–N5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, overload

from sqlalchemy import JSON, BigInteger, ColumnElement, ForeignKey, String, false
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from webapp.database.base import Base, partial_index
from webapp.domain.shared.money import cents_up
from webapp.domain.shared.policy import Policy

MAIL_INTERVAL = timedelta(hours=1)
"""N5: at most one email an hour."""

NEEDS_METHOD = "Needs a payment method with auto-charge on"

REFILLS_A_DAY = 5
"""T10: the default daily limit, in multiples of the largest automatic charge."""

Show = Callable[[int], str]
"""Formats micros in the account's currency and number format."""


@overload
def falls_below(balance: int, threshold: int) -> bool: ...
@overload
def falls_below(
    balance: InstrumentedAttribute[int], threshold: InstrumentedAttribute[int | None]
) -> ColumnElement[bool]: ...
def falls_below(balance: Any, threshold: Any) -> Any:
    """Return whether the balance is strictly below the threshold (T3, N2).

    Works on amounts and on columns.
    """
    return balance < threshold


class RefillMode(StrEnum):
    ADD = "add"
    """Charge exactly the refill amount."""
    TARGET = "target"
    """Charge the gap to the target, at most the largest charge."""


class LowBalanceSettings(Base):
    """The settings of an account: one row each. Amounts in micros."""

    __tablename__ = "low_balance_settings"
    __table_args__ = (
        # Partial, so that the worker reads only accounts with a scheduled check.
        partial_index(
            "ix_low_balance_settings_look_again_at",
            "look_again_at",
            where="look_again_at IS NOT NULL",
        ),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    refill_on: Mapped[bool] = mapped_column(default=False)
    refill_mode: Mapped[RefillMode] = mapped_column(String(10), default=RefillMode.ADD)
    threshold: Mapped[int | None] = mapped_column(BigInteger)
    refill_amount: Mapped[int | None] = mapped_column(BigInteger)
    target: Mapped[int | None] = mapped_column(BigInteger)
    largest_charge: Mapped[int | None] = mapped_column(BigInteger)
    """Largest automatic charge when refilling to a target (T9)."""
    day_limit: Mapped[int | None] = mapped_column(BigInteger)
    no_day_limit: Mapped[bool] = mapped_column(default=False, server_default=false())
    """The customer chose no daily limit. Otherwise NULL in `day_limit` means not chosen (T10)."""
    month_limit: Mapped[int | None] = mapped_column(BigInteger)
    """NULL: no monthly limit."""

    notification_on: Mapped[bool] = mapped_column(default=False)
    notification_threshold: Mapped[int | None] = mapped_column(BigInteger)
    notification_steps: Mapped[list[int]] = mapped_column(JSON, default=list)
    """Additional alert thresholds; each sends an email of its own."""
    armed_below: Mapped[int | None] = mapped_column(BigInteger)
    """Threshold of the next alert (N2); NULL after the lowest one."""
    notified_at: Mapped[datetime | None]
    blocked_mailed_at: Mapped[datetime | None]
    """T17: when the email was sent that the due refill cannot be charged; NULL if not in this
    episode. An episode ends when the balance is at or above the threshold."""

    look_again_at: Mapped[datetime | None]
    """T4: time of the next scheduled check, when a limit's window or the hour between two alerts
    has passed. A check that runs too early is harmless."""

    version: Mapped[int] = mapped_column(default=0)
    """Incremented by each Apply, to detect a stale form."""
    applied_at: Mapped[datetime | None]
    applied_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    @classmethod
    def of(cls, session: Session, account_id: int) -> "LowBalanceSettings":
        """Return the account's settings. Every account has a row; refill is off by default (T1)."""
        found = session.get(cls, account_id)
        if found is None:
            raise LookupError(f"account {account_id} has no low-balance settings")
        return found

    def chosen(self) -> "Choice":
        return Choice(
            refill_on=self.refill_on,
            refill_mode=RefillMode(self.refill_mode),
            threshold=self.threshold,
            refill_amount=self.refill_amount,
            target=self.target,
            largest_charge=self.largest_charge,
            day_limit=self.day_limit,
            no_day_limit=self.no_day_limit,
            month_limit=self.month_limit,
            notification_on=self.notification_on,
            notification_threshold=self.notification_threshold,
        )

    def apply(self, choice: "Choice", user_id: int | None, now: datetime) -> None:
        notification = (self.notification_on, self.notification_threshold)
        for name in Choice.__dataclass_fields__:
            setattr(self, name, getattr(choice, name))
        if (self.notification_on, self.notification_threshold) != notification:
            self.arm()
        self.version += 1
        self.applied_at = now
        self.applied_by_id = user_id

    def is_below_refill(self, balance: int) -> bool:
        return (
            self.refill_on and self.threshold is not None and falls_below(balance, self.threshold)
        )

    def look_again(self, at: datetime) -> None:
        """Schedule a check at this instant, unless an earlier one is scheduled (T4)."""
        if self.look_again_at is None or at < self.look_again_at:
            self.look_again_at = at

    def end_episode(self, balance: int) -> None:
        """End the episode if no refill is due, so that the next blocked refill is emailed (T17)."""
        if not self.is_below_refill(balance):
            self.blocked_mailed_at = None

    def arm(self) -> None:
        """Arm the alert: the next check sends it if the balance is below (N2, N5)."""
        self.armed_below = self.notification_threshold

    def set_steps(self, steps: Sequence[int], balance: int) -> None:
        """Set the additional thresholds. A new one above the balance sends one alert (N5)."""
        for step in set(steps) - set(self.notification_steps):
            if falls_below(balance, step):
                self.armed_below = max(step, self.armed_below or step)
        self.notification_steps = sorted(steps, reverse=True)

    @property
    def notification_lines(self) -> list[int]:
        """The active alert thresholds, highest first; empty if the alert is off."""
        first = self.notification_threshold
        if not self.notification_on or first is None:
            return []
        return [first, *sorted((it for it in self.notification_steps if it < first), reverse=True)]

    def owes_notification(self, balance: int, now: datetime) -> int | None:
        """Update the alert state; returns the threshold that an email is due for (N2, N5).

        A fall below several thresholds at once is one email, about the lowest. A crossing within
        an hour of the last email stays armed, and is checked again after that hour.
        """
        lines = self.notification_lines
        if not lines:
            return None
        left = [line for line in lines if not falls_below(balance, line)]
        if left:
            self.armed_below = max(left[0], self.armed_below or left[0])
        if self.armed_below is None or not falls_below(balance, self.armed_below):
            return None
        # A time farther ahead than the interval was written before the clock was set back.
        if self.notified_at is not None and abs(now - self.notified_at) < MAIL_INTERVAL:
            self.look_again(self.notified_at + MAIL_INTERVAL)
            return None
        self.armed_below = left[0] if left else None
        self.notified_at = now
        return lines[len(lines) - len(left) - 1]


@dataclass(frozen=True)
class Choice:
    """The settings that a person submits with Apply Changes. Amounts in micros."""

    refill_on: bool = False
    refill_mode: RefillMode = RefillMode.ADD
    threshold: int | None = None
    refill_amount: int | None = None
    target: int | None = None
    largest_charge: int | None = None
    day_limit: int | None = None
    no_day_limit: bool = False
    month_limit: int | None = None
    notification_on: bool = False
    notification_threshold: int | None = None

    def changes_refill(self, before: "Choice") -> bool:
        """Return whether anything but the alert differs (N1)."""
        return before != replace(
            self,
            notification_on=before.notification_on,
            notification_threshold=before.notification_threshold,
        )

    @property
    def most_at_once(self) -> int:
        """Largest possible automatic charge (T9); 0 if the amount is missing."""
        fixed = self.refill_mode is RefillMode.ADD
        return (self.refill_amount if fixed else self.largest_charge) or 0

    @property
    def lacks_day_limit(self) -> bool:
        """Whether refill is on, has no daily limit and "No daily limit" is not chosen (T10)."""
        return self.refill_on and self.day_limit is None and not self.no_day_limit

    def with_day_limit(self, busiest_day: int) -> "Choice":
        """Return the choice with the default daily limit, if it lacks one (T10).

        `busiest_day`: micros used on the busiest of the last 30 days.
        """
        if not self.lacks_day_limit:
            return self
        by_use = cents_up(2 * busiest_day)
        return replace(self, day_limit=max(REFILLS_A_DAY * self.most_at_once, by_use))

    def raises(self, before: "Choice") -> bool:
        """Return whether more money may be taken: a wider or removed limit, or a larger charge."""
        limits = ((before.day_limit, self.day_limit), (before.month_limit, self.month_limit))
        charges = (
            (before.refill_amount, self.refill_amount),
            (before.target, self.target),
            (before.largest_charge, self.largest_charge),
            (before.most_at_once, self.most_at_once),
            (before.no_day_limit, self.no_day_limit),
        )
        return any(old is not None and (new is None or new > old) for old, new in limits) or any(
            (new or 0) > (old or 0) for old, new in charges
        )

    def faults(self, policy: Policy, show: Show) -> dict[str, str]:
        """Return an error for each invalid field; empty if the settings can be applied.

        Fields of a switch that is off are optional.
        """
        faults: dict[str, str] = {}
        if self.refill_on:
            if self.threshold is None:
                faults["threshold"] = "Enter an amount"
            if self.refill_mode is RefillMode.ADD:
                faults |= _bounds("refill_amount", self.refill_amount, policy, show)
            elif self.target is None:
                faults["target"] = "Enter an amount"
            elif self.threshold is not None and self.target < self.threshold:
                faults["target"] = f"At least the threshold, {show(self.threshold)}"
            else:
                faults |= self._largest_charge_faults(policy, show)
            for field, or_none in (
                ("day_limit", "or choose no daily limit"),
                ("month_limit", "or empty for no limit"),
            ):
                limit = getattr(self, field)
                if limit is not None and limit < policy.payment_min:
                    faults[field] = f"At least {show(policy.payment_min)}, {or_none}"
        if self.no_day_limit and self.day_limit is not None:
            faults["day_limit"] = "Leave this empty to have no daily limit"
        if self.notification_on and self.notification_threshold is None:
            faults["notification_threshold"] = "Enter an amount"
        return faults

    def consent_faults(self, *, has_consent: bool) -> dict[str, str]:
        """Return an error if refill is on and no method has auto-charge on (T2)."""
        return {"refill_on": NEEDS_METHOD} if self.refill_on and not has_consent else {}

    def _largest_charge_faults(self, policy: Policy, show: Show) -> dict[str, str]:
        """Check that one charge covers the gap to the target, up to PAYMENT_MAX (T9)."""
        bounds = _bounds("largest_charge", self.largest_charge, policy, show)
        if bounds or self.largest_charge is None:
            return bounds
        gap = min((self.target or 0) - (self.threshold or 0), policy.payment_max)
        if self.largest_charge < gap:
            return {"largest_charge": f"At least {show(gap)}"}
        return {}


def suggested_largest_charge(target: int, policy: Policy) -> int:
    """Return twice the target, within PAYMENT_MIN and PAYMENT_MAX (T9)."""
    return min(max(2 * target, policy.payment_min), policy.payment_max)


def _bounds(field: str, amount: int | None, policy: Policy, show: Show) -> dict[str, str]:
    if amount is None:
        return {field: "Enter an amount"}
    if amount < policy.payment_min:
        return {field: f"At least {show(policy.payment_min)}"}
    if amount > policy.payment_max:
        return {field: f"At most {show(policy.payment_max)}"}
    return {}
