"""The Low Balance Settings panel, with saved or submitted values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

from webapp.domain.accounts.account import Account
from webapp.domain.shared import datetimes, field_tables, money
from webapp.domain.shared.context import Context
from webapp.domain.shared.field_tables import Table
from webapp.domain.shared.money import AmountFormat
from webapp.domain.top_ups.burn_rate import BurnRate, suggestion
from webapp.domain.top_ups.default_limit import busiest_day
from webapp.domain.top_ups.settings import (
    FIELDS,
    REFILLS_A_DAY,
    LowBalanceSettings,
    RefillMode,
)
from webapp.domain.top_ups.top_up import PlanInput
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Held
from webapp.reads.payments.outcome import Outcome


@dataclass(frozen=True)
class Suggested:
    words: str
    """What the last seven days used, and what is suggested."""
    threshold: str
    """Field text, like `refill_amount`. "Use these amounts" fills both in without applying."""
    refill_amount: str


@dataclass(frozen=True)
class OtherValue:
    """The saved value, shown next to a field with different input."""

    text: str
    """ "$55.00", "on", "no daily limit"."""
    value: str
    """Field text."""
    is_unlimited: bool = False
    """Whether "No daily limit" is chosen."""


@dataclass(frozen=True)
class Conflict:
    """The settings were changed after the page was opened (P5)."""

    since: int
    """Version that the form showed."""
    who: str
    """ "Tom Okafor changed these settings at 14:11."."""
    text: str
    others: Mapping[str, OtherValue] = field(hash=False)
    """By field name."""


@dataclass(frozen=True)
class SettingsPanel:
    fields: ClassVar[Table] = FIELDS
    values: Mapping[str, str] = field(hash=False)
    """By field name, as the form sends them: "50.00"; "1" for a switch that is on."""
    amounts: AmountFormat
    """Format of the amount fields."""
    version: int
    """Sent back on Apply as `seen`, to detect a stale form."""
    saved: str
    """ "Last saved 12 Nov", or empty if never."""
    options: str
    """Summary of the closed More options: "Fixed amount, no monthly limit"."""
    refills_a_day: str
    """Refills that the daily limit allows; empty in target mode or without a limit."""
    used_today: str
    """ "$100.00 used today."; empty without a daily limit."""
    used_this_month: str
    """ "$100.00 used this month.", or "Optional" without a monthly limit."""
    suggested_limit: "SuggestedLimit"
    hint: str
    """Hint below the refill fields, such as the recommended threshold (T12)."""
    notification_hint: str
    """Hint next to the notification field: "Email only, no charge." or the advice of N4."""
    suggested: Suggested | None
    """Suggestion from the last seven days of usage; None before that."""
    errors: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By field name."""
    happened: Outcome | None = None
    """Outcome of the charge that Apply caused, shown in place of the preview (T18)."""
    applied: bool = False
    """Just saved; shows "Changes applied" for 6 s."""
    refused: str = ""
    """ "1 field to fix", or why nothing was saved."""
    conflict: Conflict | None = None

    @property
    def opens_options(self) -> bool:
        """Whether More options contains a field with an error, a conflict or another mode."""
        marked = {*self.errors, *(self.conflict.others if self.conflict else ())}
        return self.values["refill_mode"] == RefillMode.TARGET or any(
            FIELDS[name].is_folded for name in marked
        )


@dataclass(frozen=True)
class SuggestedLimit:
    """Input of the script that suggests limits, in minor units (T9, T10)."""

    refills: int
    """Suggested daily limit as a multiple of the largest automatic charge…"""
    least: int
    """…but at least this amount."""
    smallest_charge: int
    """Lower bound of the suggested largest automatic charge, which is twice the target."""
    largest_charge: int


def read_settings(
    ctx: Context, account: Account, inputs: PlanInput, pace: BurnRate | None
) -> SettingsPanel:
    settings = LowBalanceSettings.of(ctx.session, account.id)
    return SettingsPanel(
        values={
            name: it.text(getattr(settings, name), account.amounts) for name, it in FIELDS.items()
        },
        amounts=account.amounts,
        version=settings.version,
        saved=_saved(account, settings, inputs.now),
        options=_options(account, settings),
        refills_a_day=_refills_a_day(settings),
        used_today=_used(account, settings.day_limit, inputs.spent_today, "today"),
        used_this_month=_used(account, settings.month_limit, inputs.spent_this_month, "this month")
        or "Optional",
        suggested_limit=_suggested_limit(ctx, account, settings, inputs),
        hint=_hint(account, settings, inputs, holds.held(ctx.at(inputs.now), account)),
        notification_hint=_notification_hint(settings),
        suggested=_suggested(account, inputs, pace),
    )


def as_typed(panel: SettingsPanel, form: Mapping[str, str]) -> SettingsPanel:
    """Return the panel with the submitted values, so that a rejected form keeps them."""
    return replace(panel, values=field_tables.as_typed(FIELDS, form, panel.values))


def _suggested(account: Account, inputs: PlanInput, pace: BurnRate | None) -> Suggested | None:
    if pace is None or not pace.daily:
        return None
    amounts = suggestion(pace, inputs.bounds)
    return Suggested(
        words=(
            f"You use about {account.show(pace.daily)} a day, {account.show(pace.busiest)} on the "
            "busiest of the last 7. Suggested: threshold "
            f"{account.show(amounts.threshold or 0)}, refill "
            f"{account.show(amounts.refill_amount or 0)}."
        ),
        threshold=account.amounts.field(amounts.threshold),
        refill_amount=account.amounts.field(amounts.refill_amount),
    )


def _saved(account: Account, settings: LowBalanceSettings, now: datetime) -> str:
    if settings.applied_at is None:
        return ""
    day = datetimes.day(settings.applied_at, account.time_zone, now)
    today = datetimes.day(now, account.time_zone, now)
    if day == today:
        day = f"today, {datetimes.clock_time(settings.applied_at, account.time_zone)}"
    return f"Last saved {day}"


def _options(account: Account, settings: LowBalanceSettings) -> str:
    to_target = settings.refill_mode == RefillMode.TARGET
    mode = "Refill to a target" if to_target else "Fixed amount"
    limit = settings.month_limit
    month = "no monthly limit" if limit is None else f"{account.show(limit)} a month"
    return f"{mode}, {month}"


def _refills_a_day(settings: LowBalanceSettings) -> str:
    limit, amount = settings.day_limit, settings.refill_amount
    if settings.refill_mode == RefillMode.TARGET or limit is None or not amount:
        return ""
    return str(limit // amount)


def _used(account: Account, limit: int | None, spent: int, span: str) -> str:
    return "" if limit is None else f"{account.show(spent)} used {span}."


def _suggested_limit(
    ctx: Context, account: Account, settings: LowBalanceSettings, inputs: PlanInput
) -> SuggestedLimit:
    """Return the script's input; the busiest day is read only if there is no daily limit."""
    busiest = busiest_day(ctx.at(inputs.now), account) if settings.day_limit is None else 0
    unit = inputs.bounds.minor_unit
    return SuggestedLimit(
        refills=REFILLS_A_DAY,
        least=money.round_up(2 * busiest, account.currency) // unit,
        smallest_charge=inputs.bounds.payment_min // unit,
        largest_charge=inputs.bounds.payment_max // unit,
    )


def _hint(account: Account, settings: LowBalanceSettings, inputs: PlanInput, held: Held) -> str:
    """Return the hint about holds and the recommended threshold (T12)."""
    recommended = inputs.bounds.threshold_advice
    advice = f"We recommend a threshold of at least {account.show(recommended)}."
    if held.count:
        calls = "1 active call is" if held.count == 1 else f"{held.count:,} active calls are"
        return f"{calls} holding {account.show(held.amount)}. {advice}"
    if settings.threshold is not None and settings.threshold >= recommended:
        return "We’ll charge when your balance falls below the threshold."
    return f"We’ll charge when your balance falls below the threshold. {advice}"


def _notification_hint(settings: LowBalanceSettings) -> str:
    """Return the hint for the notification threshold (N4)."""
    pair = (settings.notification_threshold, settings.threshold)
    if settings.refill_on and None not in pair and pair[0] <= pair[1]:  # type: ignore[operator]
        return "You’ll usually be refilled before this is sent."
    return "Email only, no charge."
