"""Low-balance settings for programs."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from webapp.domain.shared.money import DecimalText, decimal_text
from webapp.domain.top_ups.settings import LowBalanceSettings, RefillMode


@dataclass(frozen=True)
class SettingsRecord:
    """Automatic refill and low-balance notification of an account."""

    refill_on: bool
    refill_mode: RefillMode
    """`add`: charge exactly the refill amount. `target`: charge the difference to the target, at
    most `largest_charge`."""
    threshold: DecimalText | None
    """A refill is due when the balance falls below this amount."""
    refill_amount: DecimalText | None
    target: DecimalText | None
    largest_charge: DecimalText | None
    """Largest automatic charge in mode `target`."""
    day_limit: DecimalText | None
    """Limit of automatic payments per calendar day in the account's time zone."""
    no_day_limit: bool
    """True if the account has chosen no daily limit. False without `day_limit`: not chosen yet."""
    month_limit: DecimalText | None
    """Limit of automatic payments per calendar month; null for none."""
    notification_on: bool
    """Email only, no charge."""
    notification_threshold: DecimalText | None


def read_settings(session: Session, account_id: int) -> tuple[SettingsRecord, int]:
    """Return the settings and their version."""
    settings = LowBalanceSettings.of(session, account_id)
    record = SettingsRecord(
        refill_on=settings.refill_on,
        refill_mode=RefillMode(settings.refill_mode),
        threshold=_text(settings.threshold),
        refill_amount=_text(settings.refill_amount),
        target=_text(settings.target),
        largest_charge=_text(settings.largest_charge),
        day_limit=_text(settings.day_limit),
        no_day_limit=settings.no_day_limit,
        month_limit=_text(settings.month_limit),
        notification_on=settings.notification_on,
        notification_threshold=_text(settings.notification_threshold),
    )
    return record, settings.version


def _text(micros: int | None) -> DecimalText | None:
    return None if micros is None else decimal_text(micros)
