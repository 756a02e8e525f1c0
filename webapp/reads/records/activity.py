"""The decision timeline for programs (E1), with the forecast (T13)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.domain.accounts.account import Account
from webapp.domain.events import kinds
from webapp.domain.events.rows import EventRow
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.explanations import plain, what_happens_next
from webapp.reads.records.pages import page_of


@dataclass(frozen=True)
class DecisionRecord:
    """A decision about charging, with its reason."""

    id: int
    code: str
    """Stable: `charged`, `all_suspended`, `cap_reached`… New ones may be added."""
    sentence: str
    times: int
    """Number of times the same decision was repeated in a row."""
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class ActivityPage:
    """A page of decisions, newest first."""

    next: str
    """What happens when the balance falls below the threshold."""
    decisions: tuple[DecisionRecord, ...]
    next_cursor: str | None


def read_activity(ctx: Context, account_id: int, before: int | None, limit: int) -> ActivityPage:
    account = ctx.session.get_one(Account, account_id)
    at = top_ups.gather(ctx, account)
    of_timeline = (EventRow.account_id == account_id, EventRow.timeline.is_not(None))
    query = select(EventRow).where(*of_timeline).options(joinedload(EventRow.repeat))
    shown, cursor = page_of(ctx, query, EventRow.id, before, limit)
    return ActivityPage(
        next=plain(what_happens_next(at, account.show)),
        decisions=tuple(
            DecisionRecord(
                one.id,
                one.timeline or "",
                kinds.line(one, account),
                one.times,
                one.at,
                one.last_at,
            )
            for one in shown
        ),
        next_cursor=cursor,
    )
