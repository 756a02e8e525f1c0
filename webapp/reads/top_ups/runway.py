"""How long the balance lasts at the pace of the last seven days, or why that cannot be said."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.shared import datetimes
from webapp.domain.top_ups.burn_rate import DAYS, FARTHEST, BurnRate, Runway, between, lasting
from webapp.domain.top_ups.settings import Choice
from webapp.domain.usage import holds
from webapp.domain.usage.holds import Held
from webapp.reads.ledger.balance_history import BalanceHistory


def burn_rate_instants(now: datetime) -> list[datetime]:
    """Where the seven days begin and end, the oldest first: a history must be exact there."""
    return [now - timedelta(days=back) for back in range(DAYS, -1, -1)]


def read_burn_rate(
    session: Session, account: Account, history: BalanceHistory, now: datetime
) -> BurnRate | None:
    """None before there are seven days of usage. `history` reaches back over them."""
    instants = burn_rate_instants(now)
    began = instants[0]
    if account.created_at > began:
        return None
    if not history.falls_before(began) and not _was_used_by(session, account, began):
        return None
    balances = history.at(instants)
    used = [before - after for before, after in pairwise(balances)]
    for it in history.movements:
        if it.credit and began < it.at <= now:
            # A day's last instant is its own: `at` has counted what came with it.
            day = next(n for n, end in enumerate(instants[1:]) if it.at <= end)
            used[day] += it.credit
    return BurnRate(tuple(max(0, day) for day in used))


def _was_used_by(session: Session, account: Account, instant: datetime) -> bool:
    """Also where that was before the history begins."""
    first = _first_used(session, account)
    return first is not None and first <= instant


def _first_used(session: Session, account: Account) -> datetime | None:
    return session.scalar(
        select(LedgerEntry.posted_at)
        .where(LedgerEntry.account_id == account.id, LedgerEntry.kind == EntryKind.USAGE)
        .order_by(LedgerEntry.id)
        .limit(1)
    )


@dataclass(frozen=True)
class Forecast:
    """When the balance reaches the threshold, or zero where refill is off, at this week's pace.

    Every screen that foretells it asks for this, so that they agree.
    """

    where: str
    """ "the threshold" or "zero"."""
    held: Held
    """Active calls, counted as used."""
    runway: Runway | None
    """None: it is there already, active calls counted."""
    when: str
    """ "around Tue 1 Dec, at this week’s pace"."""


def read_forecast(
    session: Session, account: Account, choice: Choice, pace: BurnRate | None, now: datetime
) -> Forecast | None:
    """None where nothing was used in those days, or it lasts beyond `FARTHEST`."""
    if pace is None or not any(pace.days):
        return None
    refilled = choice.refill_on and choice.threshold is not None
    goal = choice.threshold if refilled and choice.threshold is not None else 0
    where = "the threshold" if refilled else "zero"
    held = holds.held(session, account, now)
    left = account.balance - held.amount - goal
    if left <= 0:
        counted = ", active calls counted" if left + held.amount > 0 else ""
        return Forecast(where, held, None, f"at or below {where}{counted}")
    found = pace.runway(left)
    if found is None:
        return None
    day = datetimes.weekday_and_day(now + timedelta(days=found.middle), account.time_zone, now)
    return Forecast(where, held, found, f"around {day}, at this week’s pace")


def sentence_case(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


def runway_words(
    session: Session, account: Account, choice: Choice, pace: BurnRate | None, now: datetime
) -> str:
    """ "At the pace of the last 7 days the balance reaches the threshold in about 3 days"."""
    if pace is None:
        return _too_little(session, account, now)
    if not any(pace.days):
        return f"Nothing was used in the last {DAYS} days."
    forecast = read_forecast(session, account, choice, pace, now)
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


def _too_little(session: Session, account: Account, now: datetime) -> str:
    first = _first_used(session, account)
    if first is None:
        return "Nothing has been used yet, so nobody can say how long the balance lasts."
    days = (now - first).days
    since = "today" if days < 1 else f"{days} day{'s' if days != 1 else ''} ago"
    return (
        f"Usage began {since}. After {DAYS} days this says how long the balance lasts at their "
        "pace."
    )
