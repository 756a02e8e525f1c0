"""Rate limiting. An attempt is recorded before it runs, so concurrent requests cannot exceed the
limit.
"""

from collections.abc import Sequence

from webapp.database.transactions import begin_writing
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import TooOften
from webapp.domain.users import rate_limits
from webapp.domain.users.rate_limits import Count


def hit(ctx: Context, what: str, counts: Sequence[Count]) -> None:
    """Record an attempt, or raise `TooOften` and record nothing. `what` begins the sentence."""
    begin_writing(ctx.session)
    rate_limits.lock(ctx.session, counts)
    wait = rate_limits.resets_in(ctx, counts)
    if wait:
        ctx.session.rollback()
        raise TooOften(what, wait)
    rate_limits.hit(ctx, counts)
    ctx.session.commit()


def clear(ctx: Context, counts: Sequence[Count]) -> None:
    """Reset the counts after a successful attempt."""
    begin_writing(ctx.session)
    rate_limits.clear(ctx.session, counts)
    ctx.session.commit()
