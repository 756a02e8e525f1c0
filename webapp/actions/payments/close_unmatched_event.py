"""Close an unmatched event after an operator's review (L9)."""

from webapp.database.transactions import begin_writing
from webapp.domain.payments import unmatched_events
from webapp.domain.payments.unmatched_events import UnmatchedEvent
from webapp.domain.shared.context import Context


def close_unmatched_event(ctx: Context, evidence_id: int, reason: str) -> UnmatchedEvent:
    """Close the event. Raises `NotFound`, `Invalid` without a reason, or `Conflict` if it is
    closed already.
    """
    begin_writing(ctx.session)
    found = unmatched_events.find(ctx.session, evidence_id)
    found.close(reason, ctx.now)
    ctx.session.commit()
    return found
