"""A settings form that is sent after other settings were applied (P5).

What was typed stays, and the values in force are named beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import AuditEntry
from webapp.domain.shared import datetimes, money
from webapp.domain.top_ups.settings import Choice, LowBalanceSettings, RefillMode
from webapp.reads.top_ups.settings_panel import Conflict, OtherValue, SettingsPanel, as_typed

FIELDS: Mapping[str, tuple[str, ...]] = {
    "refill_on": ("refill_on",),
    "refill_mode": ("refill_mode",),
    "threshold": ("threshold",),
    "refill_amount": ("refill_amount",),
    "target": ("target",),
    "largest_charge": ("largest_charge",),
    "day_limit": ("day_limit", "no_day_limit"),
    "month_limit": ("month_limit",),
    "notification_on": ("notification_on",),
    "notification_threshold": ("notification_threshold",),
}
"""The parts of a choice that each field of the form shows."""
NAMES = {
    "refill_on": "automatic refill",
    "refill_mode": "kind of refill",
    "target": "target balance",
    "largest_charge": "largest automatic charge",
    "day_limit": "daily limit",
    "month_limit": "monthly limit",
    "notification_on": "low balance notification",
}
MODES = {RefillMode.ADD: "Add a fixed amount", RefillMode.TARGET: "Refill to a target"}


def read_conflict(
    session: Session,
    account_id: int,
    panel: SettingsPanel,
    form: Mapping[str, str],
    typed: Choice,
    unreadable: Mapping[str, str],
    since: int,
    user_id: int,
    now: datetime,
    *,
    use: str = "",
) -> SettingsPanel:
    """The panel with what was typed on a form that showed the version `since`.

    A field that the person left alone takes the value in force, and so does the field `use`.
    """
    account = session.get_one(Account, account_id)
    settings = LowBalanceSettings.of(session, account_id)
    since_then = _changes_since(session, settings, since)
    standing = settings.chosen()
    before = _undone(standing, since_then) if len(since_then) == settings.version - since else None
    fields, others, is_filled_in = dict(form), dict[str, OtherValue](), False
    for field, parts in FIELDS.items():
        mine, there = _parts(typed, parts), _parts(standing, parts)
        shown = None if before is None else _parts(before, parts)
        if there == shown or (mine == there and field not in unreadable):
            continue
        if field != use and (mine != shown or field in unreadable):
            others[field] = _other(account, standing, field)
        else:
            fields |= {part: _field_text(getattr(standing, part)) for part in parts}
            is_filled_in = is_filled_in or field != use
    conflict = Conflict(
        since=since,
        who=who_changed(account, since_then[0] if since_then else None, user_id, now),
        text=_text(account, typed, others, is_filled_in=is_filled_in),
        others=others,
    )
    return replace(as_typed(panel, fields), conflict=conflict)


def _changes_since(
    session: Session, settings: LowBalanceSettings, since: int
) -> Sequence[AuditEntry]:
    """The newest first: one for each version."""
    return changes(session, settings.account_id, "settings", max(settings.version - since, 0))


def changes(session: Session, account_id: int, what: str, most: int) -> Sequence[AuditEntry]:
    """The newest first."""
    return session.scalars(
        select(AuditEntry)
        .where(AuditEntry.account_id == account_id, AuditEntry.what == what)
        .order_by(AuditEntry.id.desc())
        .limit(most)
    ).all()


def _undone(standing: Choice, entries: Sequence[AuditEntry]) -> Choice:
    """The choice before these changes."""
    values = asdict(standing)
    for entry in entries:
        changed = entry.details.get("changed")
        if isinstance(changed, dict):
            values |= {name: pair[0] for name, pair in changed.items() if name in values}
    return Choice(**values)


def _parts(choice: Choice, names: Sequence[str]) -> tuple[object, ...]:
    return tuple(getattr(choice, name) for name in names)


def _field_text(value: object) -> str:
    """As the form sends it."""
    if isinstance(value, bool):
        return "1" if value else ""
    return value if isinstance(value, str) else money.field_text(value)  # type: ignore[arg-type]


def _other(account: Account, standing: Choice, field: str) -> OtherValue:
    value = getattr(standing, field)
    return OtherValue(
        text=_words(account, standing, field),
        value=_field_text(value),
        is_unlimited=field == "day_limit" and standing.no_day_limit,
    )


def _words(account: Account, choice: Choice, field: str) -> str:
    """ "$55.00", "on", "no daily limit"."""
    value = getattr(choice, field)
    if isinstance(value, bool):
        return "on" if value else "off"
    if field == "refill_mode":
        return MODES[RefillMode(value)]
    if value is not None:
        return account.show(value)
    return f"no {NAMES[field]}" if field in ("day_limit", "month_limit") else "empty"


def who_changed(account: Account, last: AuditEntry | None, user_id: int, now: datetime) -> str:
    """ "Tom Okafor changed these settings at 14:11."; `user_id`: of the person who reads it."""
    if last is None:
        return "These settings have changed since you opened this page."
    time = datetimes.clock_time(last.at, account.time_zone)
    is_today = datetimes.since(last.at, account.time_zone, now).startswith("Today")
    when = f"at {time}" if is_today else f"on {datetimes.when(last.at, account.time_zone, now)}"
    if last.user_id == user_id:
        return f"You changed these settings in another tab {when}."
    return f"{last.actor_name} changed these settings {when}."


def _text(
    account: Account, typed: Choice, others: Mapping[str, OtherValue], *, is_filled_in: bool
) -> str:
    names = [NAMES.get(field, field.replace("_", " ")) for field in others]
    filled = "The fields that you left alone show the new values. " if is_filled_in else ""
    if len(others) == 1:
        ((field, other),) = others.items()
        mine = _words(account, typed, field)
        is_amount = isinstance(getattr(typed, field), int) and mine not in ("on", "off")
        said = f"You typed a {names[0]} of {mine}; it" if is_amount else f"The {names[0]}"
        first = f"{said} is {other.text} now. "
    elif others:
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        first = f"The {listed} have other values now, shown beside what you entered. "
    else:
        first = ""
    return f"{first}{filled}Nothing of yours was applied."
