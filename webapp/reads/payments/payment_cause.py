"""The low-balance settings that caused a payment, and who applied them (E2).

The settings of a version are rebuilt by replaying the changes in the audit log.
"""

from dataclasses import asdict, dataclass

from sqlalchemy import select

from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.settings import ALERT, FIELDS, LIMITS, Choice, RefillMode

WORDED = {
    "refill_on", "refill_mode", "threshold", "refill_amount", "target", "largest_charge",
    "no_day_limit",
}  # fmt: skip
"""Fields that the sentence contains or that its limits imply."""


@dataclass(frozen=True)
class Cause:
    version: int
    choice: Choice
    words: str
    """ "When the balance falls below $50.00, charge $100.00"."""
    limits: str
    """ "At most $300.00 a day and $900.00 a month", then further settings; may be empty."""
    applied: str
    """ "Applied by Ana Ruiz, Thu 12 Nov, 10:40"; empty if the log lacks that version."""
    event_id: int | None
    """Of the audit log's entry."""


def read_cause(ctx: Context, account: Account, version: int) -> Cause:
    """Read the settings of a version."""
    entries = ctx.session.scalars(
        select(EventRow)
        .where(EventRow.account_id == account.id, EventRow.audit == "settings")
        .order_by(EventRow.id)
    )
    choice, applied, event_id = Choice(), "", None
    for entry in entries:
        if _version(entry) > version:
            break
        choice = Choice.restored(asdict(choice) | _after(entry))
        if _version(entry) == version:
            when = datetimes.since(entry.at, account.time_zone, ctx.now)
            applied = f"Applied by {entry.actor_name}, {datetimes.within(when)}"
            event_id = entry.id
    words, limits = _words(choice, account), _limits(choice, account)
    return Cause(version, choice, words, limits, applied, event_id)


def _version(entry: EventRow) -> int:
    return int(str(entry.facts.get("version") or 0))


def _after(entry: EventRow) -> dict[str, object]:
    changed = entry.facts.get("changed")
    return {name: pair[1] for name, pair in changed.items()} if isinstance(changed, dict) else {}


def _words(choice: Choice, account: Account) -> str:
    below = f"When the balance falls below {account.show(choice.threshold or 0)}"
    if choice.refill_mode is RefillMode.TARGET:
        refill = f"{below}, refill to {account.show(choice.target or 0)}"
        largest = choice.largest_charge
        if largest is None:
            return refill
        return f"{refill}, charging at most {account.show(largest)} at once"
    return f"{below}, charge {account.show(choice.refill_amount or 0)}"


def _limits(choice: Choice, account: Account) -> str:
    parts = [f"{account.show(limit)} a {field.span}" for field, limit in choice.limits()]
    limits = [f"At most {' and '.join(parts)}"] if parts else []
    return ". ".join([*limits, *_others(choice, account)])


def _others(choice: Choice, account: Account) -> list[str]:
    """ "Smallest charge: $40.00" for each further field that is not at its default."""
    worded = WORDED | ALERT | {field.name for field in LIMITS}
    return [
        f"{field.label}: {field.show(getattr(choice, name), account.show)}"
        for name, field in FIELDS.items()
        if name not in worded and getattr(choice, name) != field.default
    ]
