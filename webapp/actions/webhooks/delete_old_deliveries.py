"""Delete webhook deliveries, and the provider's numbers of events, after the retention period."""

from webapp.database.transactions import begin_writing
from webapp.domain.shared.context import Context
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks import provider_events


def delete_old_deliveries(ctx: Context) -> int:
    """Delete old deliveries, the oldest first, and return how many."""
    begin_writing(ctx.session)
    count = webhooks.delete_old_deliveries(ctx)
    ctx.session.commit()
    return count


def delete_old_numbers(ctx: Context) -> int:
    """Delete the numbers of old events, the lowest first, and return how many.

    The events themselves are never deleted.
    """
    begin_writing(ctx.session)
    count = provider_events.delete_old(ctx)
    ctx.session.commit()
    return count
