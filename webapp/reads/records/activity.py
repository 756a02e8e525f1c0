"""The decision timeline for programs (E1), with the forecast (T13)."""

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.domain.accounts.account import Account
from webapp.domain.events import kinds
from webapp.domain.events.rows import EventRow
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.explanations import plain, what_happens_next
from webapp.reads.records.pages import page_of
from webapp.reads.records.record import Id, Instant, NextCursor, Record


class DecisionRecord(Record):
    """A decision about charging, with its reason."""

    id: Id
    code: str = Field(
        description="Stable: `charged`, `all_suspended`, `cap_reached`… Codes may be added.",
        examples=["charged"],
    )
    sentence: str = Field(description="The decision and its reason, as a sentence for people.")
    times: int = Field(description="How often the same decision was repeated in a row.")
    first_at: Instant = Field(description="When the decision was first made.")
    last_at: Instant = Field(description="When the decision was last repeated.")


class ActivityPage(Record):
    """A page of decisions, newest first."""

    next: str = Field(description="What happens when the balance falls below the threshold.")
    decisions: tuple[DecisionRecord, ...] = Field(description="The decisions on this page.")
    next_cursor: NextCursor


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
                id=one.id,
                code=one.timeline or "",
                sentence=kinds.line(one, account),
                times=one.times,
                first_at=one.at,
                last_at=one.last_at,
            )
            for one in shown
        ),
        next_cursor=cursor,
    )
