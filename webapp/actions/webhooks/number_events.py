"""Number the events that the provider receives (V7)."""

from webapp.database.transactions import begin_writing
from webapp.domain.shared.context import Context
from webapp.domain.webhooks import provider_events


def number_events(ctx: Context) -> int:
    """Give each committed event the next sequence, in as many transactions as it takes.

    Returns how many were numbered. Costs one query if there are none.
    """
    count = 0
    while provider_events.has_unnumbered(ctx.session):
        begin_writing(ctx.session)
        count += provider_events.number(ctx.session)
        ctx.session.commit()
    return count
