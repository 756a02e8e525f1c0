"""Runway: how long the balance lasts at the pace of the last seven days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import select

from webapp.domain.accounts.account import Account
from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.burn_rate import DAYS, FARTHEST, BurnRate, Runway, between, lasting
from webapp.domain.top_ups.settings import Choice
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Held
from webapp.reads.ledger.balance_history import BalanceHistory


def burn_rate_instants(now: datetime) -> list[datetime]:
    """Return the boundaries of the last seven days, oldest first; a history must be exact there."""
    return [now - timedelta(days=back) for back in range(DAYS, -1, -1)]


def read_burn_rate(ctx: Context, account: Account, history: BalanceHistory) -> BurnRate | None:
    """Return usage per day, or None before seven days of usage; `history` must cover them."""
    instants = burn_rate_instants(ctx.now)
    began = instants[0]
    if account.created_at > began:
        return None
    if not history.falls_before(began) and not _was_used_by(ctx, account, began):
        return None
    balances = history.at(instants)
    used = [before - after for before, after in pairwise(balances)]
    for movement in history.movements:
        if movement.credit and began < movement.at <= ctx.now:
            used[_day(instants, movement.at)] += movement.credit
            # Reversed usage was none (L16).
            if movement.usage_at is not None and movement.usage_at > began:
                used[_day(instants, movement.usage_at)] -= movement.credit
    return BurnRate(tuple(max(0, day) for day in used))


def _day(instants: Sequence[datetime], at: datetime) -> int:
    """The number of the day; its last instant belongs to it, as `BalanceHistory.at` counts."""
    return next(number for number, end in enumerate(instants[1:]) if at <= end)


def _was_used_by(ctx: Context, account: Account, instant: datetime) -> bool:
    """Whether the first usage was at or before the instant, even before the history starts."""
    first = _first_used(ctx, account)
    return first is not None and first <= instant


def _first_used(ctx: Context, account: Account) -> datetime | None:
    return ctx.session.scalar(
        select(LedgerEntry.posted_at)
        .where(LedgerEntry.account_id == account.id, LedgerEntry.kind == EntryKind.USAGE)
        .order_by(LedgerEntry.id)
        .limit(1)
    )


@dataclass(frozen=True)
class Forecast:
    """When the balance reaches the threshold, or zero if refill is off, at this week's pace.

    All screens and emails use this forecast, so they agree.
    """

    where: str
    """ "the threshold" or "zero"."""
    held: Held
    """Holds of active calls, counted as used."""
    runway: Runway | None
    """None if the balance minus holds is already there."""
    when: str
    """ "around Tue 1 Dec, at this week’s pace"."""


def read_forecast(
    ctx: Context, account: Account, choice: Choice, pace: BurnRate | None
) -> Forecast | None:
    """Return the forecast; None without recent usage, or if the runway exceeds `FARTHEST`."""
    if pace is None or not any(pace.days):
        return None
    refilled = choice.refill_on and choice.threshold is not None
    goal = choice.threshold if refilled and choice.threshold is not None else 0
    where = "the threshold" if refilled else "zero"
    held = holds.held(ctx, account)
    left = account.balance - held.amount - goal
    if left <= 0:
        counted = ", active calls counted" if left + held.amount > 0 else ""
        return Forecast(where, held, None, f"at or below {where}{counted}")
    found = pace.runway(left)
    if found is None:
        return None
    day = datetimes.weekday_and_day(
        ctx.now + timedelta(days=found.middle), account.time_zone, ctx.now
    )
    return Forecast(where, held, found, f"around {day}, at this week’s pace")


def sentence_case(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


def runway_words(ctx: Context, account: Account, choice: Choice, pace: BurnRate | None) -> str:
    """Return the forecast as a sentence, or why there is none."""
    if pace is None:
        return _too_little(ctx, account)
    if not any(pace.days):
        return f"No usage in the last {DAYS} days."
    forecast = read_forecast(ctx, account, choice, pace)
    if forecast is None:
        return f"At this week’s pace the balance lasts more than {FARTHEST} days."
    if forecast.runway is None:
        return f"The balance is {forecast.when}."
    spread = between(forecast.runway)
    counted = ""
    if forecast.held.count:
        counted = f" Active calls are counted as used: {account.show(forecast.held.amount)}."
    return (
        f"The balance reaches {forecast.where} {forecast.when}: in "
        f"{lasting(forecast.runway.middle)}{f' ({spread})' if spread else ''}.{counted}"
    )


def _too_little(ctx: Context, account: Account) -> str:
    first = _first_used(ctx, account)
    if first is None:
        return f"No usage yet. A forecast appears after {DAYS} days of usage."
    days = (ctx.now - first).days
    since = "today" if days < 1 else f"{days} day{'s' if days != 1 else ''} ago"
    return f"Usage began {since}. A forecast appears after {DAYS} days of usage."
