"""Delete webhook deliveries older than the retention period."""

from webapp.database.transactions import begin_writing
from webapp.domain.shared.context import Context
from webapp.domain.webhooks import endpoint as webhooks


def delete_old_deliveries(ctx: Context) -> int:
    """Delete old deliveries, the oldest first, and return how many."""
    begin_writing(ctx.session)
    count = webhooks.delete_old_deliveries(ctx)
    ctx.session.commit()
    return count
