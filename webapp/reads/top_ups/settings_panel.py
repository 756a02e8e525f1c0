"""The Low Balance Settings panel, as saved or as someone is filling it in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.shared import datetimes, money
from webapp.domain.top_ups.burn_rate import BurnRate, suggestion
from webapp.domain.top_ups.default_limit import busiest_day
from webapp.domain.top_ups.settings import REFILLS_A_DAY, LowBalanceSettings, RefillMode
from webapp.domain.top_ups.top_up import PlanInput
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Held
from webapp.reads.payments.outcome import Outcome


@dataclass(frozen=True)
class Suggested:
    words: str
    """ "You use about $7.20 a day, at most $12.10."."""
    threshold: str
    """Field text; so is the other. One click fills them in, and applies nothing."""
    refill_amount: str


@dataclass(frozen=True)
class OtherValue:
    """What is in force, beside a field in which something else was typed."""

    text: str
    """ "$55.00", "on", "no daily limit"."""
    value: str
    """As the field holds it."""
    is_unlimited: bool = False
    """ "No daily limit" is chosen."""


@dataclass(frozen=True)
class Conflict:
    """Other settings were applied after the page was opened (P5)."""

    since: int
    """The version that the person saw first."""
    who: str
    """ "Tom Okafor changed these settings at 14:11."."""
    text: str
    others: Mapping[str, OtherValue] = field(hash=False)
    """By field name."""


@dataclass(frozen=True)
class SettingsPanel:
    refill_on: bool
    refill_mode: str
    """ "add" or "target"."""
    threshold: str
    """Field text, "50.00"; so are the other amounts."""
    refill_amount: str
    target: str
    largest_charge: str
    day_limit: str
    no_day_limit: bool
    month_limit: str
    notification_on: bool
    notification_threshold: str
    symbol: str
    """ "$", before each field."""
    version: int
    """Sent back on Apply, so that a stale form is seen (hidden field `seen`)."""
    saved: str
    """ "Last saved 12 Nov", or empty if never."""
    options: str
    """The closed More options line: "Fixed amount, no monthly limit"."""
    refills_a_day: str
    """How many the daily limit allows; empty where they vary or there is no limit."""
    used_today: str
    """ "$100.00 used today."; empty without a daily limit."""
    used_this_month: str
    """The same of the monthly limit, or "Optional"."""
    suggested_limit: "SuggestedLimit"
    hint: str
    """Under the refill fields, e.g. the advice to keep a threshold of 50 USD or more (T12)."""
    notification_hint: str
    """Beside the notification field: "Email only, no charge." or N4's advice."""
    suggested: Suggested | None
    """From the pace of the last seven days; None before there are seven."""
    can_turn_on: bool
    """T2: some method has auto-charge on."""
    errors: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By field name."""
    happened: Outcome | None = None
    """What the charge of this Apply came to, in the preview's place (T18)."""
    applied: bool = False
    """Just saved: "Changes applied" for 6 s."""
    refused: str = ""
    """ "1 field to fix", or why nothing was saved."""
    conflict: Conflict | None = None


@dataclass(frozen=True)
class SuggestedLimit:
    """What the script fills in where nothing is chosen. Cents (T9, T10)."""

    refills: int
    """The daily limit: so many of the largest automatic charge…"""
    least: int
    """…or this, if it is more."""
    smallest_charge: int
    """The largest automatic charge: twice the target, within one payment's bounds."""
    largest_charge: int


def read_settings(
    session: Session, account: Account, inputs: PlanInput, pace: BurnRate | None
) -> SettingsPanel:
    settings = LowBalanceSettings.of(session, account.id)
    return SettingsPanel(
        refill_on=settings.refill_on,
        refill_mode=settings.refill_mode,
        threshold=money.field_text(settings.threshold),
        refill_amount=money.field_text(settings.refill_amount),
        target=money.field_text(settings.target),
        largest_charge=money.field_text(settings.largest_charge),
        day_limit=money.field_text(settings.day_limit),
        no_day_limit=settings.no_day_limit,
        month_limit=money.field_text(settings.month_limit),
        notification_on=settings.notification_on,
        notification_threshold=money.field_text(settings.notification_threshold),
        symbol=money.symbol(account.currency, account.locale),
        version=settings.version,
        saved=_saved(account, settings, inputs.now),
        options=_options(account, settings),
        refills_a_day=_refills_a_day(settings),
        used_today=_used(account, settings.day_limit, inputs.spent_today, "today"),
        used_this_month=_used(account, settings.month_limit, inputs.spent_this_month, "this month")
        or "Optional",
        suggested_limit=_suggested_limit(session, account, settings, inputs),
        hint=_hint(account, settings, holds.held(session, account, inputs.now)),
        notification_hint=_notification_hint(settings),
        suggested=_suggested(account, inputs, pace),
        can_turn_on=any(method.auto_charge for method in inputs.methods),
    )


def as_typed(panel: SettingsPanel, form: Mapping[str, str], **changes: object) -> SettingsPanel:
    """The panel with what the person typed, so that a refusal loses nothing."""
    texts = (
        "threshold",
        "refill_amount",
        "target",
        "largest_charge",
        "day_limit",
        "month_limit",
        "notification_threshold",
    )
    typed: dict[str, object] = {name: form.get(name, getattr(panel, name)) for name in texts}
    typed["refill_on"] = form.get("refill_on") == "1"
    typed["no_day_limit"] = form.get("no_day_limit") == "1"
    if typed["no_day_limit"]:
        typed["day_limit"] = ""
    typed["notification_on"] = form.get("notification_on") == "1"
    typed["refill_mode"] = (
        RefillMode.TARGET.value if form.get("refill_mode") == "target" else RefillMode.ADD.value
    )
    return replace(panel, **{**typed, **changes})  # type: ignore[arg-type]


def _suggested(account: Account, inputs: PlanInput, pace: BurnRate | None) -> Suggested | None:
    if pace is None or not pace.daily:
        return None
    wise = suggestion(pace, inputs.policy)
    return Suggested(
        words=(
            f"You use about {account.show(pace.daily)} a day, {account.show(pace.busiest)} on the "
            "busiest of the last 7."
        ),
        threshold=money.field_text(wise.threshold),
        refill_amount=money.field_text(wise.refill_amount),
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
    session: Session, account: Account, settings: LowBalanceSettings, inputs: PlanInput
) -> SuggestedLimit:
    """The busiest day is looked up only where a daily limit may be suggested."""
    busiest = busiest_day(session, account, inputs.now) if settings.day_limit is None else 0
    return SuggestedLimit(
        refills=REFILLS_A_DAY,
        least=money.cents_up(2 * busiest) // money.CENT,
        smallest_charge=inputs.policy.payment_min // money.CENT,
        largest_charge=inputs.policy.payment_max // money.CENT,
    )


def _hint(account: Account, settings: LowBalanceSettings, held: Held) -> str:
    """T12: what calls in progress hold, and the advice that goes with them."""
    recommended = 50 * money.MICROS
    advice = f"We recommend a threshold of at least {account.show(recommended)}."
    if held.count:
        calls = "1 active call is" if held.count == 1 else f"{held.count:,} active calls are"
        return f"{calls} holding {account.show(held.amount)}. {advice}"
    if settings.threshold is not None and settings.threshold >= recommended:
        return "We’ll charge when your balance falls below the threshold."
    return f"We’ll charge when your balance falls below the threshold. {advice}"


def _notification_hint(settings: LowBalanceSettings) -> str:
    """N4: allowed, with advice."""
    pair = (settings.notification_threshold, settings.threshold)
    if settings.refill_on and None not in pair and pair[0] <= pair[1]:  # type: ignore[operator]
        return "You’ll usually be refilled before this is sent."
    return "Email only, no charge."
