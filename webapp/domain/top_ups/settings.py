"""Low-balance settings: automatic refill (T1) and the low balance alert (N1–N5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, overload

from sqlalchemy import JSON, BigInteger, ColumnElement, ForeignKey, String, false
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from webapp.currencies import Bounds
from webapp.database.base import Base, partial_index
from webapp.domain.shared.field_tables import (
    Amount,
    Form,
    Limit,
    Option,
    Setting,
    Show,
    Switch,
    read_form,
    table_of,
)
from webapp.domain.shared.money import AmountFormat, decimals_fault, round_up

MAIL_INTERVAL = timedelta(hours=1)
"""N5: at most one email an hour."""

NEEDS_METHOD = "Needs a payment method with auto-charge on"

REFILLS_A_DAY = 5
"""T10: the default daily limit, in multiples of the largest automatic charge."""


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


class PausedBy(StrEnum):
    """Who paused automatic refills."""

    BURST = "burst"
    """The burst breaker (T10)."""
    DISPUTE = "dispute"
    """A lost dispute (L7)."""
    OPERATOR = "operator"
    """Only an operator can resume them."""


class LowBalanceSettings(Base):
    """An account's settings, and where its refills and alerts stand: one row. Amounts in micros."""

    __tablename__ = "low_balance_settings"
    __table_args__ = (
        # Partial, so that the worker reads only accounts with a scheduled check.
        partial_index(
            "ix_low_balance_settings_check_again_at",
            "check_again_at",
            where="check_again_at IS NOT NULL",
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
    blocked_code: Mapped[str | None] = mapped_column(String(40))
    """V7: the cause of the last `refill.blocked`; NULL if there was none in this episode, or if a
    refill was opened since."""

    check_again_at: Mapped[datetime | None]
    """T4: time of the next scheduled check, when a limit's window or the hour between two alerts
    has passed. A check that runs too early is harmless."""

    paused_at: Mapped[datetime | None]
    """Automatic refills are paused until a person resumes them (T10, L7)."""
    paused_by: Mapped[PausedBy | None] = mapped_column(String(10))
    """NULL unless they are paused."""
    resumed_at: Mapped[datetime | None]
    """Start of the burst breaker's window after Resume (T10)."""
    low_by_reversal: Mapped[bool] = mapped_column(default=False, server_default=false())
    """A refund or dispute took the balance below the threshold, which starts no refill (L7)."""
    refill_held: Mapped[bool] = mapped_column(default=False, server_default=false())
    """The refill that a debit or a saved method would start is on hold: nothing is charged until
    the next balance check that is not routine (T18)."""
    all_failed_mailed: Mapped[bool] = mapped_column(default=False, server_default=false())
    """The email that all methods have failed was sent; a success resets it (F11)."""

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
        return Choice.restored({name: getattr(self, name) for name in FIELDS})

    def apply(self, choice: "Choice", user_id: int | None, now: datetime) -> None:
        notification = (self.notification_on, self.notification_threshold)
        for name in FIELDS:
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
        if self.check_again_at is None or at < self.check_again_at:
            self.check_again_at = at

    def pause(self, by: PausedBy, now: datetime) -> None:
        """Pause automatic refills. An operator's pause replaces another; no other does."""
        if self.paused_at is None or by is PausedBy.OPERATOR:
            self.paused_by = by
        self.paused_at = self.paused_at or now

    def resume(self, now: datetime) -> None:
        if self.paused_at is not None:
            self.paused_at = self.paused_by = None
            self.resumed_at = now

    def release_refill(self) -> None:
        """End what holds a refill back: a reversal as the only cause (L7), or a hold (T18)."""
        self.low_by_reversal = self.refill_held = False

    def end_episode(self, balance: int) -> None:
        """End the episode if no refill is due, so that the next blocked refill is emailed (T17)."""
        if not self.is_below_refill(balance):
            self.blocked_mailed_at = self.blocked_code = None

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
    """The settings that a person submits with Apply Changes: the field table. Amounts in micros."""

    refill_on: bool = Switch.field(
        label="Automatically refill when threshold is reached",
        noun="automatic refill",
        option="refill",
        about="Whether automatic refill is on.",
        widens_spending=False,
        api_requires=True,
    )
    refill_mode: RefillMode = Option.field(  # noqa: RUF009  # it returns `dataclasses.field(…)`
        label="When triggered",
        noun="kind of refill",
        option="mode",
        about="`add`: charge exactly the refill amount. `target`: charge the difference to the "
        "target, at most `largest_charge`.",
        default=RefillMode.ADD,
        options={RefillMode.ADD: "Add a fixed amount", RefillMode.TARGET: "Refill to a target"},
        is_folded=True,
        widens_spending=False,  # `most_at_once` tells whether the other kind charges more
    )
    threshold: int | None = Amount.field(
        label="Threshold amount",
        noun="threshold",
        about="A refill is due when the balance falls below this amount.",
        widens_spending=False,
        example="50.00",
    )
    refill_amount: int | None = Amount.field(
        label="Refill amount",
        about="The amount of each automatic charge in mode `add`.",
        widens_spending=True,
        example="100.00",
    )
    target: int | None = Amount.field(
        label="Target balance",
        about="The balance to reach in mode `target`.",
        widens_spending=True,
        example="150.00",
    )
    largest_charge: int | None = Amount.field(
        label="Largest automatic charge",
        about="The maximum of one automatic charge in mode `target`.",
        api_note="Required in that mode; we suggest twice the target.",
        is_folded=True,
        widens_spending=True,
        example="300.00",
    )
    day_limit: int | None = Limit.field(
        label="Daily limit",
        about="Maximum of automatic charges per calendar day in the account's time zone. If "
        "empty while refill is on, a default is set.",
        api_note="The default is five times the largest automatic charge, or twice the busiest "
        "of the last 30 days, whichever is more.",
        span="day",
        way_out="or choose no daily limit",
        example="500.00",
    )
    no_day_limit: bool = Switch.field(
        label="No daily limit",
        about="Set no daily limit, not even the default.",
        api_note="False without `day_limit`: not chosen yet.",
        widens_spending=True,
        clears="day_limit",
    )
    month_limit: int | None = Limit.field(
        label="Monthly limit",
        about="Maximum of automatic charges per calendar month in the account's time zone.",
        api_note="Null for none.",
        is_folded=True,
        span="month",
        way_out="or empty for no limit",
        example="900.00",
    )
    notification_on: bool = Switch.field(
        label="Low balance notification",
        option="notification",
        about="Whether the low-balance notification is on: email only, no charge.",
        widens_spending=False,
        api_requires=True,
    )
    notification_threshold: int | None = Amount.field(
        label="Notification threshold",
        about="The notification is sent when the balance falls below this amount.",
        widens_spending=False,
        example="75.00",
    )

    @classmethod
    def restored(cls, stored: Mapping[str, Any]) -> "Choice":
        """Return the settings with these values from the database or the audit log.

        Fields that are missing, as in old audit entries, have their defaults; others are ignored.
        """
        values = {name: stored[name] for name in FIELDS if name in stored}
        values |= {it.name: it.restore(values[it.name]) for it in OPTIONS if it.name in values}
        return cls(**values)

    def exact(self) -> dict[str, object]:
        """Return the settings for programs: amounts as decimal strings."""
        return {name: field.exact(getattr(self, name)) for name, field in FIELDS.items()}

    def limits(self) -> list[tuple[Limit, int]]:
        """Return the limits that are set, with their amounts."""
        limits = [(field, getattr(self, field.name)) for field in LIMITS]
        return [(field, amount) for field, amount in limits if amount is not None]

    def changes_refill(self, before: "Choice") -> bool:
        """Return whether anything but the alert differs (N1)."""
        return any(getattr(self, name) != getattr(before, name) for name in FIELDS.keys() - ALERT)

    @property
    def most_at_once(self) -> int:
        """Largest possible automatic charge (T9); 0 if the amount is missing."""
        fixed = self.refill_mode is RefillMode.ADD
        return (self.refill_amount if fixed else self.largest_charge) or 0

    @property
    def lacks_day_limit(self) -> bool:
        """Whether refill is on, has no daily limit and "No daily limit" is not chosen (T10)."""
        return self.refill_on and self.day_limit is None and not self.no_day_limit

    def with_day_limit(self, busiest_day: int, currency: str) -> "Choice":
        """Return the choice with the default daily limit, if it lacks one (T10).

        `busiest_day`: micros used on the busiest of the last 30 days.
        """
        if not self.lacks_day_limit:
            return self
        by_use = round_up(2 * busiest_day, currency)
        return replace(self, day_limit=max(REFILLS_A_DAY * self.most_at_once, by_use))

    def raises(self, before: "Choice") -> bool:
        """Return whether more money may be taken: a wider or removed limit, or a larger charge."""
        return self.most_at_once > before.most_at_once or any(
            field.widens(getattr(before, name), getattr(self, name))
            for name, field in FIELDS.items()
        )

    def faults(self, bounds: Bounds, show: Show) -> dict[str, str]:
        """Return an error for each invalid field; empty if the settings can be applied.

        Fields of a switch that is off are optional. `bounds` are those of the account's currency.
        """
        faults = self._faults_of_refill(bounds, show) if self.refill_on else {}
        if self.no_day_limit and self.day_limit is not None:
            faults["day_limit"] = "Leave this empty to have no daily limit"
        if self.notification_on and self.notification_threshold is None:
            faults["notification_threshold"] = "Enter an amount"
        for name in AMOUNTS:
            amount = getattr(self, name)
            if amount and (fault := decimals_fault(amount, bounds.currency)):
                faults[name] = fault
        return faults

    def _faults_of_refill(self, bounds: Bounds, show: Show) -> dict[str, str]:
        faults: dict[str, str] = {}
        if self.threshold is None:
            faults["threshold"] = "Enter an amount"
        if self.refill_mode is RefillMode.ADD:
            faults |= _out_of_bounds("refill_amount", self.refill_amount, bounds, show)
        elif self.target is None:
            faults["target"] = "Enter an amount"
        elif self.threshold is not None and self.target < self.threshold:
            faults["target"] = f"At least the threshold, {show(self.threshold)}"
        else:
            faults |= self._largest_charge_faults(bounds, show)
        for field, limit in self.limits():
            if limit < bounds.payment_min:
                faults[field.name] = f"At least {show(bounds.payment_min)}, {field.way_out}"
        return faults

    def consent_faults(self, *, has_consent: bool) -> dict[str, str]:
        """Return an error if refill is on and no method has auto-charge on (T2)."""
        return {"refill_on": NEEDS_METHOD} if self.refill_on and not has_consent else {}

    def _largest_charge_faults(self, bounds: Bounds, show: Show) -> dict[str, str]:
        """Check that one charge covers the gap to the target, up to PAYMENT_MAX (T9)."""
        faults = _out_of_bounds("largest_charge", self.largest_charge, bounds, show)
        if faults or self.largest_charge is None:
            return faults
        gap = min((self.target or 0) - (self.threshold or 0), bounds.payment_max)
        if self.largest_charge < gap:
            return {"largest_charge": f"At least {show(gap)}"}
        return {}


FIELDS: Mapping[str, Setting] = table_of(Choice)
OPTIONS = tuple(field for field in FIELDS.values() if isinstance(field, Option))
AMOUNTS = tuple(name for name, field in FIELDS.items() if isinstance(field, Amount))
LIMITS = tuple(field for field in FIELDS.values() if isinstance(field, Limit))
ALERT = {"notification_on", "notification_threshold"}
"""Fields of the low balance alert; all others are about refills."""


def read_choice(form: Form, amounts: AmountFormat) -> tuple[Choice, dict[str, str]]:
    """Return the settings of a submitted form, and an error for each invalid amount."""
    values, errors = read_form(FIELDS, form, amounts)
    return Choice(**values), errors


def suggested_largest_charge(target: int, bounds: Bounds) -> int:
    """Return twice the target, within PAYMENT_MIN and PAYMENT_MAX (T9)."""
    return min(max(2 * target, bounds.payment_min), bounds.payment_max)


def _out_of_bounds(field: str, amount: int | None, bounds: Bounds, show: Show) -> dict[str, str]:
    if amount is None:
        return {field: "Enter an amount"}
    if amount < bounds.payment_min:
        return {field: f"At least {show(bounds.payment_min)}"}
    if amount > bounds.payment_max:
        return {field: f"At most {show(bounds.payment_max)}"}
    return {}
