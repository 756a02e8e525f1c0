"""A settings form submitted after the settings had changed (P5).

The form keeps the user's input and shows the saved values next to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from sqlalchemy import select

from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.shared.field_tables import Amount, Field, Limit, controls
from webapp.domain.top_ups.settings import FIELDS, Choice, LowBalanceSettings, read_choice
from webapp.reads.top_ups.settings_panel import Conflict, OtherValue, SettingsPanel, as_typed


def read_conflict(
    ctx: Context,
    account_id: int,
    panel: SettingsPanel,
    form: Mapping[str, str],
    since: int,
    *,
    use: str = "",
) -> SettingsPanel:
    """Return the panel with the user's input from a form that showed version `since`.

    Fields that the user did not change, and the field `use`, take the saved value.
    """
    account = ctx.session.get_one(Account, account_id)
    settings = LowBalanceSettings.of(ctx.session, account_id)
    typed, unreadable = read_choice(form, account.amounts)
    since_then = _changes_since(ctx, settings, since)
    saved = settings.chosen()
    before = _undone(saved, since_then) if len(since_then) == settings.version - since else None
    fields, others, is_filled_in = dict(form), dict[str, OtherValue](), False
    for field, parts in controls(FIELDS).items():
        mine, current = _parts(typed, parts), _parts(saved, parts)
        shown = None if before is None else _parts(before, parts)
        if current == shown or (mine == current and field not in unreadable):
            continue
        if field != use and (mine != shown or field in unreadable):
            others[field] = _other(account, saved, field)
        else:
            fields |= {
                part: FIELDS[part].text(getattr(saved, part), account.amounts) for part in parts
            }
            is_filled_in = is_filled_in or field != use
    conflict = Conflict(
        since=since,
        who=who_changed(ctx, account, since_then[0] if since_then else None),
        text=_text(account, typed, others, is_filled_in=is_filled_in),
        others=others,
    )
    return replace(as_typed(panel, fields), conflict=conflict)


def _changes_since(ctx: Context, settings: LowBalanceSettings, since: int) -> Sequence[EventRow]:
    """Return the audit entries of the versions after `since`, newest first."""
    return changes(ctx, settings.account_id, "settings", max(settings.version - since, 0))


def changes(ctx: Context, account_id: int, what: str, most: int) -> Sequence[EventRow]:
    """Return the last `most` audit entries of a kind, newest first."""
    return ctx.session.scalars(
        select(EventRow)
        .where(EventRow.account_id == account_id, EventRow.audit == what)
        .order_by(EventRow.id.desc())
        .limit(most)
    ).all()


def _undone(saved: Choice, entries: Sequence[EventRow]) -> Choice:
    """Return the choice before these changes."""
    values = asdict(saved)
    for entry in entries:
        changed = entry.facts.get("changed")
        if isinstance(changed, dict):
            values |= {name: pair[0] for name, pair in changed.items()}
    return Choice.restored(values)


def _parts(choice: Choice, names: Sequence[str]) -> tuple[object, ...]:
    return tuple(getattr(choice, name) for name in names)


def _other(account: Account, saved: Choice, name: str) -> OtherValue:
    boxes = [part for part in controls(FIELDS)[name] if part != name]
    return OtherValue(
        text=_words(account, saved, FIELDS[name]),
        value=FIELDS[name].text(getattr(saved, name), account.amounts),
        is_unlimited=any(getattr(saved, box) for box in boxes),
    )


def _words(account: Account, choice: Choice, field: Field) -> str:
    """ "$55.00", "on", "no daily limit"."""
    value = getattr(choice, field.name)
    if value is None:
        return f"no {field.noun}" if isinstance(field, Limit) else "empty"
    return field.show(value, account.show)


def who_changed(ctx: Context, account: Account, last: EventRow | None) -> str:
    """Return "Tom Okafor changed these settings at 14:11.", or "You changed …" if the actor did."""
    if last is None:
        return "These settings have changed since you opened this page."
    time = datetimes.clock_time(last.at, account.time_zone)
    is_today = datetimes.since(last.at, account.time_zone, ctx.now).startswith("Today")
    when = f"at {time}" if is_today else f"on {datetimes.when(last.at, account.time_zone, ctx.now)}"
    if last.user_id == ctx.actor.user_id:
        return f"You changed these settings in another tab {when}."
    return f"{last.actor_name} changed these settings {when}."


def _text(
    account: Account, typed: Choice, others: Mapping[str, OtherValue], *, is_filled_in: bool
) -> str:
    names = [FIELDS[name].noun for name in others]
    filled = "Fields you didn’t change show the new values. " if is_filled_in else ""
    if len(others) == 1:
        ((name, other),) = others.items()
        field = FIELDS[name]
        mine = _words(account, typed, field)
        is_amount = isinstance(field, Amount) and getattr(typed, name) is not None
        subject = f"You entered a {names[0]} of {mine}; it" if is_amount else f"The {names[0]}"
        first = f"{subject} is now {other.text}. "
    elif others:
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        first = f"The {listed} have new values, shown next to your entries. "
    else:
        first = ""
    return f"{first}{filled}Your changes were not applied."
